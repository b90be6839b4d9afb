"""Memory as an objective: the value that came with the latency of the same device, measured once for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.objective import DeviceError, Direction, Graph, Measurement, measure_in_turn
from mnas_moo.objectives.runtime_memory import RuntimeMemory
from mnas_moo.running import latency_sources
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import MEASUREMENTS, measured
from mnas_moo.spaces import network
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from tests.study_file.test_several_latencies import STUDY


class Device:
    """Takes a millisecond, and a byte for each weight; remembers what it ran."""

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, **details: Any) -> None:
        self.device: Mapping[str, Any] = {"model": "Pixel 6", "runtime": "benchmark_model sha256:1"}
        self.more = details
        self.ran: list[Graph] = []
        self.results: dict[Graph, Measurement] = {}
        self.closed = 0

    def measure(self, spec: Graph, seed: int) -> Measurement:
        if spec not in self.results:
            self.ran.append(spec)
            details = {"memory_mb": spec.parameters / 1e6, "p10_ms": 0.9, "serial": "x", **self.more}
            self.results[spec] = Measurement(1.0, details)
        return self.results[spec]

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        return measure_in_turn(self, specs)

    def close(self) -> None:
        self.closed += 1


def test_the_value_is_the_latencys_and_its_details_are_those_of_memory() -> None:
    device = Device(memory_init_mb=2.0, runs=7)
    memory, spec = RuntimeMemory(device), network("mnasnet-small")
    found = memory.measure(spec, 0)
    assert found.value == spec.parameters / 1e6
    assert found.details == {"memory_init_mb": 2.0, "serial": "x"}
    assert memory.device is device.device
    device.measure(spec, 0)
    assert device.ran == [spec]


def test_a_program_that_prints_no_memory_ends_the_run_with_what_to_do() -> None:
    memory = RuntimeMemory(Device(memory_mb=None, program="TensorFlow Lite benchmark_model"))
    with pytest.raises(DeviceError, match=r"^Pixel 6: TensorFlow Lite benchmark_model does not say .* --install"):
        memory.measure(network("mnasnet-small"), 0)


def write(folder: Path, objectives: str, constraints: str = "") -> Path:
    path = folder / "s.yaml"
    path.write_text(STUDY.format(folder=folder, objectives=objectives, constraints=constraints), encoding="utf-8")
    return path


def test_in_a_study_a_network_runs_once_on_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Device, bool]] = []

    def make(settings: Any, report: Any, *, memory: bool) -> Device:
        made.append((Device(), memory))
        return made[-1][0]

    monkeypatch.setattr(latency_sources, "make", make)
    named = (
        "memory_mb@a: , latency_ms@a: host, latency_ms@b: {host: {threads: 2}}, memory_mb: , latency_ms: onnxruntime"
    )
    file = write(tmp_path, named.replace("onnxruntime", "{host: {threads: 3}}"), "memory_mb@b: {max: 0.02}")
    study = run_study(load_study_file(file))
    assert study.metric_names == [
        "latency_ms", "latency_ms@a", "latency_ms@b", "memory_mb", "memory_mb@a", "parameters_m"
    ]  # fmt: skip
    assert [memory for _, memory in made] == [True] * 3
    assert all(len(device.ran) == 2 and device.closed for device, _ in made)
    for trial in study.trials:
        assert set(trial.user_attrs[MEASUREMENTS]) == {*study.metric_names, "memory_mb@b"}
        assert measured(trial, "memory_mb@b")["value"] == trial.values[3] == trial.values[-1]
        assert trial.constraints == {"memory_mb@b": pytest.approx(trial.values[3] - 0.02)} or trial.constraints


@pytest.mark.parametrize(
    ("objectives", "constraints"), [("memory_mb: ", ""), ("multiply_adds_m: ", "memory_mb: {max: 9}")]
)
def test_memory_alone_is_measured_here(
    tmp_path: Path, objectives: str, constraints: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device()
    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: device)
    study = run_study(load_study_file(write(tmp_path, objectives, constraints)))
    assert [measured(trial, "memory_mb")["value"] > 0 for trial in study.trials] == [True, True]
    assert "latency_ms" not in study.trials[0].user_attrs[MEASUREMENTS]
    assert device.closed == 1


def test_two_names_for_a_phone_are_found_once_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: Device())
    file = write(tmp_path, "latency_ms@a: {adb: {model: Pixel 6}}, latency_ms@b: {adb: {serials: [x]}}")
    with pytest.raises(
        StudyError, match=r"latency_ms@b is measured by the same device as latency_ms@a, adb \(a Pixel 6\)"
    ):
        run_study(load_study_file(file))
