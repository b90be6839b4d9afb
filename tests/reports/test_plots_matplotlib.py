from __future__ import annotations

import re
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.reports.plots import save_front
from mnas_moo.reports.plots_matplotlib import print_front
from tests.reports.conftest import a_study, of, random_values


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
@pytest.mark.parametrize("objectives", [1, 2, 4])
def test_a_front_is_printed(tmp_path: Path, suffix: str, begins: bytes, objectives: int) -> None:
    study = optuna.create_study(directions=["minimize"] * objectives)
    for row in random_values(20, objectives):
        study.add_trial(create_trial(values=row))
    save_front(study, tmp_path / f"front{suffix}")
    assert (tmp_path / f"front{suffix}").read_bytes().startswith(begins)


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"mnas-moo\[plot\]"):
        save_front(a_study([[0.9, 10]]), tmp_path / "front.png")


def texts(path: Path) -> set[str]:
    """The texts in an .svg file, which matplotlib leaves as comments beside their outlines."""
    return set(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))


def test_a_print_has_units_a_legend_and_the_numbers_of_the_fronts_trials(tmp_path: Path) -> None:
    print_front(of(a_study([[0.9, 10], [0.89, 20], [0.95, 40]])), tmp_path / "front.svg")
    found = texts(tmp_path / "front.svg")
    assert found >= {"latency (ms)", "accuracy on the hold-out", "dominated", "#0", "#2"}
    assert "Pareto front: 2 of 3 finished trials" in found
    assert "#1" not in found
    assert any(text.endswith("%") for text in found)


def test_numbers_that_would_cover_one_another_are_left_out(tmp_path: Path) -> None:
    print_front(of(a_study([[0.9, 10], [0.9001, 10.01], [0.95, 40]])), tmp_path / "front.svg")
    assert {text for text in texts(tmp_path / "front.svg") if text.startswith("#")} == {"#0", "#2"}
