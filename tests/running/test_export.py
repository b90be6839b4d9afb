from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import create_trial

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.running.export import images_of_trained, latencies_of, trained_network
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.trained import trained_file
from mnas_moo.running.trials import MEASUREMENTS, NETWORK, Observer
from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.text import to_text
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy

STUDY = """\
name: small
storage: sqlite:///small.db
space: {mnasnet: {preset: digits, blocks: 2}}
data: digits
objectives: {accuracy: {train: {}}, latency_ms: {host: {threads: 2, data_type: int8}}}
sampler: {random: {}}
trials: 4
"""
SPEC = MnasNetSpace(preset="digits", blocks=2).random(np.random.default_rng(0)).canonical()
TIMED = {"value": 2.5, "p10_ms": 2.4, "p90_ms": 2.9, "confidence_half_width_ms": 0.1, "threads": 2, "cpu": "a CPU"}


def study_of(text: str = STUDY) -> NetworkStudy:
    Path("small.yaml").write_text(text, encoding="utf-8")
    study_file = load_study_file("small.yaml")
    assert isinstance(study_file, NetworkStudy)
    return study_file


def stored(*trials: dict[str, Any], identity: dict[str, Any] | None = None) -> optuna.Study:
    """The study as its storage has it, with these trials."""
    study = optuna.create_study(study_name="small", storage="sqlite:///small.db", directions=["maximize", "minimize"])
    for trial in trials:
        study.add_trial(create_trial(**trial))
    study._storage.set_study_system_attr(study._study_id, IDENTITY, identity or {})
    return study


def complete(**measurements: dict[str, Any]) -> dict[str, Any]:
    return {"values": [0.9, 2.5], "user_attrs": {NETWORK: to_text(SPEC), MEASUREMENTS: measurements}}


def network(**changes: Any) -> TrainedNetwork:
    classes = tuple("0123456789")
    made = TrainedNetwork(SPEC, build(SPEC).state_dict(), classes, (78.0,), (81.0,), {"label": "trial-0"})
    return dataclasses.replace(made, **changes)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_network_that_was_never_trained_or_is_another_one_names_the_command() -> None:
    study_file = study_of()
    with pytest.raises(StudyError, match=r"^trial-0 of small was never trained; train it with: TRAIN$"):
        trained_network(study_file, "trial-0", to_text(SPEC), "TRAIN")
    file = trained_file(study_file, "trial-0")
    network().save(file)
    assert trained_network(study_file, "trial-0", to_text(SPEC), "TRAIN").spec == SPEC
    assert trained_network(study_file, "trial-0", None, "TRAIN").classes == tuple("0123456789")
    with pytest.raises(StudyError, match=r"has another network than trial-0 has now; train it again with: TRAIN$"):
        trained_network(study_file, "trial-0", "in1x8x8", "TRAIN")
    file.write_bytes(b"nonsense")
    with pytest.raises(StudyError, match="is no trained network, or a broken file"):
        trained_network(study_file, "trial-0", None, "TRAIN")


def test_images_are_split_as_they_were_for_the_training() -> None:
    study_file = study_of()
    data = images_of_trained(study_file, network(), Observer())
    assert data.images.shape[1:] == torch.Size([*SPEC.input_shape[1:], 1])
    assert len(data.holdout) == pytest.approx(1797 * study_file.training["holdout"], abs=10)
    other = images_of_trained(study_file, network(figures={"data": {"holdout": 0.5}}), Observer())
    assert len(other.holdout) == pytest.approx(1797 / 2, abs=10)


def test_images_of_other_classes_are_refused() -> None:
    with pytest.raises(StudyError, match="other classes than the network was trained on: it knows ten; --data PATH"):
        images_of_trained(study_of(), network(classes=(*"012345678", "ten")), Observer())
    with pytest.raises(StudyError, match="it knows them in another order"):
        images_of_trained(study_of(), network(classes=tuple("1023456789")), Observer())


def test_latencies_say_what_ran_the_network_where() -> None:
    study = stored(complete(accuracy={"value": 0.9}, latency_ms=TIMED))
    (found,) = latencies_of(study_of(), study.trials[0])
    assert found == {
        "name": "latency_ms",
        "device": "a CPU",
        "how": "LiteRT, CPU, int8",
        "value_ms": 2.5,
        "predicted": False,
        "p10_ms": 2.4,
        "p90_ms": 2.9,
        "threads": 2,
        "confidence_half_width_ms": 0.1,
    }


def test_latencies_of_several_devices_are_told_apart() -> None:
    names = {"latency_ms@one": {"host": {}}, "latency_ms@two": {"onnxruntime": {}}}
    objectives = (
        f"objectives: {{accuracy: {{train: {{}}}}, {', '.join(f'{name}: {kind}' for name, kind in names.items())}}}"
    )
    study_file = study_of(STUDY.replace(STUDY.splitlines()[4], objectives.replace("'", "")))
    phone = {"value": 4.0, "model": "Pixel 6", "runtime": "LiteRT 2.2", "android": "14", "predicted": True}
    timed = {"latency_ms@one": phone, "latency_ms@two": {"value": 3.0}, "latency_ms@gone": TIMED}
    study = stored(complete(**timed), identity={"devices": {"latency_ms@two": {"model": "a table's phone"}}})
    one, two = latencies_of(study_file, study.trials[0])
    assert (one["device"], one["how"], one["android"], one["predicted"]) == (
        "Pixel 6",
        "LiteRT 2.2, float32",
        "14",
        True,
    )
    assert (two["device"], two["how"]) == ("a table's phone", "ONNX Runtime, CPU, float32")
