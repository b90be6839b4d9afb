from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.host import latency
from mnas_moo.objectives.host import worker as host_worker
from mnas_moo.objectives.host.latency import HostLatency, OnnxLatency, ProcessLatency
from mnas_moo.objectives.objective import Measurement
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.spec import Layer, NetworkSpec

SMALL = NetworkSpec((3, 16, 16), Layer("conv", 3, 8, 3, 2, skip="none"), (Layer("mbconv", 8, 8, 3),), 16, 10)
LARGE = dataclasses.replace(SMALL, input_shape=(3, 160, 160))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostLatency]:
    objective = HostLatency(maximum_seconds=0.1)
    yield objective
    objective.close()


class Clock:
    """A clock that runs advance by hand, one entry of ``durations`` after another, round and round."""

    def __init__(self, *durations: float) -> None:
        self.durations = durations
        self.runs = 0
        self.now = 0.0

    def run(self) -> None:
        self.now += self.durations[self.runs % len(self.durations)]
        self.runs += 1

    def __call__(self) -> float:
        return self.now


def worker_of(objective: ProcessLatency) -> subprocess.Popen[bytes]:
    assert objective._worker is not None
    return objective._worker._process


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


def test_details_say_how_the_median_came_about(host: HostLatency) -> None:
    measurement = host.measure(SMALL, 0)
    details = measurement.details
    assert set(details) == {
        "p10_ms",
        "p90_ms",
        "confidence_half_width_ms",
        "runs",
        "warm_up_runs",
        "seconds",
        "clock",
        "core_share",
        "cores",
        "threads",
        "cpu",
    }
    assert 0 < details["p10_ms"] <= measurement.value <= details["p90_ms"]  # type: ignore[operator]
    assert details["runs"] >= host_worker.MINIMUM_RUNS  # type: ignore[operator]
    assert details["warm_up_runs"] >= 3  # type: ignore[operator]
    assert details["threads"] == 1
    assert isinstance(details["cpu"], str)


def test_a_larger_network_takes_longer(host: HostLatency) -> None:
    assert host.measure(LARGE, 0).value > 5 * host.measure(SMALL, 0).value


def test_networks_that_compute_alike_are_measured_once(host: HostLatency) -> None:
    strided = dataclasses.replace(SMALL, layers=(Layer("mbconv", 8, 8, 3, 2, skip="identity"),))
    twin = dataclasses.replace(SMALL, layers=(Layer("mbconv", 8, 8, 3, 2, skip="none"),), name="another name")
    first = host.measure(strided, 0)
    assert host.measure(twin, 1) is first
    assert host.measure(SMALL, 0) is not first


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot pin a process")
def test_the_worker_is_pinned_and_we_are_not(host: HostLatency) -> None:
    before = os.sched_getaffinity(0)
    cores = host.measure(SMALL, 0).details["cores"]
    assert os.sched_getaffinity(worker_of(host).pid) == set(cores)  # type: ignore[arg-type]
    assert len(cores) == 1  # type: ignore[arg-type]
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_several_threads_have_a_core_each_and_the_wall_clock() -> None:
    host = HostLatency(2, maximum_seconds=0.1)
    try:
        details = host.measure(SMALL, 0).details
    finally:
        host.close()
    assert details["threads"] == 2
    assert details["clock"] == "wall"
    assert details["core_share"] is None
    if hasattr(os, "sched_getaffinity"):
        assert len(details["cores"]) == 2  # type: ignore[arg-type]


def test_threads_of_a_study_share_one_worker(host: HostLatency) -> None:
    specs = [dataclasses.replace(SMALL, classes=classes) for classes in (2, 3, 4, 2)]
    workers: set[int] = set()
    measurements: list[Measurement] = []

    def measure(spec: NetworkSpec) -> None:
        measurements.append(host.measure(spec, 0))
        workers.add(worker_of(host).pid)

    threads = [threading.Thread(target=measure, args=(spec,)) for spec in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(workers) == 1
    assert len(measurements) == 4
    assert len({id(measurement) for measurement in measurements}) == 3


def test_measurements_of_other_processes_on_the_same_core_wait() -> None:
    fcntl = pytest.importorskip("fcntl")

    def is_free() -> bool:
        with (Path(tempfile.gettempdir()) / f"mnas-moo-{os.getuid()}-core-4095.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with latency._alone_on([4095]):
        assert not is_free()
    assert is_free()


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


def test_the_device_is_what_a_table_is_kept_for(host: HostLatency) -> None:
    version = importlib.metadata.version("ai-edge-litert")
    assert host.device == {
        "backend": "host",
        "model": host.measure(SMALL, 0).details["cpu"],
        "runtime": f"LiteRT {version} XNNPACK",
        "threads": 1,
        "data_type": "float32",
    }


def test_int8_networks_are_measured_and_said_to_be() -> None:
    with contextlib.closing(HostLatency(data_type="int8", maximum_seconds=0.1)) as host:
        assert host.measure(LARGE, 0).value > 0
        assert host.device["data_type"] == "int8"
    with pytest.raises(ValueError, match="data_type is 'int16'; allowed: float32, int8"):
        HostLatency(data_type="int16")


def test_onnx_runtime_is_measured_as_litert_is(host: HostLatency) -> None:
    with contextlib.closing(OnnxLatency(maximum_seconds=0.1)) as latency:
        measurement = latency.measure(LARGE, 0)
        assert measurement.value > 3 * latency.measure(SMALL, 0).value
        assert set(measurement.details) == set(host.measure(SMALL, 0).details)
        assert measurement.details["clock"] == host.measure(SMALL, 0).details["clock"]
        version = importlib.metadata.version("onnxruntime")
        assert latency.device == {
            **host.device,
            "backend": "onnxruntime",
            "runtime": f"ONNX Runtime {version}",
        }


def test_parts_of_networks_are_measured(host: HostLatency) -> None:
    parts = fragments(SMALL)
    with contextlib.closing(OnnxLatency(maximum_seconds=0.1)) as latency:
        for result in (*host.measure_all(parts), *latency.measure_all(parts)):
            assert isinstance(result, Measurement)
            assert result.value > 0


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_onnx_runtime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf"{missing} is not installed .* pip install 'mnas-moo\[onnx\]'"):
        OnnxLatency()


def test_all_are_measured_in_order_and_a_refusal_keeps_its_place(
    host: HostLatency, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = litert.write
    monkeypatch.setattr(litert, "write", lambda spec, **_: b"no model" if spec.classes == 3 else write(spec))
    refused = dataclasses.replace(SMALL, classes=3, name="three")
    small, error, again = host.measure_all([SMALL, refused, SMALL])
    assert isinstance(small, Measurement)
    assert again is small
    assert isinstance(error, ValueError)
    assert "XNNPACK cannot run three: ValueError: " in str(error)


def test_a_worker_that_hangs_is_ended(host: HostLatency, monkeypatch: pytest.MonkeyPatch) -> None:
    host.measure(SMALL, 0)
    monkeypatch.setattr(latency, "_GRACE_SECONDS", 0.3)
    os.kill(worker_of(host).pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match=r"did not answer within 0 s.*measure again"):
        host.measure(LARGE, 0)
    assert worker_of(host).poll() is not None


def test_the_reason_of_a_worker_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_worker, "__name__", "mnas_moo.objectives.no_such_worker")
    host = HostLatency()
    with pytest.raises(RuntimeError, match=r"exit status 1 \(.*No module named mnas_moo.objectives.no_such_worker\)"):
        host.measure(SMALL, 0)


def test_a_model_that_litert_refuses_is_an_error_and_the_worker_lives_on(
    host: HostLatency, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(litert, "write", lambda spec, **_: b"no model")
        with pytest.raises(ValueError, match=r"LiteRT .* cannot run the network: ValueError: "):
            host.measure(SMALL, 0)
    worker = worker_of(host)
    host.measure(SMALL, 0)
    assert worker_of(host) is worker


def test_the_worker_ends_with_its_objective() -> None:
    host = HostLatency(maximum_seconds=0.1)
    host.measure(SMALL, 0)
    process = worker_of(host)
    del host
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_the_worker_ends_when_its_parent_is_killed() -> None:
    program = (
        "import os; from tests.objectives.host.test_latency import *\n"
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


def test_the_worker_imports_neither_torch_nor_optuna() -> None:
    program = "import sys, mnas_moo.objectives.host.worker; print({'torch', 'optuna'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", program], env=environment, text=True) == "set()\n"


@pytest.mark.parametrize("threads", [0, -1, 4096])
def test_threads_out_of_range_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads is {threads}; it must be from 1 to "):
        HostLatency(threads)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": 0.0}, "precision is 0.0"),
        ({"precision": 2.0}, "precision is 2.0"),
        ({"maximum_seconds": 0.0}, "maximum_seconds is 0.0; it must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HostLatency(**settings)  # type: ignore[arg-type]


def test_without_litert_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mnas-moo\[host\]'"):
        HostLatency()


def test_median_interval_has_the_ranks_of_the_binomial() -> None:
    # n = 100: ranks 50 ± 9.8, from 0: 40 and 59, covering 0.954 of Binomial(100, 1/2)
    assert host_worker.median_interval([*range(99, -1, -1)]) == (49.5, 40, 59)
    assert host_worker.median_interval([3.0]) == (3, 3, 3)
    assert host_worker.median_interval([4.0, 2.0, 3.0]) == (3, 2, 4)


def test_equal_runs_stop_at_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_worker, "MINIMUM_SECONDS", 0.0)
    clock = Clock(0.25)
    assert host_worker.repeat(host_worker.timed(clock.run, clock), 0.02, 60.0) == [0.25] * host_worker.MINIMUM_RUNS


def test_unequal_runs_are_repeated_until_the_median_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_worker, "MINIMUM_SECONDS", 0.0)
    # Uniform on [1, 1.5]: the half width is about 0.98 * 0.5 / sqrt(n), a share of 0.01 of 1.25 at n = 1,537.
    clock = Clock(*(1 + 0.5 * (i * 0.618034 % 1) for i in range(100_000)))
    times = host_worker.repeat(host_worker.timed(clock.run, clock), 0.01, 60.0)
    median, low, high = host_worker.median_interval(times)
    assert (high - low) / 2 <= 0.01 * median
    assert 1_200 < len(times) < 2_500


def test_the_maximum_time_ends_runs_that_never_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_worker, "MINIMUM_SECONDS", 0.0)
    clock = Clock(1.0, 100.0)
    started = time.perf_counter()
    times = host_worker.repeat(host_worker.timed(clock.run, clock), 1e-9, 0.05)
    assert len(times) >= host_worker.MINIMUM_RUNS
    assert 0.05 <= time.perf_counter() - started < 5


def test_messages_arrive_as_they_were_sent() -> None:
    stream = io.BytesIO()
    host_worker.send(stream, {"threads": 2}, b"\x00model")
    host_worker.send(stream, {"error": "Grüße"})
    stream.seek(0)
    assert host_worker.receive(stream) == ({"threads": 2}, b"\x00model")
    assert host_worker.receive(stream) == ({"error": "Grüße"}, b"")
    with pytest.raises(EOFError):
        host_worker.receive(stream)


def test_a_message_cut_short_is_an_end() -> None:
    stream = io.BytesIO()
    host_worker.send(stream, {}, b"model")
    with pytest.raises(EOFError, match="2 bytes early"):
        host_worker.receive(io.BytesIO(stream.getvalue()[:-2]))
