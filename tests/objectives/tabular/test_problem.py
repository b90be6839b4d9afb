from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.objectives.tabular.problem import TabularProblem, judged

DISTRIBUTIONS = {
    "kind": CategoricalDistribution(["a", "b"]),
    "size": IntDistribution(2, 10, step=4),
    "rate": FloatDistribution(0.01, 1.0, log=True),
}


class Sizes:
    """Answers whose quantities are the size, and the rate or 0 where it does not exist."""

    quantities = ("size", "rate")
    fits = None

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        return name != "rate" or params["kind"] == "b"

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        return {"size": params["size"], "rate": params.get("rate", 0.0)}


def problem(**changes: Any) -> TabularProblem:
    settings: dict[str, Any] = {"directions": {"size": "maximize"}, "bounds": {"rate": (None, 0.5)}}
    return TabularProblem("sizes", DISTRIBUTIONS, answers=Sizes(), **(settings | changes))


def test_objectives_come_first_and_then_what_is_only_constrained() -> None:
    assert problem().quantities == ("size", "rate")
    assert problem(directions={"rate": "minimize", "size": "maximize"}).quantities == ("rate", "size")
    assert problem().measure({"kind": "b", "size": 6, "rate": 0.1}) == {"size": 6, "rate": 0.1}


def test_a_trial_is_asked_for_the_parameters_that_exist() -> None:
    table = problem()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(20)]
    assert all(table.suggest(trial) == trial.params for trial in trials)
    assert {tuple(trial.params) for trial in trials} == {("kind", "size"), ("kind", "size", "rate")}
    assert all(trial.distributions["size"] == DISTRIBUTIONS["size"] for trial in trials)


def test_random_points_are_of_the_space_and_cover_it() -> None:
    rng = np.random.default_rng(0)
    points = [problem().random(rng) for _ in range(300)]
    assert {point["size"] for point in points} == {2, 6, 10}
    assert all(("rate" in point) == (point["kind"] == "b") for point in points)
    rates = [point["rate"] for point in points if "rate" in point]
    assert min(rates) >= 0.01
    assert max(rates) <= 1.0
    assert 0.35 < np.mean(np.array(rates) < 0.1) < 0.65  # the middle of the logarithmic scale
    for point in points:
        problem().measure(point)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "a"}, "table sizes: parameter size is missing"),
        ({"kind": "a", "size": 6, "rate": 0.1}, "table sizes: parameter rate does not exist here"),
        ({"kind": "c", "size": 6}, r"table sizes: parameter kind is 'c'; allowed: Categorical.*'a', 'b'"),
        ({"kind": "a", "size": 5}, "table sizes: parameter size is 5; allowed: Int.*step=4"),
        ({"kind": "a", "size": "6"}, "table sizes: parameter size is '6'"),
        ({"kind": "b", "size": 6, "rate": 2.0}, "table sizes: parameter rate is 2.0"),
        ({"kind": "a", "sise": 6}, "table sizes: parameter 'sise' is unknown; did you mean 'size'?"),
    ],
)
def test_a_point_that_is_not_of_the_space_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem().measure(params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": {"sise": "maximize"}}, "table sizes: objective 'sise' is unknown; did you mean 'size'?"),
        ({"bounds": {"cost": (None, 1.0)}}, "table sizes: constraint 'cost' is unknown; allowed: size, rate"),
    ],
)
def test_what_the_table_does_not_know_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        problem(**changes)


def test_violations_say_by_how_much_each_bound_is_exceeded() -> None:
    table = problem(bounds={"rate": (None, 0.5), "size": (3.0, 8.0)})
    assert table.violations({"rate": 0.7, "size": 2.0}) == pytest.approx([0.2, -6.0, 1.0])
    assert problem(bounds={}).violations({"size": 2.0}) == []


def test_regret_is_the_share_of_the_best_hypervolume_that_is_missing() -> None:
    """Front (1, 3), (2, 1) in minimised units: reference (2.1, 3.2), hypervolume 1.1 x 0.2 + 0.1 x 2.0 = 0.42."""
    table = problem(directions={"size": "maximize", "rate": "minimize"})
    points = np.array([[1.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
    known = judged(table, points, points)
    assert known.reference_point == pytest.approx((-2.1, 3.2))
    assert known.best_hypervolume == pytest.approx(0.42)
    assert known.regret([[-1.0, 3.0], [-2.0, 1.0]]) == pytest.approx(0.0)
    assert known.regret([[-2.0, 1.0]]) == pytest.approx(1 - 0.22 / 0.42)
    assert known.regret([[-1.0, 3.3]]) == known.regret(np.empty((0, 2))) == 1.0


def test_with_one_objective_the_worst_point_is_where_regret_is_about_1() -> None:
    known = judged(problem(), np.array([[-10.0], [-6.0], [-2.0]]), np.array([[-10.0]]))
    assert known.reference_point == pytest.approx((1.2,))
    assert [known.regret([[size]]) for size in (10, 6, 2)] == pytest.approx([0.0, 4 / 8.8, 8 / 8.8])


def test_an_objective_that_never_changes_still_has_a_reference_point() -> None:
    known = judged(problem(), np.array([[3.0], [3.0]]), np.array([[3.0]]))
    assert known.best_hypervolume is not None and math.isclose(known.best_hypervolume, 1.1)


def test_without_a_best_front_there_is_no_regret() -> None:
    with pytest.raises(ValueError, match="table sizes has no known best front, hence no regret"):
        judged(problem(), np.array([[-2.0], [-6.0]]), None).regret([[6.0]])
    with pytest.raises(ValueError, match="no known point keeps the bounds"):
        judged(problem(), np.array([[-2.0], [-6.0]]), np.empty((0, 1)))


def test_a_failed_trial_among_the_points_adds_nothing() -> None:
    points = np.array([[-10.0], [-6.0], [-2.0]])
    known = judged(problem(), points, points)
    assert known.regret([[6.0], [math.nan]]) == known.regret([[6.0]])
