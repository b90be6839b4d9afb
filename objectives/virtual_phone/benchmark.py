"""What ``benchmark_model`` prints on a virtual phone, from arguments to exit code: either of the programs of that name.

Source: tensorflow/lite/tools/benchmark (benchmark_model.cc, benchmark_tflite_model.cc), tools/logging.h and
core/util/stats_calculator.h; google-ai-edge/LiteRT's litert/tools/benchmark_litert_model.{h,cc}, which shares the first
of them. The same lines in the same order, INFO on standard output, ERROR on standard error, times in whole
microseconds, other numbers as C++ streams print them. Lines are those of builds since 2024, with percentiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Program = Literal["litert", "tflite"]
"""LiteRT's own program, which is the published one, or TensorFlow Lite's."""

PROGRAMS: tuple[Program, ...] = get_args(Program)

GARBAGE = (
    "\x1b[0m\x00\x07linker: count=fifty first=nan curr=\ufffd\ufffd avg=\n]]>>> us: Init: -, Inference (avg): n/a\n"
)

_FLAGS: dict[str, tuple[type, str]] = {
    # flag of both: type, words for it in the log
    "num_runs": (int, "Min num runs"),
    "min_secs": (float, "Min runs duration (seconds)"),
    "max_secs": (float, "Max runs duration (seconds)"),
    "num_threads": (int, "Num threads"),
    "warmup_runs": (int, "Min warmup runs"),
    "warmup_min_secs": (float, "Min warmup runs duration (seconds)"),
    "graph": (str, "Graph"),
}
# Flags of one program only; what is in neither table is ignored with a warning. LiteRT's logs none of its own.
_OWN_FLAGS: dict[Program, dict[str, tuple[type, str]]] = {
    "litert": dict.fromkeys(
        (
            "signature_to_run_for",
            "use_cpu",
            "use_gpu",
            "use_npu",
            "dispatch_library_path",
            "require_full_delegation",
        ),
        (str, ""),
    ),
    "tflite": {"use_xnnpack": (str, "Use xnnpack"), "use_gpu": (str, "Use gpu")},
}


NODES = 20
"""As many nodes has every network, as far as the log of delegates says."""


class UsageError(ValueError):
    """The tool refuses its arguments, with this message."""


@dataclass
class Options:
    """The flags, with the tool's defaults.

    Attributes:
        program: whose they are.
        values: value of each flag.
        given: the flags that were on the command line, in the order of the log.
        unknown: arguments that the tool does not know; it ignores them.
    """

    program: Program = "tflite"
    values: dict[str, int | float | str] = field(
        default_factory=lambda: {
            "num_runs": 50,
            "min_secs": 1.0,
            "max_secs": 150.0,
            "num_threads": -1,
            "warmup_runs": 1,
            "warmup_min_secs": 0.5,
            "graph": "",
            "use_gpu": "",
            "use_npu": "",
            "dispatch_library_path": "",
        }
    )
    given: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def number(self, flag: str) -> float:
        """The value of a flag that is a number."""
        return float(self.values[flag])

    @property
    def threads(self) -> int:
        """How many threads; one where nothing was asked for."""
        return max(1, int(self.values["num_threads"]))


def parse(program: Program, arguments: Sequence[str]) -> Options:
    """Reads the command line of a program.

    Raises:
        UsageError: a value is no number, or the graph is missing.
    """
    options = Options(program)
    flags = {**_FLAGS, **_OWN_FLAGS[program]}
    given = set()
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or name not in flags:
            options.unknown.append(argument)
            continue
        try:
            options.values[name] = flags[name][0](value)
        except ValueError:
            raise UsageError(f"Failed to parse flag '{name}' against argv '{argument}'") from None
        given.add(name)
    options.given = [name for name in flags if name in given]
    if not options.values["graph"]:
        raise UsageError("Please specify the name of your TF Lite input file with --graph")
    return options


def info(*lines: str) -> str:
    """Lines of the tool's log."""
    return "".join(f"INFO: {line}\n" for line in lines)


def _litert(*lines: tuple[int, str], source: str = "h") -> str:
    """Lines of LiteRT's own log, which has the number of the line in its source before each."""
    return info(*(f"[benchmark_litert_model.{source}:{number}] {line}" for number, line in lines))


def replaced(count: int, delegate: str) -> str:
    """The line about the nodes that a delegate got, of ``NODES``; none where it got none."""
    line = f"Replacing {count} out of {NODES} node(s) with delegate ({delegate}) node, yielding 1 partitions."
    return info(line) if count else ""


def opening(options: Options) -> str:
    """The log up to the loading of the model."""
    lines = ["Log parameter values verbosely: [0]"]
    logged = {**_FLAGS, **_OWN_FLAGS[options.program]}
    if options.program == "litert":
        del logged["graph"]  # it has a line of its own
    given = [name for name in options.given if name in logged and logged[name][1]]
    lines += [f"{logged[name][1]}: [{_text(options.values[name])}]" for name in given]
    if "num_threads" in options.given:
        lines.append(f"#threads used for CPU inference: [{options.threads}]")
    log = info("STARTING!", *lines)
    if options.unknown:
        log += f"WARN: Unconsumed cmdline flags: {' '.join(options.unknown)}\n"
    if options.program == "litert":
        log += _litert((84, f"Loading model from: {options.values['graph']}"), source="cc")
    return log


def loaded(options: Options, megabytes: float, init_us: int) -> str:
    """The log of a model that was loaded, without the line on standard error."""
    return info(
        *([f"Loaded model {options.values['graph']}"] if options.program == "tflite" else []),
        f"The input model file size (MB): {megabytes:g}",
        f"Initialized session in {init_us / 1e3:g}ms.",
    )


def runs(minimum: float, seconds: float, maximum_seconds: float, times_us: Sequence[int]) -> str:
    """The log of one series of runs."""
    return info(
        f"Running benchmark for at least {minimum:g} iterations and at least {seconds:g} seconds but"
        f" terminate if exceeding {maximum_seconds:g} seconds.",
        statistics(times_us) + "\n",
    )


def delegate(program: Program) -> str:
    """What is said on standard error when the model is given to XNNPACK."""
    return f"INFO: Created {'TensorFlow Lite' if program == 'tflite' else 'LiteRT'} XNNPACK delegate for CPU.\n"


def no_model(options: Options, error: Exception) -> str:
    """What is said on standard error about a model that cannot be loaded or run."""
    graph = options.values["graph"]
    why = f"Failed to mmap model {graph}" if options.program == "tflite" else f"Failed to load model {graph}"
    return f"ERROR: {error}\nERROR: {why}\nERROR: Benchmarking failed.\n"


def timings(
    program: Program,
    init_us: int,
    warmup_us: Sequence[int],
    times_us: Sequence[int],
    memory_mb: tuple[float, float],
    megabytes: float,
) -> str:
    """The end of the log.

    Args:
        program: whose.
        init_us: time of the initialization.
        warmup_us: times of the warm-up runs.
        times_us: times of the timed runs.
        memory_mb: memory after the initialization and over all.
        megabytes: size of what goes in, for LiteRT's throughput.
    """
    first = warmup_us[0] if warmup_us else 0
    if program == "tflite":
        return info(
            f"Inference timings in us: Init: {init_us}, First inference: {first}, Warmup (avg): {_mean(warmup_us):g},"
            f" Inference (avg): {_mean(times_us):g}",
            "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the"
            " actual memory footprint of the model at runtime. Take the information at your discretion.",
            f"Memory footprint delta from the start of the tool (MB): init={memory_mb[0]:g} overall={memory_mb[1]:g}",
        )
    mean = _mean(times_us)
    deviation = math.sqrt(sum((time - mean) ** 2 for time in times_us) / len(times_us))
    return _litert(
        (88, "\n========== BENCHMARK RESULTS =========="),
        (92, "Signature name:       serving_default"),
        (94, f"Model initialization: {init_us / 1e3:.2f} ms"),
        (96, f"Warmup (first):       {first / 1e3:.2f} ms"),
        (98, f"Warmup (avg):         {_mean(warmup_us) / 1e3:.2f} ms ({len(warmup_us)} runs)"),
        (100, f"Inference (avg):      {mean / 1e3:.2f} ms ({len(times_us)} runs)"),
        (104, f"Inference (min):      {min(times_us) / 1e3:.2f} ms"),
        (106, f"Inference (max):      {max(times_us) / 1e3:.2f} ms"),
        (108, f"Inference (std):      {deviation / 1e3:.2f}"),
        (115, f"Throughput:           {megabytes * 1e6 / mean:.2f} MB/s")
        if mean
        else (118, "No throughput data available (throughput <= 0)."),
        (124, "\nMemory Usage:"),
        (126, f"Init footprint:       {memory_mb[0]:.2f} MB"),
        (128, f"Overall footprint:    {memory_mb[1]:.2f} MB"),
        (135, "Peak memory usage not available. (peak_mem_mb <= 0)"),
        (139, "======================================\n"),
    )


def cut(program: Program, ending: str) -> str:
    """The end of the log without what comes after the middle of its last time."""
    if program == "tflite":
        return ending.splitlines()[0][:-3]
    return ending[: ending.index("\n", ending.index("Inference (std)")) - 2]


def statistics(times_us: Sequence[int]) -> str:
    """One line about a series of times.

    >>> statistics([3, 1, 2])
    'count=3 first=3 curr=2 min=1 max=3 avg=2 std=0 p5=1 median=2 p95=3'
    >>> statistics([7, 7])
    'count=2 curr=7(all same) p5=7 median=7 p95=7'
    """
    if not times_us:
        return "count=0"
    count, mean = len(times_us), _mean(times_us)
    low, high = min(times_us), max(times_us)
    if low == high:
        line = f"count={count} curr={low}" + ("(all same)" if count > 1 else "")
    else:
        deviation = math.sqrt(sum((time - mean) ** 2 for time in times_us) / count)
        line = (
            f"count={count} first={times_us[0]} curr={times_us[-1]} min={low} max={high} avg={mean:g}"
            f" std={int(deviation)}"
        )
    ordered = sorted(times_us)
    p5, median, p95 = (ordered[min(count - 1, round(share * (count - 1)))] for share in (0.05, 0.5, 0.95))
    return f"{line} p5={p5} median={median} p95={p95}"


def _mean(times_us: Sequence[int]) -> float:
    return sum(times_us) / len(times_us) if times_us else 0.0


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
