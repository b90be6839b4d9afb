from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mnas_moo.objectives.host import latency, process, worker
from mnas_moo.objectives.host.latency import HostLatency, ProcessLatency
from tests.objectives.host.conftest import CORES, LARGE, SMALL, worker_of


def during_a_measurement(objective: ProcessLatency, act: Callable[[], None]) -> list[BaseException]:
    """Lets ``act`` happen while a measurement that takes minutes runs; returns what the measurement raised."""
    errors: list[BaseException] = []
    objective.maximum_seconds, objective.precision = 600.0, 1e-12

    def measure() -> None:
        try:
            objective.measure(LARGE, 0)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=measure)
    thread.start()
    while objective._worker is None or not objective._worker.alive:
        time.sleep(0.01)
    time.sleep(0.5)
    act()
    thread.join(timeout=30)
    assert not thread.is_alive()
    objective.maximum_seconds, objective.precision = 0.1, 0.02
    return errors


def test_measurements_of_other_processes_on_the_same_core_wait() -> None:
    fcntl = pytest.importorskip("fcntl")

    def is_free() -> bool:
        with (Path(tempfile.gettempdir()) / f"mnas-moo-{os.getuid()}-core-4095.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with process.alone_on([4095]):
        assert not is_free()
    assert is_free()


def test_without_room_for_the_thread_that_ends_it_in_time_nothing_is_measured(
    host: HostLatency, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(process, "THREAD_BYTES", 2**60)
        with pytest.raises(MemoryError, match="not enough memory"):
            host.measure(SMALL, 0)
    assert host.measure(SMALL, 0).value > 0


def test_a_killed_worker_is_an_error_and_the_next_measurement_starts_another(host: HostLatency) -> None:
    errors = during_a_measurement(host, lambda: os.kill(worker_of(host).pid, signal.SIGKILL))
    assert len(errors) == 1
    assert isinstance(errors[0], RuntimeError)
    assert str(errors[0]) == "the timing process ended with exit status -9; measure again"
    assert host.measure(LARGE, 0).value > 0


def test_a_worker_that_died_between_measurements_is_replaced(host: HostLatency) -> None:
    host.measure(SMALL, 0)
    worker_of(host).kill()
    worker_of(host).wait()
    assert host.measure(LARGE, 0).value > 0


def test_closing_ends_a_running_measurement(host: HostLatency) -> None:
    (error,) = during_a_measurement(host, host.close)
    assert isinstance(error, RuntimeError)
    assert str(error) == "closed before the measurement was done"
    assert worker_of(host).poll() is not None
    with pytest.raises(RuntimeError, match="closed"):
        host.measure(SMALL, 0)


def test_a_worker_that_hangs_is_ended(host: HostLatency, monkeypatch: pytest.MonkeyPatch) -> None:
    host.measure(SMALL, 0)
    monkeypatch.setattr(latency, "GRACE_SECONDS", 0.3)
    os.kill(worker_of(host).pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match=r"did not answer within 0 s.*measure again"):
        host.measure(LARGE, 0)
    assert worker_of(host).poll() is not None


def test_the_reason_of_a_worker_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "__name__", "mnas_moo.objectives.no_such_worker")
    host = HostLatency()
    with pytest.raises(RuntimeError, match=r"exit status 1 \(.*No module named mnas_moo.objectives.no_such_worker\)"):
        host.measure(SMALL, 0)


def test_the_worker_ends_with_its_objective() -> None:
    host = HostLatency(maximum_seconds=0.1)
    host.measure(SMALL, 0)
    process = worker_of(host)
    del host
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_the_worker_ends_when_its_parent_is_killed() -> None:
    program = (
        "import os; from tests.objectives.host.conftest import *\n"
        "host = HostLatency(maximum_seconds=0.1); host.measure(SMALL, 0)\n"
        "print(worker_of(host).pid, flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.returncode == -9, result.stderr
    worker = int(result.stdout)
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker outlived its parent")


def test_the_cpu_has_a_name() -> None:
    assert process.cpu_name().strip() == process.cpu_name() != ""


def test_a_process_can_be_asked_until_it_is_stopped() -> None:
    timed = process.TimingProcess()
    assert timed.alive
    request = {"runtime": "no such runtime", "threads": 1, "cores": CORES}
    assert timed.ask(request, b"", 60.0) == {"error": "KeyError: 'no such runtime'"}
    assert timed.alive
    timed.stop()
    assert not timed.alive
    with pytest.raises(RuntimeError, match="the timing process ended with exit status -9; measure again"):
        timed.ask(request, b"", 60.0)
