"""Fixtures that several modules' tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.running import network_trials
from mnas_moo.running.run import run_study
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

# What a shell starts in the background ignores Ctrl-C, and so would programs that tests start and then stop with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

STUDY = """\
name: small
storage: sqlite:///{folder}/small.db
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{accuracy: {{train: {{epochs: 1}}}}, latency_ms: {{host: {{}}}}}}
constraints: {{parameters_m: {{max: {limit}}}}}
sampler: {{random: {{seed: 0}}}}
trials: 12
"""


class Formula:
    """An objective that costs nothing: a larger network is more accurate (with exceptions) and slower."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.direction: Direction = "maximize" if name == "accuracy" else "minimize"

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        if self.name == "accuracy":
            return Measurement(1 - 0.03 / (spec.multiply_adds / 1e6) - 0.04 * (seed % 97) / 97, {"epochs": 1})
        if self.name == "latency_ms":
            return Measurement(spec.multiply_adds / 20e6)
        return Measurement(spec.parameters / 1e6)

    def close(self) -> None:
        pass


@contextmanager
def formulas() -> Iterator[None]:
    """Studies run with formulas instead of training and timing; all else is as always."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_trials, "make_objective", lambda study_file, name, space, observer: Formula(name))
        yield


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, optuna.Study]:
    """A study of 12 trials of two objectives, some of them infeasible, stored in SQLite as `run` stores it.

    For reading only: all tests have the same one.
    """
    folder = tmp_path_factory.mktemp("study")
    path = Path(folder, "small.yaml")
    path.write_text(STUDY.format(folder=folder, limit=0.015), encoding="utf-8")
    study_file = load_study_file(path)
    with formulas():
        return study_file, run_study(study_file)
