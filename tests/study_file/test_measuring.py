from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.objective import OBJECTIVES
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.measuring import (
    Adb,
    Constraints,
    Cuda,
    Host,
    Latency,
    Lut,
    NoSettings,
    Objectives,
    OnnxRuntime,
    Train,
)
from mnas_moo.study_file.parts import Part
from tests.study_file.conftest import load

ANY_PHONE = {"threads": 1}
"""What two studies on phones must share by their files; the phone's model is known when it is there."""


def test_how_something_is_measured_is_no_part_of_the_identity(tmp_path: Path) -> None:
    one = load(
        tmp_path, "epochs: 2", "epochs: 2, device: cpu, threads: 2", "threads: 1}", "threads: 1, precision: 0.1}"
    )
    other, longer = load(tmp_path), load(tmp_path, "epochs: 2", "epochs: 3")
    assert one.identity_of("accuracy") == other.identity_of("accuracy") != longer.identity_of("accuracy")
    assert one.identity_of("latency_ms") == other.identity_of("latency_ms")


def test_training_has_the_settings_and_defaults_of_the_objective() -> None:
    from mnas_moo.objectives.training.train import TrainSettings

    defaults = {name: p.default for name, p in inspect.signature(TrainSettings).parameters.items()}
    assert Train().model_dump(exclude={"holdout", "confirm"}) == defaults


def test_the_host_has_the_settings_and_defaults_of_the_objective() -> None:
    from mnas_moo.objectives.host.latency import HostLatency

    defaults = {name: p.default for name, p in inspect.signature(HostLatency).parameters.items()}
    assert not defaults.pop("memory")  # whether it is measured follows from the objectives
    assert Host().model_dump() == defaults


@pytest.mark.parametrize(
    ("part", "objective", "not_in_files"),
    [
        (OnnxRuntime(), "host.latency:OnnxLatency", set()),
        (Cuda(), "host.cuda:CudaLatency", set()),
        (Adb(), "phone.latency:AdbLatency", {"rest_s", "report"}),
    ],
)
def test_a_device_has_the_settings_and_defaults_of_its_objective(
    part: Part, objective: str, not_in_files: set[str]
) -> None:
    module, _, name = objective.partition(":")
    made = getattr(importlib.import_module(f"mnas_moo.objectives.{module}"), name)
    defaults = {key: p.default for key, p in inspect.signature(made).parameters.items()}
    assert part.model_dump() == {key: value for key, value in defaults.items() if key not in not_in_files}


def test_two_phone_studies_are_one_wherever_they_are_measured(tmp_path: Path) -> None:
    def identity(latency: str) -> dict[str, Any]:
        return load(tmp_path, "{host: {threads: 1}}", latency).identity_of("latency_ms")

    assert identity("{adb: {serials: [a], benchmark_model: x}}") == identity("adb") == {"adb": ANY_PHONE}
    assert identity("{adb: {threads: 2}}") != identity("adb")
    assert identity("{adb: {data_type: int8}}") != identity("adb")
    assert identity("{adb: {accelerator: gpu}}") == {"adb": {**ANY_PHONE, "accelerator": "gpu"}}
    assert identity("{adb: {accelerator: gpu, require_full_delegation: true}}") != identity("{adb: {accelerator: gpu}}")
    assert identity("{model: {source: past.yaml, measure: adb}}") == {"model": {"adb": ANY_PHONE}}
    assert identity("{lut: one.json}") == identity("{lut: {file: two.json}}") == {"lut": {}}
    assert identity("host") == {"threads": 1}  # as the first studies have it


def test_the_objectives_and_constraints_of_a_study_file_are_the_described_ones_in_their_order() -> None:
    assert Objectives.allowed() == Constraints.allowed() == [*OBJECTIVES, "latency_ms@NAME", "memory_mb@NAME"]


def test_an_objective_without_settings_is_a_count() -> None:
    counts = Objectives.model_validate({"peak_memory_mb": None, "parameters_m": {}})
    assert list(counts.items()) == [("parameters_m", NoSettings()), ("peak_memory_mb", NoSettings())]


def test_unknown_accelerator_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"latency_ms\.adb\.accelerator is 'tpu'; it must be 'cpu', 'gpu' or 'npu'"):
        load(tmp_path, "{host: {threads: 1}}", "{adb: {accelerator: tpu}}")


@pytest.mark.parametrize("part", [Train, Host, OnnxRuntime, Cuda, Adb, Lut])
def test_what_says_how_and_not_what_are_settings_that_there_are(part: type[Part]) -> None:
    assert part.manner <= set(part.allowed())


def test_a_lookup_table_is_its_file_and_a_predictor_has_one_source_or_several() -> None:
    assert Latency.model_validate({"lut": "times.json"}).chosen == ("lut", Lut(file="times.json"))
    one = Latency.model_validate({"model": {"source": "past.yaml", "measure": "host"}})
    assert one == Latency.model_validate({"model": {"source": ["past.yaml"], "measure": "host"}})


def test_a_predictors_latency_is_known_by_the_device_that_confirms_it() -> None:
    latency = Latency.model_validate({"model": {"source": "past.yaml", "measure": {"onnxruntime": {"threads": 2}}}})
    assert latency.identity == {"model": {"onnxruntime": {"threads": 2}}}
