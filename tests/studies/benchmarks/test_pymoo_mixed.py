"""The comparison on mixed variables: what it measures, and that everybody gets the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pymoo", reason="the extra pymoo is not installed")

from mnas_moo.studies.benchmarks import pymoo_mixed
from mnas_moo.studies.benchmarks.pymoo_mixed import CASES, CONTENDERS, Case, Run, regret


def test_regret_is_what_is_missing_to_all_runs_together() -> None:
    two, one = Case({}, lambda x: ([], []), (4.0, 4.0)), Case({}, lambda x: ([], []), None)
    everything = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert regret(two, everything, everything) == 0
    assert regret(two, everything[:1], everything) == pytest.approx(1 - 6 / 8)
    assert regret(one, np.array([[150.0], [120.0]]), np.array([[100.0], [120.0]])) == pytest.approx(0.2)
    assert regret(one, np.array([[900.0]]), np.array([[100.0]])) == 1
    assert regret(two, np.zeros((0, 2)), everything) == 1


def test_what_is_found_is_feasible_and_no_later_than_asked() -> None:
    run = Run([[1.0], [2.0], [3.0]], [True, False, True])
    assert run.found(2).tolist() == [[1.0]]
    assert run.found(3).tolist() == [[1.0], [3.0]]


@pytest.mark.parametrize("problem", CASES)
def test_everybody_evaluates_as_often(problem: str) -> None:
    case = CASES[problem]()
    for name, search in CONTENDERS.items():
        run = search(case, 60, 0)
        assert len(run.feasible) == (100 if name in ("pymoo MixedVariableGA", "pymoo NSGA2") else 60)


def test_the_pressure_vessel_is_the_published_one() -> None:
    objectives, constraints = CASES["vessel"]().evaluate({"x0": 13, "x1": 7, "x2": 42.0984456, "x3": 176.6366})
    assert objectives == pytest.approx([6059.7], abs=0.1)
    assert max(constraints) < 1e-3


def test_the_levels_of_zdt1_span_its_range() -> None:
    case = CASES["zdt1"]()
    best: dict[str, Any] = {
        name: 0.0 if "bounds" not in vars(variable) else 0 for name, variable in case.variables.items()
    }
    assert case.evaluate({**best, "x0": 0.25})[0] == pytest.approx([0.25, 0.5])
    worst = {name: variable.bounds[1] for name, variable in case.variables.items()}
    assert case.evaluate(worst)[0] == pytest.approx([1.0, 10 - 10**0.5])


def test_the_table_and_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--trials", "20", "--seeds", "2", "--problems", "guide", "--contenders", "mnas", "random", "--json"]
    monkeypatch.setattr(sys, "argv", ["pymoo_mixed", *options, str(tmp_path / "figures.json")])
    pymoo_mixed.main()
    result = json.loads(tmp_path.joinpath("figures.json").read_text(encoding="utf-8"))["problems"]["guide"]
    assert [len(figures["regret"]["20"]) for figures in result.values()] == [2, 2]
    assert result["mnas"]["p"] is None
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:]]
    assert rows == ["mnas", "random"]
