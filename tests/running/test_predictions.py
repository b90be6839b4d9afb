from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.objectives.predictor.latency import PREDICTED
from mnas_moo.running import latency_sources, objectives
from mnas_moo.running.predictions import measured_pairs, must_be_measured
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import MEASUREMENTS, completed_trials
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

STUDY = """\
name: {name}
storage: journal:///{folder}/{name}.log
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{accuracy: {{train: {{epochs: 1}}}}, latency_ms: {latency}}}
sampler: {{random: {{seed: {seed}}}}}
trials: {trials}
"""


def write(folder: Path, name: str, latency: str, seed: int, trials: int) -> StudyFile:
    text = STUDY.format(name=name, folder=folder, latency=latency, seed=seed, trials=trials)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_study_file(folder / f"{name}.yaml")


def true_ms(spec: NetworkSpec) -> float:
    return 0.01 + spec.multiply_adds / 20e6 + 0.002 * len(spec.layers)


class Device:
    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self) -> None:
        self.device = {"model": "a phone"}
        self.asked = 0

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        self.asked += 1
        return Measurement(true_ms(spec), {"runs": 50, "model": self.device["model"]})

    def close(self) -> None:
        pass


class Accurate:
    """A network's accuracy has nothing to do with its size, so that most are dominated."""

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        return Measurement((seed % 997) / 997)

    def close(self) -> None:
        pass


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """The device of every study, and accuracies without training."""
    device = Device()
    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: device)
    real = objectives.make_objective
    monkeypatch.setattr(
        objectives,
        "make_objective",
        lambda file, name, *rest: Accurate() if name == "accuracy" else real(file, name, *rest),
    )
    return device


def test_every_member_of_the_front_was_measured_and_the_device_was_spared(tmp_path: Path, device: Device) -> None:
    run_study(write(tmp_path, "past", "{adb: {}}", seed=0, trials=60))
    assert device.asked == 60
    settings = f"{{model: {{source: {tmp_path}/past.yaml, measure: {{adb: {{}}}}}}}}"
    study = run_study(write(tmp_path, "next", settings, seed=1, trials=60))
    trials = completed_trials(study)
    on_front = pareto_mask([trial.values for trial in trials], study.directions)
    latency = [trial.user_attrs[MEASUREMENTS]["latency_ms"] for trial in trials]
    assert not any(found.get(PREDICTED) for found, front in zip(latency, on_front, strict=True) if front)
    predicted = [found for found in latency if found.get(PREDICTED)]
    assert device.asked == 120 - len(predicted)
    assert len(predicted) > 30
    assert all(found["low_ms"] <= found["value"] <= found["high_ms"] for found in predicted)
    specs, measured, devices = measured_pairs(study)
    assert devices == {"a phone"}
    assert len(specs) == 60 - len(predicted)
    assert measured == pytest.approx([true_ms(spec) for spec in specs])


@pytest.mark.parametrize("network", ["x", "x" * 10**6, ["in1x8x8"]])
def test_a_network_that_cannot_be_read_is_named_by_its_trial(network: object) -> None:
    study = optuna.create_study(study_name="some")
    attributes = {"network": network, MEASUREMENTS: {"latency_ms": {"value": 1.0}}}
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=attributes))
    with pytest.raises(ValueError, match=r"trial 0 of some has no network: .{0,200}$"):
        measured_pairs(study)


@pytest.mark.parametrize(
    ("accuracy", "low_ms", "high_ms", "limits", "measured"),
    [
        (0.9, 0.2, 0.4, {}, True),  # better than all
        (0.5, 1.5, 2.5, {}, False),  # worse than the one trial there is, whatever the interval
        (0.5, 0.9, 2.5, {}, True),  # perhaps faster
        (0.9, 2.0, 3.0, {"latency_ms": (None, 1.9)}, False),  # cannot be feasible
        (0.9, 1.8, 3.0, {"latency_ms": (None, 1.9)}, True),  # can be
    ],
)
def test_what_may_be_on_the_front_must_be_measured(
    accuracy: float, low_ms: float, high_ms: float, limits: dict[str, Any], measured: bool
) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(optuna.trial.create_trial(values=[0.6, 1.0]))
    latency = {"value": (low_ms + high_ms) / 2, "low_ms": low_ms, "high_ms": high_ms, PREDICTED: True}
    found = {"accuracy": {"value": accuracy}, "latency_ms": latency}
    assert must_be_measured(study, found, ("accuracy", "latency_ms"), limits) is measured


def test_pairs_of_another_device_are_refused(tmp_path: Path, device: Device) -> None:
    run_study(write(tmp_path, "past", "{adb: {threads: 2}}", seed=0, trials=3))
    settings = f"{{model: {{source: {tmp_path}/past.yaml, measure: {{adb: {{}}}}}}}}"
    with pytest.raises(StudyError, match=r"next.yaml:5: objectives.latency_ms.model.source: .*; they must agree"):
        run_study(write(tmp_path, "next", settings, seed=1, trials=3))


def test_pairs_of_another_phone_are_refused(tmp_path: Path, device: Device) -> None:
    run_study(write(tmp_path, "past", "{adb: {}}", seed=0, trials=30))
    device.device = {"model": "another phone"}
    settings = f"{{model: {{source: {tmp_path}/past.yaml, measure: {{adb: {{}}}}}}}}"
    with pytest.raises(StudyError, match=r"past.yaml was measured on 'a phone', and .* is 'another phone'"):
        run_study(write(tmp_path, "next", settings, seed=1, trials=3))


def test_too_few_pairs_are_refused_with_the_number_that_is_needed(tmp_path: Path, device: Device) -> None:
    run_study(write(tmp_path, "past", "{adb: {}}", seed=0, trials=3))
    settings = f"{{model: {{source: {tmp_path}/past.yaml, measure: {{adb: {{}}}}}}}}"
    with pytest.raises(StudyError, match=r"model.source: .*3.*20"):
        run_study(write(tmp_path, "next", settings, seed=1, trials=3))
