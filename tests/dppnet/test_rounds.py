from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.dppnet import rounds
from mnas_moo.dppnet.rounds import Past, Problem
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import Record
from mnas_moo.spaces.growth import Growth

OPERATION = CategoricalDistribution([0, 1, 2])
LENGTH = ("length", IntDistribution(1, 3))
GROWTH = Growth(tuple({f"op{i}": OPERATION} for i in range(3)), {}, LENGTH, (1, 2, 3))
QUICK = ProgressiveSettings(k=4, fit_steps=5, hidden=4, embedding=2)


def problem(growth: Growth = GROWTH, **options: Any) -> Problem:
    return Problem(growth, (-1.0, 1.0), 0, QUICK, **options)


def past(one: Problem, number: int, params: dict[str, Any], values: tuple[float, float] | None) -> Past:
    record = Record(number, (), (), values, (), failed=values is None, whole=True, note={})
    return Past(record, params, one.name(params), one.growth.grown(params))


def first(one: Problem) -> list[Past]:
    return [past(one, i, {"length": 1, "op0": i}, (i / 3, 1.0 + i)) for i in range(3)]


def test_the_first_round_has_all_networks_of_one_step_or_k() -> None:
    assert rounds.size(problem(), 0, []) == 3
    assert sorted(c.params["op0"] for c in rounds.make(problem(), 0, []).candidates) == [0, 1, 2]
    real = Growth(({"x": FloatDistribution(0.0, 1.0)}, {"y": FloatDistribution(0.0, 1.0)}))
    assert rounds.size(problem(real), 0, []) == 4
    assert len(rounds.make(problem(real), 0, []).candidates) == 4


def test_every_parent_grows_in_all_ways_and_what_was_tried_does_not_come_again() -> None:
    one = problem()
    before = [*first(one), past(one, 3, {"length": 2, "op0": 0, "op1": 1}, None)]
    found = rounds.make(one, 1, before)
    assert found.steps == 2
    pairs = {(c.params["op0"], c.params["op1"]) for c in found.candidates}
    assert len(found.candidates) == len(pairs) == 8
    assert (0, 1) not in pairs
    assert all(c.predicted is not None for c in found.candidates)
    assert sum(c.source == "exploration" for c in found.candidates) == round(QUICK.exploration * QUICK.k)


def test_networks_that_failed_have_no_mutants() -> None:
    one = problem()
    before = [*first(one)[:2], past(one, 2, {"length": 1, "op0": 2}, None)]
    assert {c.params["op0"] for c in rounds.make(one, 1, before).candidates} == {0, 1}


def test_after_full_length_the_neighbours_of_the_front_follow() -> None:
    one = problem()
    params = {"length": 3, "op0": 1, "op1": 1, "op2": 1}
    before = [past(one, 0, params, (0.9, 1.0)), past(one, 1, {**params, "op2": 0}, (0.1, 2.0))]
    found = [c for c in rounds.make(one, 3, before).candidates if c.source == "neighbour"]
    away = [sum(c.params.get(name) != value for name, value in params.items()) for c in found]
    assert 1 in away
    assert {c.params["length"] for c in found} == {2, 3}


def test_computed_objectives_decide_without_a_prediction() -> None:
    one = problem(computed=lambda params: {0: float(params["op1"]), 1: 1.0 - params["op1"]})
    best = rounds.make(one, 1, first(one)).candidates[: QUICK.k - 1]
    assert all(c.params["op1"] == 2 for c in best[:3])
    assert all(c.predicted == (None, None) for c in best)


def test_a_round_that_has_no_more_is_followed_by_random_networks_and_then_by_all() -> None:
    one = problem()
    sources = [c.source for c in rounds.overflow(one, 1, 0, set())]
    assert sources == ["random"] * rounds.ATTEMPTS + ["walk"] * (3 + 9 + 27) + ["again"]


def test_parameters_of_a_single_value_are_no_part_of_a_name() -> None:
    growth = Growth(({"a": OPERATION, "b": CategoricalDistribution([7])},))
    assert problem(growth).name({"a": 1, "b": 7}) == problem(growth).name({"a": 1})
    assert np.isfinite(len(problem(growth, canonical=lambda p: p).name({"a": 1, "b": 7})))
