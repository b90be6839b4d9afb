from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mnas_moo.objectives.host import timing, worker
from tests.objectives.host.conftest import CORES


def test_the_worker_imports_neither_torch_nor_optuna() -> None:
    program = "import sys, mnas_moo.objectives.host.worker; print({'torch', 'optuna'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", program], env=environment, text=True) == "set()\n"


def test_messages_arrive_as_they_were_sent() -> None:
    stream = io.BytesIO()
    worker.send(stream, {"threads": 2}, b"\x00model")
    worker.send(stream, {"error": "Grüße"})
    stream.seek(0)
    assert worker.receive(stream) == ({"threads": 2}, b"\x00model")
    assert worker.receive(stream) == ({"error": "Grüße"}, b"")
    with pytest.raises(EOFError):
        worker.receive(stream)


def test_a_message_cut_short_is_an_end() -> None:
    stream = io.BytesIO()
    worker.send(stream, {}, b"model")
    with pytest.raises(EOFError, match="2 bytes early"):
        worker.receive(io.BytesIO(stream.getvalue()[:-2]))


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """A runtime of its own whose runs take no time; what it loaded."""
    loaded: list[tuple[bytes, int]] = []

    def load(model: bytes, threads: int) -> Callable[[], object]:
        loaded.append((model, threads))
        return lambda: None

    monkeypatch.setitem(worker.RUNTIMES, "nothing", load)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None, raising=False)
    return loaded


def request(threads: int) -> dict[str, Any]:
    return {"runtime": "nothing", "threads": threads, "cores": [0], "precision": 0.5, "maximum_seconds": 0.01}


def test_one_thread_is_timed_by_its_cpu_clock_and_several_by_the_wall_clock(runtime: list[tuple[bytes, int]]) -> None:
    one, two = worker.measure(request(1), b"model"), worker.measure(request(2), b"model")
    assert runtime == [(b"model", 1), (b"model", 2)]
    assert (one["clock"], two["clock"]) == ("thread_cpu", "wall")
    assert 0 < one["core_share"] < 1.5
    assert two["core_share"] is None
    assert set(one) == set(two)
    assert one["runs"] >= timing.MINIMUM_RUNS


def test_the_worker_answers_until_its_input_ends_and_an_error_is_an_answer() -> None:
    sent = io.BytesIO()
    for runtime in ("no such runtime", "litert"):
        worker.send(sent, {"runtime": runtime, "threads": 1, "cores": CORES}, b"no model")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answers = subprocess.check_output([sys.executable, "-m", worker.__name__], input=sent.getvalue(), env=environment)
    received = io.BytesIO(answers)
    assert worker.receive(received) == ({"error": "KeyError: 'no such runtime'"}, b"")
    refusal, _ = worker.receive(received)
    assert refusal["error"].startswith("ValueError: ")
    with pytest.raises(EOFError):
        worker.receive(received)
