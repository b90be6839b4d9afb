from __future__ import annotations

import csv

import optuna
import pytest

from mnas_moo.reports.text import figure, front_csv, front_records, front_trials, scatter
from mnas_moo.running.trials import completed_trials
from tests.reports.conftest import STUDY, study_of


def front_of(study: optuna.Study) -> list[int]:
    return [trial.number for trial in front_trials(study.directions, completed_trials(study))]


def test_the_front_is_feasible_undominated_every_network_once_and_best_first() -> None:
    assert front_of(study_of(*STUDY)) == [1, 0, 5]


def test_a_study_without_trials_has_no_front() -> None:
    assert front_of(study_of()) == []
    assert front_of(study_of(STUDY[4])) == []


def test_records_and_csv_say_the_same() -> None:
    study = study_of(*STUDY)
    front = front_trials(study.directions, completed_trials(study))
    first, *_ = front_records(study, front)
    assert first == {"trial": 1, "accuracy": 0.9, "latency_ms": 40.0, "params": {"x": 0.9}, "network": "b"}
    header, *rows = csv.reader(front_csv(study, front).splitlines())
    assert header == ["trial", "accuracy", "latency_ms", "network", "x"]
    assert rows[0] == ["1", "0.9", "40.0", "b", "0.9"]
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.9567, "95.67 %"),
        ("accuracy", 65.42, "65.42"),
        ("latency_ms", 0.087261, "0.08726"),
        ("latency_ms", 78.123, "78.12"),
        ("parameters_m", 311.57, "312"),
        ("parameters_m", 12345.6, "12,346"),
    ],
)
def test_figures_are_for_people(name: str, value: float, text: str) -> None:
    assert figure(name, value) == text


def test_a_scatter_plot_of_points_on_one_spot_is_in_the_middle() -> None:
    assert scatter([1, 1], [2, 2], [True, False], width=3, height=3) == ["   ", " o ", "   "]
