"""The page of all samplers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.studies.benchmarks.all_samplers import PROBLEMS, page, result_of
from mnas_moo.study_file.load import load_study_file

FOLDER = os.environ.get("MNAS_MOO_TABLES", "")


def result(means: dict[str, list[float]], p: float) -> dict[str, Any]:
    marks = [100, 200]
    return {
        "samplers": {
            name: {"at_marks": {"trials": marks, "regret": {"mean": mean}}, "sampler_ms": {"mean": 12.34}}
            for name, mean in means.items()
        },
        "tests": [{"versus": "nsga2", "trials": mark, "p_holm": p} for mark in marks],
    }


def test_a_star_marks_what_is_sure_and_a_dash_what_was_not_run() -> None:
    means = {"mnas": [0.02, 0.01], "nsga2": [0.2, 0.1]}
    lines = page({"macro": result(means, 0.001), "noise": result(means, 0.02)}, ["mnas", "nsga2", "gp"]).splitlines()
    assert lines[2] == "| macro | mnas | 0.0200 | 0.0100 | - | 12.3 |"
    assert lines[3] == "|  | nsga2 | 0.2000 * | 0.1000 * | - | 12.3 |"
    assert lines[5] == "|  | nsga2 | 0.2000 | 0.1000 | - | 12.3 |"
    assert len(lines) == 6


@pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_a_study_that_can_be_searched(name: str, tmp_path: Path) -> None:
    order: dict[str, Any] = {"samplers": ["mnas", "random"], "seeds": 1, "trials": 2, "jobs": 1}
    found = result_of(name, tmp_path / "made", Path(FOLDER), order)
    assert list(found["samplers"]) == ["mnas", "random"]
    assert load_study_file(tmp_path / "made/study.yaml", tables=FOLDER).trials == 2
