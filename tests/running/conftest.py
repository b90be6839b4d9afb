"""A study of counts, objectives that are functions, and the table of past trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.running import objectives
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from tests.running.mysql import mariadb as mariadb
from tests.running.mysql import mysql as mysql
from tests.running.postgres import postgres as postgres
from tests.running.postgres import server as server
from tests.study_file.conftest import past_table as past_table

COUNTS = """\
name: counts
storage: journal:///{folder}/counts.log
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{parameters_m: , multiply_adds_m: }}
sampler: {{random: {{seed: 0}}}}
trials: 5
"""


def write(folder: Path, *changes: str) -> StudyFile:
    """The study of ``COUNTS`` with texts replaced: old, new, old, new, …"""
    text = COUNTS.format(folder=folder)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (folder / "counts.yaml").write_text(text, encoding="utf-8")
    return load_study_file(folder / "counts.yaml")


class Fake:
    """An objective that is a function."""

    def __init__(self, name: str, measure: Callable[[NetworkSpec, int], float]) -> None:
        self.name = name
        self.direction: Direction = "maximize" if name == "accuracy" else "minimize"
        self.function = measure
        self.closed = 0

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        return Measurement(self.function(spec, seed), {"seed": seed})

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    """Objectives that a test puts here are taken instead of real ones."""
    fakes: dict[str, Fake] = {}
    real = objectives.make_objective
    monkeypatch.setattr(
        objectives,
        "make_objective",
        lambda study_file, name, *rest: fakes.get(name) or real(study_file, name, *rest),
    )
    return fakes


def values(study: optuna.Study) -> list[list[float]]:
    return [trial.values for trial in study.get_trials(states=(TrialState.COMPLETE,))]


GRID = "width,act,accuracy,latency_ms\n" + "".join(
    f"{width},{act},{0.5 + width / 100 + cost / 10},{width * cost}\n"
    for width in range(1, 21)
    for act, cost in (("relu", 1), ("silu", 2))
)
"""A table with a row for every point."""
