"""The two programs called ``benchmark_model``: their command line, what their output means, where they come from.

Formats: TensorFlow's tensorflow/lite/tools/benchmark (benchmark_model.cc, benchmark_tflite_model.cc and
core/util/stats_calculator.h) from 2018 on, and google-ai-edge/LiteRT's litert/tools (benchmark_litert_model.h), which
is the published one. Both print a line ``count=… first=… curr=… min=… max=… avg=… std=…`` of the warm-up and one of the
timed runs, in µs (newer ones add ``p5=… median=… p95=…``, one run or equal ones give ``count=… curr=…``), then a
summary: TensorFlow's "Inference timings in us:" or "Average inference timings in us:", LiteRT's a block "BENCHMARK
RESULTS" that a line of "=" ends, with two decimals of a millisecond. Line and summary must be there and agree: so an
output cut anywhere is noticed. The time is that of the line, which has all digits.

After that both say by how much the largest resident set of their process has grown since they began
(tensorflow/lite/profiling/memory_info.cc: ru_maxrss), in units of 2^20 bytes that they call MB: "Memory footprint delta
from the start of the tool (MB): init=… overall=…" (builds since 2020), and LiteRT's "Init footprint" and "Overall
footprint". That is a peak already; the thread that ``--report_peak_memory_footprint`` starts besides would disturb the
timing.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnas_moo.objectives.phone.accelerator import Delegation
from mnas_moo.objectives.regular_file import UnfitFileError, read_regular

PLACE = "/data/local/tmp/benchmark_model"
"""Where its makers' guide puts it on a phone, and where it is looked for."""

MAX_PROGRAM_BYTES = 1_000_000_000
"""Size of a program; builds with all of TensorFlow's operations have some 200 MB."""

SOURCE = "https://storage.googleapis.com/litert/binaries"
"""Where LiteRT's is published, in a folder for each version and platform."""

VERSION = "2.2.0"
"""The version of LiteRT that is named where nobody asks for another."""

FOLDERS = {"arm64-v8a": "android_arm64", "x86_64": "android_x86_64"}
"""The folder of a platform, by its ABI."""

_OTHER_URLS = {
    "armeabi-v7a": "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/"
    "nightly/latest/android_arm_benchmark_model",
}
_SOURCE = "https://github.com/google-ai-edge/LiteRT/tree/main/litert/tools"
_MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86", 243: "riscv64"}  # e_machine of ELF

MAKERS = ((b"BENCHMARK RESULTS", "LiteRT"), (b"nference timings in us", "TensorFlow Lite"))
"""What is printed by which program only; LiteRT's first: it shares code with the other."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf)"
# Not "Timings (microseconds): count=…" and "Memory (bytes): count=…", which profiling adds for all operators.
_STATISTICS = re.compile(r"^(?!.*\((?:bytes|microseconds)\)).*?\bcount=(\d+)((?: \w+=\S+)*)", re.MULTILINE)
_SUMMARY = re.compile(
    rf"inference timings in us: .*?\b(?:inference \(avg\)|inference|no stats): *({_NUMBER})\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_RESULTS = re.compile(r"=+ BENCHMARK RESULTS =+\s*$(.*?)^[^=\n]*={20,}\s*$", re.DOTALL | re.MULTILINE)
_MEMORY = re.compile(
    rf"Memory footprint delta from the start of the tool \(MB\): init=({_NUMBER}) overall=({_NUMBER})\s*$", re.M
)
_FOOTPRINT = re.compile(rf"\b(Init|Overall) footprint: *({_NUMBER}) MB\s*$", re.MULTILINE)
_RESULT = re.compile(rf"\bInference \((avg|min|max)\): *({_NUMBER}) ms(?: \((\d+) runs?\))?\s*$", re.MULTILINE)


class BenchmarkError(Exception):
    """benchmark_model ended badly, or what it printed is no timing; the message says what it was."""


@dataclass(frozen=True)
class Timing:
    """One invocation of benchmark_model, in milliseconds; None: this build does not print it.

    ``delegation`` is what an accelerator ran of the network; None: the CPU was asked for. ``memory_mb`` is by how much
    the largest resident set grew in all, ``memory_init_mb`` by how much until the network was loaded, in 10^6 bytes.
    """

    runs: int
    mean_ms: float
    minimum_ms: float
    maximum_ms: float
    deviation_ms: float
    median_ms: float | None = None
    p5_ms: float | None = None
    p95_ms: float | None = None
    delegation: Delegation | None = None
    memory_mb: float | None = None
    memory_init_mb: float | None = None

    @property
    def milliseconds(self) -> float:
        """The time of one inference: the median, which one slow run does not move; else the mean."""
        return self.mean_ms if self.median_ms is None else self.median_ms


@dataclass(frozen=True)
class _Summary:
    """What the end of an output says.

    Attributes:
        begin: where it begins in the output.
        text: what is printed, on one line.
        times: times in µs, by their names in the line of statistics.
        rounding: µs by which they may be rounded.
        runs: number of timed runs; None: it does not say.
    """

    begin: int
    text: str
    times: Mapping[str, float]
    rounding: float
    runs: int | None = None


def command(
    program: str, graph: str, threads: int, *, warm_up_s: float, runs: int, minimum_s: float, maximum_s: float
) -> list[str]:
    """The words that time ``graph``: at least one warm-up run and ``runs`` runs, within ``maximum_s`` seconds."""
    return [
        program,
        f"--graph={graph}",
        f"--num_threads={threads}",
        "--warmup_runs=1",
        f"--warmup_min_secs={warm_up_s:g}",
        f"--num_runs={runs}",
        f"--min_secs={minimum_s:g}",
        f"--max_secs={maximum_s:g}",
    ]


def parse(output: str) -> Timing:
    """Reads the output, standard and error output together, of any known build.

    Raises:
        BenchmarkError: there is no complete, credible timing in it.
    """
    summary = _summary(output)
    lines = _STATISTICS.findall(output[: summary.begin].replace("(all same)", ""))
    if not lines:
        raise BenchmarkError(f"benchmark_model printed no statistics (count=…), but {_excerpt(output)}")
    count, rest = lines[-1]  # the warm-up's come first
    fields = {key: _number(value) for key, value in (word.split("=", 1) for word in rest.split())}
    if int(count) and "curr" in fields and "first" not in fields:  # one run, or all the same
        fields.update(first=fields["curr"], min=fields["curr"], max=fields["curr"], avg=fields["curr"], std=0.0)
    printed = f"count={count}{rest}"
    if int(count) < 1 or not {"avg", "min", "max", "std"} <= set(fields):
        raise BenchmarkError(f"benchmark_model's statistics are incomplete: {printed!r}")
    times = {key: value for key, value in fields.items() if key != "std"}
    if not all(math.isfinite(value) and value > 0 for value in times.values()) or not 0 <= fields["std"] < math.inf:
        raise BenchmarkError(f"benchmark_model's times are impossible: {printed!r}")
    # Both are printed from the same numbers, those of the line with six digits.
    if summary.runs not in (None, int(count)) or not all(
        math.isclose(time, fields[key], rel_tol=1e-4, abs_tol=summary.rounding) for key, time in summary.times.items()
    ):
        raise BenchmarkError(f"benchmark_model contradicts itself: {printed!r}, but {summary.text!r}")

    def milliseconds(key: str) -> float | None:
        return fields[key] / 1e3 if key in fields else None

    memory = _memory(output[summary.begin :])
    return Timing(
        runs=int(count),
        mean_ms=fields["avg"] / 1e3,
        minimum_ms=fields["min"] / 1e3,
        maximum_ms=fields["max"] / 1e3,
        deviation_ms=fields["std"] / 1e3,
        median_ms=milliseconds("median"),
        p5_ms=milliseconds("p5"),
        p95_ms=milliseconds("p95"),
        memory_mb=memory.get("overall"),
        memory_init_mb=memory.get("init"),
    )


def _memory(ending: str) -> dict[str, float]:
    """The footprints "init" and "overall" in 10^6 bytes; empty where this build, or this system, has none."""
    printed = [(name.lower(), value) for name, value in _FOOTPRINT.findall(ending)]
    if found := _MEMORY.search(ending):
        printed = list(zip(("init", "overall"), found.groups(), strict=True))
    values = {name: _number(value) * 2**20 / 1e6 for name, value in printed}
    sound = values.get("overall", 0.0) > 0 and all(math.isfinite(value) for value in values.values())
    return values if sound else {}


def _summary(output: str) -> _Summary:
    """The summary of either program."""
    if found := _SUMMARY.search(output):
        # Older builds truncate it to microseconds.
        return _Summary(found.start(), found.group(0).strip(), {"avg": _number(found.group(1))}, rounding=1.0)
    if found := _RESULTS.search(output):
        times = {key: _number(time) * 1e3 for key, time, _ in _RESULT.findall(found.group(1))}
        runs = [int(n) for _, _, n in _RESULT.findall(found.group(1)) if n]
        text = " ".join(found.group(1).split())
        if times.keys() != {"avg", "min", "max"} or len(runs) != 1:
            raise BenchmarkError(f"benchmark_model's results are incomplete: {text[:300]!r}")
        # Two decimals of a millisecond: half of the last one.
        return _Summary(found.start(), text[:300], times, rounding=5.1, runs=runs[0])
    raise BenchmarkError(f"benchmark_model printed no summary of its timings, but {_excerpt(output)}")


def failure(exit_code: int, output: str) -> BenchmarkError:
    """The error for a benchmark_model that ended with ``exit_code`` above 0."""
    how = f"was ended by signal {exit_code - 128}" if exit_code > 128 else f"ended with exit code {exit_code}"
    return BenchmarkError(f"benchmark_model {how}: {_excerpt(output)}")


def read_program(path: Path) -> bytes:
    """The program that a user named.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return read_regular(path, MAX_PROGRAM_BYTES)
    except UnfitFileError as error:
        raise ValueError(f"benchmark_model {str(path)!r} {error}; it is the path of a program for the phone") from error
    except OSError as error:
        raise ValueError(
            f"benchmark_model is {str(path)!r}, which cannot be read ({error.strerror}); it is the path of a "
            "benchmark_model built for the phone"
        ) from error


def maker(program: bytes) -> str:
    """Whose a program called benchmark_model is, by the words of its summary: "LiteRT" or "TensorFlow Lite"; or ""."""
    return next((name for words, name in MAKERS if words in program), "")


def check_abi(program: bytes, abis: Sequence[str]) -> None:
    """Checks that a program may run on a phone with ``abis``; what is not ELF (a script) is left to the phone.

    Raises:
        ValueError: it is built for another machine; the message says where there is one for this one.
    """
    if program[:4] != b"\x7fELF" or len(program) < 20 or not abis:
        return
    (machine,) = struct.unpack_from("<H", program, 18)
    built_for = _MACHINES.get(machine, f"machine {machine}")
    if built_for not in abis:
        raise ValueError(
            f"benchmark_model is built for {built_for}, but the phone runs {', '.join(abis)}; {advice(abis)}"
        )


def advice(abis: Sequence[str]) -> str:
    """Where to get benchmark_model for a phone that runs ``abis``."""
    name = "name it with benchmark_model in the study file or --benchmark-model"
    for abi in abis:
        if abi in FOLDERS:
            address = f"{SOURCE}/{VERSION}/{FOLDERS[abi]}/benchmark_model"
            return f"the one for {abi} is published at {address}: `mnas-moo devices --install` brings it, or {name}"
        if abi in _OTHER_URLS:
            return f"the one for {abi} is published at {_OTHER_URLS[abi]}; {name}"
    abi = abis[0] if abis else "its ABI"
    return f"none is published for {abi}: build it from {_SOURCE}; {name}"


def _number(text: str) -> float:
    """A number as C++ streams print it; what is none becomes NaN, which no check lets pass."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _excerpt(output: str) -> str:
    """The last words of an output, for a message of one line."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    return repr(" / ".join(lines[-3:])[-300:]) if lines else "nothing"
