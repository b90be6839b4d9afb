"""What the stand-in for benchmark_model is told to print, with times that a function gives or that a worker does."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.virtual_phone.benchmark import PROGRAMS, Program
from mnas_moo.objectives.virtual_phone.benchmark_service import BenchmarkService
from mnas_moo.objectives.virtual_phone.event import Event
from mnas_moo.objectives.virtual_phone.faults import Faults

FLAGS = ["--num_threads=1", "--num_runs=5", "--min_secs=0", "--warmup_min_secs=0"]


class Noiseless(random.Random):
    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        return mu


class Bench:
    """A service with a model file, and what it noted."""

    def __init__(self, folder: Path, latency_ms: Callable[[bytes], float] | None, program: Program = "tflite") -> None:
        self.program = program
        self.graph = folder / "model.tflite"
        self.graph.write_bytes(bytes(2_000_000))
        self.worker = folder / "worker.socket"
        self.faults = Faults()
        self.events: list[Event] = []
        self.masks: list[str | None] = []
        self.service = BenchmarkService(
            folder, self.faults, self._note, self._factor, lambda: False, self.worker, latency_ms, Noiseless()
        )

    def _note(self, kind: str, text: str) -> Event:
        self.events.append(Event(kind, text, 0.0))
        return self.events[-1]

    def _factor(self, mask: str | None) -> float:
        self.masks.append(mask)
        return 2.0

    async def ask(self, *arguments: str, hang_up: bool = False) -> list[dict[str, Any]]:
        """The answers to one run of the stand-in."""
        path = self.graph.parent / "service.socket"
        server = await asyncio.start_unix_server(self.service.serve, path)
        reader, writer = await asyncio.open_unix_connection(path)
        words = [self.program, "benchmark_model", f"--graph={self.graph}", *FLAGS, *arguments]
        writer.write(json.dumps({"arguments": words, "mask": "80"}).encode() + b"\n")
        if hang_up:
            while not self.events:
                await asyncio.sleep(0)
            writer.close()
            while self.events[0].end is None:
                await asyncio.sleep(0)
            answers = []
        else:
            answers = [json.loads(line) async for line in reader]
            writer.close()
        server.close()
        path.unlink(missing_ok=True)
        return answers

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        return asyncio.run(asyncio.wait_for(self.ask(*arguments), 20))


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A service whose models take 10 ms on this machine, 20 ms on the phone."""
    return Bench(tmp_path_factory.mktemp("b"), lambda model: len(model) / 2e5)


def printed(answers: list[dict[str, Any]], stream: str = "stdout") -> str:
    return "".join(answer["text"] for answer in answers if answer.get("stream") == stream)


def test_times_are_those_of_the_function_times_the_factor_of_the_cores(bench: Bench) -> None:
    answers = bench.run()
    assert "count=5 curr=20000(all same) p5=20000 median=20000 p95=20000" in printed(answers)
    assert "Inference (avg): 20000\n" in printed(answers)
    assert answers[-1] == {"exit": 0}
    assert bench.masks == ["80"]


def test_litert_s_own_program_prints_its_results(bench: Bench) -> None:
    bench.program = "litert"
    text = printed(bench.run())
    assert "count=5 curr=20000(all same) p5=20000 median=20000 p95=20000" in text
    assert "Inference (avg):      20.00 ms (5 runs)\n" in text
    assert text.endswith("======================================\n\n")
    assert "Inference timings in us" not in text


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("at", ["count", "timings"])
def test_truncated_output_is_a_beginning_of_the_whole(bench: Bench, program: Program, at: str) -> None:
    bench.program = program
    bench.faults.add("truncated", 1, {"at": at})
    cut, whole = printed(bench.run()), printed(bench.run())
    assert whole.startswith(cut)
    assert cut[-1] != "\n"
    assert ("Inference (" in cut) == (at == "timings")


def test_run_is_noted_with_its_result_and_the_phone_s_own_paths(bench: Bench) -> None:
    bench.run()
    (event,) = bench.events
    assert (event.kind, event.result) == ("benchmark", 0)
    assert event.text.startswith("--graph=/model.tflite --num_threads=1")
    assert event.end is not None


@pytest.mark.parametrize(
    ("flags", "count"), [(["--min_secs=0.5"], 25), (["--num_runs=50"], 50), (["--num_runs=50", "--max_secs=0.1"], 6)]
)
def test_as_many_runs_as_were_asked_for_fit_into_the_time(bench: Bench, flags: list[str], count: int) -> None:
    assert f"count={count} curr=20000" in printed(bench.run(*flags))


@pytest.mark.parametrize(
    ("fault", "settings", "end", "words"),
    [
        ("crash", {}, {"signal": 11}, ""),
        ("crash", {"signal": 6}, {"signal": 6}, ""),
        ("wrong_abi", {}, {"exit": 126}, "not executable: 64-bit ELF file"),
        ("permission_denied", {"during": "run"}, {"exit": 126}, "can't execute: Permission denied"),
    ],
)
def test_fault_befalls_one_run(
    bench: Bench, fault: str, settings: dict[str, Any], end: dict[str, int], words: str
) -> None:
    bench.faults.add(fault, 1, settings)
    answers = bench.run()
    assert answers[-1] == end
    assert words in printed(answers, "stderr")
    assert "Inference timings" not in printed(answers)
    assert bench.run()[-1] == {"exit": 0}


def test_spike_is_in_one_run_only(bench: Bench) -> None:
    bench.faults.add("spike", 1, {"factor": 10.0})
    assert "min=20000 max=200000 avg=56000" in printed(bench.run())


def test_wrong_arguments_and_a_missing_model_end_with_exit_code_1(bench: Bench) -> None:
    answers = bench.run("--num_runs=many")
    assert answers[-1] == {"exit": 1}
    assert "Failed to parse flag 'num_runs'" in printed(answers, "stderr")
    bench.graph.unlink()
    answers = bench.run()
    assert answers[-1] == {"exit": 1}
    assert f"Failed to mmap model {bench.graph}" in printed(answers, "stderr")


def test_run_that_hangs_ends_with_its_stand_in(bench: Bench) -> None:
    bench.faults.add("hang", 1, {})
    asyncio.run(asyncio.wait_for(bench.ask(hang_up=True), 20))
    assert bench.events[0].result == "killed"


def test_worker_s_times_are_put_at_the_fastest_the_model_has_been(tmp_path_factory: pytest.TempPathFactory) -> None:
    bench = Bench(tmp_path_factory.mktemp("b"), None)
    times = iter([[100, 110, 120], [200, 220, 240]])  # the second while this machine does something else

    async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        assert (request["graph"], request["threads"], request["runs"]) == (str(bench.graph), 1, 5)
        for answer in (
            {"init_us": 7, "init_mb": 1.0},
            {"warmup_us": [300]},
            {"us": next(times), "overall_mb": 2.0},
        ):
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async def twice() -> list[str]:
        server = await asyncio.start_unix_server(worker, bench.worker)
        texts = [printed(await bench.ask()) for _ in range(2)]
        server.close()
        return texts

    for text in asyncio.run(asyncio.wait_for(twice(), 20)):
        assert "count=3 first=200 curr=240 min=200 max=240 avg=220" in text


def test_worker_that_is_gone_is_a_failed_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    bench = Bench(tmp_path_factory.mktemp("b"), None)
    assert bench.run()[-1] == {"exit": 1}
