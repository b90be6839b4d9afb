from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna

from mnas_moo.running.facts import facts_of, store_facts
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import Subject
from mnas_moo.study_file.study import StudyFile

TABLE = "width,accuracy,latency_ms\n1,0.5,1\n2,0.75,4\n3,0.8,9\n"
FILE = """\
name: past
storage: sqlite:///{folder}/past.db
table: {{file: {folder}/past.csv, parameters: [width], objectives: {{accuracy: maximize, latency_ms: minimize}}}}
constraints: {{latency_ms: {{max: 5}}}}
sampler: {{random: {{seed: 0}}}}
trials: 2
"""


def test_a_study_of_networks_says_what_it_was_run_with(finished_study: tuple[StudyFile, optuna.Study]) -> None:
    facts = finished_study[1].user_attrs
    assert set(facts) == {"objectives", "constraints", "data", "device", "versions"}
    assert facts["constraints"] == "parameters_m max 0.015"
    assert facts["data"].startswith("digits: 1,797 images of 10 classes, grey")
    assert facts["device"] == "none"  # its latency is a formula
    assert f"optuna {optuna.__version__}" in facts["versions"]


def test_a_device_is_told_with_its_runtime_and_threads(finished_study: tuple[StudyFile, optuna.Study]) -> None:
    one = SimpleNamespace(device={"model": "Pixel 6", "runtime": "LiteRT 2", "threads": 1, "data_type": "float32"})
    two = SimpleNamespace(device={"model": "Pixel\n7", "threads": 4})
    identity: dict[str, Any] = {"constraints": {}, "table": {"name": "t"}}

    def device(**objectives: Any) -> str:
        return facts_of(finished_study[0], cast("Subject", SimpleNamespace(objectives=objectives)), identity)["device"]

    assert device(latency_ms=one, parameters_m=SimpleNamespace()) == "Pixel 6, LiteRT 2, 1 thread, float32"
    both = device(**{"latency_ms": one, "latency_ms@new": two})
    assert both == r"latency_ms: Pixel 6, LiteRT 2, 1 thread, float32; latency_ms@new: Pixel\n7, 4 threads"
    assert device(latency_ms=one, memory_mb=one) == device(memory_mb=one) == device(latency_ms=one)


def test_a_study_of_a_table_says_which(tmp_path: Path) -> None:
    (tmp_path / "past.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "past.yaml").write_text(FILE.format(folder=tmp_path), encoding="utf-8")
    facts = run_study(tmp_path / "past.yaml").user_attrs
    assert facts["data"] == "table past.csv"
    assert facts["objectives"] == "accuracy maximize, latency_ms minimize"
    assert facts["constraints"] == "latency_ms max 5"
    assert facts["device"] == "none"


def test_what_another_run_had_otherwise_is_added_and_a_users_own_value_stays() -> None:
    study = optuna.create_study()
    study.set_user_attr("data", 3)
    for versions in ("one", "one", "two", "one"):
        store_facts(study, {"versions": versions, "data": "digits"})
    assert study.user_attrs == {"versions": "one; then two", "data": 3}


def test_a_study_does_not_grow_by_the_number_of_its_runs() -> None:
    study = optuna.create_study()
    for run in range(100):
        store_facts(study, {"versions": f"version {run}"})
    assert study.user_attrs["versions"].count("; then ") == 4
    assert study.user_attrs["versions"].endswith("version 99")
