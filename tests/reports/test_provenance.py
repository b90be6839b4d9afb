from __future__ import annotations

import json
from pathlib import Path

import optuna

from mnas_moo.reports.provenance import provenance
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.trials import MEASUREMENTS
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from tests.conftest import STUDY

Finished = tuple[StudyFile, optuna.Study]


def test_a_study_of_networks_says_what_was_searched_with_which_settings_and_by_what(finished_study: Finished) -> None:
    study_file, study = finished_study
    found = dict(provenance(study, study_file))
    assert found["objectives"].startswith("accuracy on the hold-out, maximized; epochs: 1, ")
    assert found["constraints"] == "parameters (millions) at most 0.015"
    assert found["space"] == "mnasnet; preset: digits, blocks: 3"
    assert found["decisions"].partition(",")[0].isdigit()
    assert found["images"] == "kind: digits, classes: 10, channels: 1"
    assert found["sampler"] == "random, seed 0"
    assert found["trials"] == "12 finished"
    assert "trials ran for" in found["time"]
    assert f"optuna {optuna.__version__}" in found["this page"]
    assert "Python 3." in found["this page"]


def own(folder: Path, **attributes: object) -> Finished:
    path = folder / "small.yaml"
    path.write_text(STUDY.format(folder=folder, limit=1), encoding="utf-8")
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    return load_study_file(path), study


def test_the_device_is_what_the_study_keeps_or_else_what_a_trial_tells(tmp_path: Path) -> None:
    study_file, study = own(tmp_path)
    held = {"latency_ms": {"value": 1.0, "cpu": "Cortex-A76", "threads": 1, "p10_ms": 0.9}}
    study.add_trial(optuna.trial.create_trial(values=[0.5, 1.0], user_attrs={MEASUREMENTS: held}))
    found = dict(provenance(study, study_file))
    assert found["device of latency (ms)"] == "cpu: Cortex-A76, threads: 1"
    study._storage.set_study_system_attr(study._study_id, IDENTITY, {"device": {"model": "Pixel 9", "runtime": None}})
    assert dict(provenance(study, study_file))["device of latency (ms)"] == "model: Pixel 9"


def test_memory_has_the_device_of_its_latency_and_is_told_where_there_is_none(tmp_path: Path) -> None:
    study_file, study = own(tmp_path)
    held = {name: {"value": 1.0, "cpu": "Cortex-A76"} for name in ("latency_ms", "memory_mb")}
    study.add_trial(optuna.trial.create_trial(values=[0.5, 1.0], user_attrs={MEASUREMENTS: held}))
    study.set_metric_names(["latency_ms", "memory_mb"])
    assert [name for name, _ in provenance(study, study_file) if "device" in name] == ["device of latency (ms)"]
    study.set_metric_names(["accuracy", "memory_mb"])
    assert dict(provenance(study, study_file))["device of runtime memory (MB)"] == "cpu: Cortex-A76"


def test_attributes_of_a_study_are_shown_printable_and_short(tmp_path: Path) -> None:
    study_file, study = own(tmp_path, note="\x1b[2J", versions={"torch": "2.14"}, long="x" * 1000)
    found = dict(provenance(study, study_file))
    assert found["attribute versions"] == "torch: 2.14"
    assert "\x1b" not in found["attribute note"]
    assert len(found["attribute long"]) <= 200


def test_an_identity_of_somebody_elses_is_no_error(tmp_path: Path) -> None:
    study_file, study = own(tmp_path)
    for held in (7, [], {"space": 3, "constraints": {"a": 1}, "parameters": {"x": 1}, "devices": []}):
        study._storage.set_study_system_attr(study._study_id, IDENTITY, json.loads(json.dumps(held)))
        assert "sampler" in dict(provenance(study, study_file))
