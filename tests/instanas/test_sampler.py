from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from mnas_moo.instanas.course import Point, Result
from mnas_moo.instanas.sampler import POINT, InstaNASSampler, points_of

DISTRIBUTIONS = {f"cell{i}": CategoricalDistribution(("a", "b", "none")) for i in (1, 2)}
POINTS = [
    Point(i, f"{i}.pt", 0.5 + i / 10, 1.0 + i, 0.4, 3, 0.5, usual)
    for i, usual in enumerate((["a", "b"], ["b", "none"]))
]


def study_of(calls: list[int]) -> optuna.Study:
    def search() -> Result:
        calls.append(1)
        return Result(POINTS, 1.0)

    return optuna.create_study(directions=["maximize", "minimize"], sampler=InstaNASSampler(search, DISTRIBUTIONS))


def ask(study: optuna.Study) -> tuple[optuna.Trial, list[str]]:
    trial = study.ask()
    return trial, [trial._suggest(name, each) for name, each in DISTRIBUTIONS.items()]


def test_trials_are_the_points_of_one_search_and_then_these_again() -> None:
    calls: list[int] = []
    study = study_of(calls)
    assert points_of(study) is None
    found = [ask(study)[1] for _ in range(3)]
    assert found == [["a", "b"], ["b", "none"], ["a", "b"]] and len(calls) == 1
    assert [trial.user_attrs[POINT] for trial in study.trials] == [0, 1, 0]
    study.sampler = InstaNASSampler(lambda: pytest.fail("searched again"), DISTRIBUTIONS)
    assert ask(study)[1] == ["b", "none"]


def test_the_point_of_a_failed_trial_is_taken_up_again() -> None:
    study = study_of([])
    trial, _ = ask(study)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert [ask(study)[1] for _ in range(2)] == [["a", "b"], ["b", "none"]]


def test_parameters_of_other_spaces_are_refused() -> None:
    trial, _ = ask(study_of([]))
    with pytest.raises(ValueError, match="InstaNAS searches 2 cells; 'x' is none of them"):
        trial.suggest_float("x", 0, 1)
