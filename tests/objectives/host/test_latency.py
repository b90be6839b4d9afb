from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import sys
import threading

import pytest

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.host import timing
from mnas_moo.objectives.host.latency import HostLatency, OnnxLatency
from mnas_moo.objectives.objective import Measurement
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.spec import NetworkSpec
from tests.objectives.host.conftest import LARGE, SMALL, worker_of


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
    assert details["runs"] >= timing.MINIMUM_RUNS  # type: ignore[operator]
    assert details["warm_up_runs"] >= 3  # type: ignore[operator]
    assert details["threads"] == 1
    assert isinstance(details["cpu"], str)


def test_a_larger_network_takes_longer(host: HostLatency) -> None:
    assert host.measure(LARGE, 0).value > 5 * host.measure(SMALL, 0).value


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
    with pytest.raises(MissingExtraError, match=rf"{missing} is not installed .* pip install .*\[onnx\]'"):
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


def test_a_model_that_litert_refuses_is_an_error_and_the_worker_lives_on(
    host: HostLatency, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(litert, "write", lambda spec, **_: b"no model")
        with pytest.raises(ValueError, match=r"LiteRT .* cannot run the network: ValueError: "):
            host.measure(SMALL, 0)
    process = worker_of(host)
    host.measure(SMALL, 0)
    assert worker_of(host) is process


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
    with pytest.raises(MissingExtraError, match=r"pip install .*\[host\]'"):
        HostLatency()
