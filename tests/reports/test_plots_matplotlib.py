from __future__ import annotations

import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.reports.plots import save_front
from tests.reports.conftest import a_study, random_values


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
