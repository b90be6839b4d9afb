from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial

from mnas_moo.reports.picks import PICKS, picked, with_panacea

NAMES = ["accuracy", "latency_ms", "latency_ms@pixel"]
DIRECTIONS = ["maximize", "minimize", "minimize"]
VALUES = [(0.9, 9.0, 1.0), (0.8, 3.0, 7.0), (0.7, 2.0, 2.0), (0.6, 1.0, 6.0), (0.5, 8.0, 0.5)]


def front(values: list[tuple[float, ...]] = VALUES) -> list[FrozenTrial]:
    study = optuna.create_study(directions=DIRECTIONS[: len(values[0])])
    study.add_trials([optuna.create_trial(values=list(each)) for each in values])
    return study.trials


def found(pick: str) -> list[tuple[str, int]]:
    return [(choice.title, choice.trial.number) for choice in picked(pick, front(), NAMES, DIRECTIONS)]


def test_the_fastest_of_each_device_is_at_least_as_accurate_as_the_fronts_median() -> None:
    assert found("fastest") == [("fastest", 2), ("fastest on pixel", 0)]


def test_panacea_has_the_least_worst_rank() -> None:
    assert found("panacea") == [("panacea", 2)]
    choice = picked("panacea", front(), NAMES, DIRECTIONS)[0]
    assert "its worst rank is the least (3 in accuracy, 2 in " in choice.why


def test_the_most_accurate_and_the_knee_are_those_of_the_report() -> None:
    assert found("accurate") == [("most accurate", 0)]
    assert found("knee") == [("knee", 2)]


@pytest.mark.parametrize("pick", PICKS)
def test_an_empty_front_has_no_picks(pick: str) -> None:
    assert picked(pick, [], NAMES, DIRECTIONS) == []


@pytest.mark.parametrize(
    ("pick", "names", "message"),
    [
        ("fastest", ["accuracy", "parameters_m", "multiply_adds_m"], "needs an objective that is a latency"),
        ("accurate", ["error", "latency_ms", "x"], "needs the objective accuracy; there are: error"),
        ("best", NAMES, "there is no pick 'best'; allowed: fastest, accurate, knee, panacea"),
    ],
)
def test_a_pick_that_a_front_does_not_have_is_refused_in_one_line(pick: str, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        picked(pick, front(), names, DIRECTIONS)


def test_a_front_of_two_has_no_knee() -> None:
    with pytest.raises(ValueError, match="needs a front of 3 networks"):
        picked("knee", front(VALUES[:2]), NAMES, DIRECTIONS)


def test_panacea_is_a_choice_where_there_are_three_objectives_and_members() -> None:
    assert [choice.title for choice in with_panacea([], front(), NAMES, DIRECTIONS)] == ["panacea"]
    two = front([values[:2] for values in VALUES])
    assert with_panacea([], two, NAMES[:2], DIRECTIONS[:2]) == []
    assert with_panacea([], front(VALUES[:2]), NAMES, DIRECTIONS) == []
