"""Answers for ``benchmark_model`` on a virtual phone: has the model run, and prints as the faults would have it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import statistics
import zlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, TypeAlias

from mnas_moo.objectives.virtual_phone import benchmark
from mnas_moo.objectives.virtual_phone.event import Event
from mnas_moo.objectives.virtual_phone.faults import Faults

_Answers: TypeAlias = AsyncGenerator[dict[str, Any], None]

INTERRUPT_SECONDS = 0.1  # how far into a run a phone goes offline or is started again
_ACCELERATED = 0.25  # time of a run on an accelerator, as a share of the CPU's
_ACCELERATORS = {  # flag: the delegate's name and its library
    "use_gpu": ("LITERT_CL", "libLiteRtOpenClAccelerator.so"),
    "use_npu": ("DispatchDelegate", "libLiteRtDispatch*.so"),
}
_MAXIMUM_RUNS = 100_000  # most runs that are pretended
_MAXIMUM_LINE = 1 << 26  # bytes; a line of the worker has the times of all runs


class BenchmarkService:
    """Serves the stand-ins of one phone, each as long as it lives.

    Args:
        root: the phone's folder.
        faults: the phone's faults.
        note: begins an event of the phone's log, given its kind and text.
        factor: how many times longer than on this machine a run takes that starts now on the cores of a mask.
        interrupted_soon: whether the phone is about to go offline, in ``INTERRUPT_SECONDS``.
        worker_address: socket of the ``benchmark_worker``.
        latency_ms: gives the milliseconds of an inference of a model file; None: the worker runs it.
        noise: random generator of the noise on those.
    """

    def __init__(
        self,
        root: Path,
        faults: Faults,
        note: Callable[[str, str], Event],
        factor: Callable[[str | None], float],
        interrupted_soon: Callable[[], bool],
        worker_address: Path,
        latency_ms: Callable[[bytes], float] | None,
        noise: random.Random,
    ) -> None:
        self._root = str(root)
        self._faults = faults
        self._note = note
        self._factor = factor
        self._interrupted_soon = interrupted_soon
        self._worker_address = worker_address
        self._latency_ms = latency_ms
        self._noise = noise
        self._least_us: dict[tuple[int, int], float] = {}  # the fastest each model has been, by content and threads

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one run of the stand-in for as long as that lives."""
        request = json.loads(await reader.readline())
        kind, program, *arguments = request["arguments"]
        event = self._note("benchmark", " ".join(arguments).replace(self._root, ""))

        def tell(**answer: Any) -> None:
            writer.write(json.dumps(answer).encode() + b"\n")

        libraries = request.get("libraries", "")
        run = asyncio.create_task(self._run(kind, program, arguments, request["mask"], tell, libraries))
        gone = asyncio.create_task(reader.read())
        result: int | str = "killed"
        try:
            await asyncio.wait((run, gone), return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                result = code = run.result()
                tell(**({"exit": code} if code >= 0 else {"signal": -code}))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
        finally:
            event.finish(result)
            run.cancel()
            gone.cancel()
            writer.close()

    async def _run(
        self,
        kind: benchmark.Program,
        program: str,
        arguments: list[str],
        mask: str | None,
        tell: Callable[..., None],
        libraries: str,
    ) -> int:
        """Returns the exit code, or a signal as a negative number."""

        def out(text: str) -> None:
            tell(stream="stdout", text=text)

        def complain(text: str) -> None:
            tell(stream="stderr", text=text)

        if self._faults.take("permission_denied", "run"):
            complain(f"/system/bin/sh: {program}: can't execute: Permission denied\n")
            return 126
        if self._faults.take("wrong_abi"):
            complain(f"/system/bin/sh: {program}: not executable: 64-bit ELF file\n")
            return 126
        if self._faults.take("garbage"):
            out(benchmark.GARBAGE)
            return 0
        try:
            options = benchmark.parse(kind, arguments)
        except benchmark.UsageError as error:
            out(benchmark.info("STARTING!"))
            complain(f"ERROR: {error}\nERROR: Benchmarking failed.\n")
            return 1
        out(benchmark.opening(options))
        if self._interrupted_soon():
            await asyncio.sleep(2 * INTERRUPT_SECONDS)
        if self._faults.take("hang"):
            await asyncio.Event().wait()
        graph = Path(str(options.values["graph"]))
        factor, log = self._delegate(options, libraries)
        factor *= self._factor(mask)
        answers = self._pretend(graph, options, factor) if self._latency_ms else self._ask_worker(graph, options)
        try:
            init = await anext(answers)
            init_us = round(factor * init["init_us"])
            complain(benchmark.delegate(kind))
            complain(log)
            megabytes = graph.stat().st_size / 1e6
            out(benchmark.loaded(options, megabytes, init_us))
            warmup_us = [round(factor * us) for us in (await anext(answers))["warmup_us"]]
            limits = [options.number(flag) for flag in ("warmup_runs", "warmup_min_secs", "max_secs")]
            out(benchmark.runs(limits[0], limits[1], limits[2], warmup_us))
            if fault := self._faults.take("crash"):
                return -int(fault["signal"])
            end = await anext(answers)
        except (OSError, RuntimeError, ValueError) as error:
            complain(benchmark.no_model(options, error))
            return 1
        finally:
            await answers.aclose()
        times_us = [round(factor * us) for us in end["us"]]
        if fault := self._faults.take("spike"):
            times_us[len(times_us) // 2] = round(times_us[len(times_us) // 2] * fault["factor"])
        if self._faults.take("zero"):
            times_us = [0] * len(times_us)
        limits = [options.number(flag) for flag in ("num_runs", "min_secs", "max_secs")]
        text = benchmark.runs(limits[0], limits[1], limits[2], times_us)
        memory_mb = init["init_mb"], end["overall_mb"]
        ending = benchmark.timings(kind, init_us, warmup_us, times_us, memory_mb, megabytes)
        if fault := self._faults.take("truncated"):
            if fault["at"] == "count":
                out(text[: text.index(" max=")] if " max=" in text else text[: text.index("curr=")])
            else:
                out(text + benchmark.cut(kind, ending))
            return 0
        out(text + ending)
        return 0

    def _delegate(self, options: benchmark.Options, libraries: str) -> tuple[float, str]:
        """How many times longer than on the CPU a run takes on the accelerator that is asked for, and the log of it."""
        asked = [(name, *found) for name, found in _ACCELERATORS.items() if options.values[name] == "true"]
        if not asked:
            return 1.0, ""
        ((_, delegate, pattern),) = asked
        fault = self._faults.take("fallback")
        share = fault["share"] if fault else 1.0
        folders = [Path(folder) for folder in libraries.split(":") if folder]
        if not any(path.is_file() for folder in folders for path in folder.glob(pattern)):
            share = 0.0
        count = round((share or 0.0) * benchmark.NODES)
        log = benchmark.replaced(count, delegate) + benchmark.replaced(benchmark.NODES - count, "TfLiteXNNPackDelegate")
        return 1 - (1 - _ACCELERATED) * count / benchmark.NODES, "" if share is None else log

    async def _ask_worker(self, graph: Path, options: benchmark.Options) -> _Answers:
        """Yields what ``benchmark_worker`` tells.

        Raises:
            RuntimeError: LiteRT cannot run the model, or the worker is gone.
        """
        reader, writer = await asyncio.open_unix_connection(self._worker_address, limit=_MAXIMUM_LINE)
        try:
            request = {
                "graph": str(graph),
                "threads": options.threads,
                "warmup_runs": options.values["warmup_runs"],
                "warmup_seconds": options.values["warmup_min_secs"],
                "runs": options.values["num_runs"],
                "seconds": options.values["min_secs"],
                "maximum_seconds": options.values["max_secs"],
            }
            writer.write(json.dumps(request).encode() + b"\n")
            while line := await reader.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                if "us" in answer:
                    answer["us"] = self._undisturbed(graph, options, answer["us"])
                yield answer
            raise RuntimeError("the worker has ended")
        finally:
            writer.transport.abort()

    def _undisturbed(self, graph: Path, options: benchmark.Options, times_us: list[int]) -> list[float]:
        """The times as they would be at the fastest this model has been.

        Other work on this machine, the training of the network beside its timing for one, slows runs by some 10 % for
        seconds. A phone has no such neighbours.
        """
        key = zlib.crc32(graph.read_bytes()), options.threads
        median = statistics.median(times_us)
        self._least_us[key] = least = min(median, self._least_us.get(key, median))
        return [us * least / median for us in times_us] if median else list(times_us)

    async def _pretend(self, graph: Path, options: benchmark.Options, factor: float) -> _Answers:
        """Yields the same from ``latency_ms`` instead, at once; runs differ by half a percent.

        As many as would fit into the time, had they taken ``factor`` times as long.
        """
        assert self._latency_ms is not None
        model = graph.read_bytes()
        milliseconds, init_mb = self._latency_ms(model), 1.5 + 2 * len(model) / 2**20  # the file, and packed weights

        def repeat(runs: float, seconds: float) -> list[float]:
            fitting = options.number("max_secs") * 1e3 / (factor * milliseconds) + 1
            count = min(max(runs, math.ceil(seconds * 1e3 / (factor * milliseconds))), fitting, _MAXIMUM_RUNS)
            return [1e3 * milliseconds * self._noise.gauss(1, 0.005) for _ in range(int(count))]

        yield {"init_us": 2e3, "init_mb": init_mb}
        yield {"warmup_us": repeat(options.number("warmup_runs"), options.number("warmup_min_secs"))}
        yield {"us": repeat(options.number("num_runs"), options.number("min_secs")), "overall_mb": init_mb + 2.75}
