"""Tokens of every Optuna distribution."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.genomes.tokens import BINS, Decision

DISTRIBUTIONS = [
    CategoricalDistribution([3, "a", None, 0.5]),
    IntDistribution(-2, 5),
    IntDistribution(0, 10, step=5),
    IntDistribution(1, 1000),
    IntDistribution(1, 1000, log=True),
    IntDistribution(0, 3000, step=3),
    FloatDistribution(-1.0, 2.0),
    FloatDistribution(1e-7, 10.0, log=True),
    FloatDistribution(-10.2, 10.2, step=0.1),
    FloatDistribution(0.0, 1.0, step=0.25),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_value_of_a_token_has_that_token_and_is_in_the_distribution(distribution: BaseDistribution) -> None:
    decision = Decision("x", distribution)
    for token in range(decision.size):
        for u in (0.0, 0.3, 0.999999):
            value = decision.value(token, u)
            assert distribution._contains(distribution.to_internal_repr(value))
            assert decision.token(value) == token or not decision.exact
            assert abs(decision.token(value) - token) <= 1  # a float may land on the edge of its interval


@pytest.mark.parametrize("distribution", [IntDistribution(1, 1000), IntDistribution(1, 1000, log=True)], ids=str)
def test_every_integer_can_be_proposed(distribution: IntDistribution) -> None:
    decision = Decision("x", distribution)
    values = {decision.value(token, u) for token in range(decision.size) for u in np.linspace(0, 1, 999, False)}
    assert values == set(range(1, 1001))


def test_few_values_have_a_token_each() -> None:
    assert Decision("x", IntDistribution(0, 30)).exact
    assert [Decision("x", FloatDistribution(0, 1, step=0.25)).value(k, 0.9) for k in range(5)] == [
        0,
        0.25,
        0.5,
        0.75,
        1,
    ]


def test_many_values_share_intervals() -> None:
    decision = Decision("x", FloatDistribution(1e-4, 1.0, log=True))
    assert decision.size == BINS
    assert not decision.exact
    assert decision.token(1e-2) == BINS // 2  # half of the logarithmic scale


def test_decisions_are_equal_by_name_and_distribution() -> None:
    decision = Decision("x", CategoricalDistribution([1, 2]))
    assert decision == Decision("x", CategoricalDistribution([1, 2]))
    assert decision != Decision("y", CategoricalDistribution([1, 2]))
    assert decision != Decision("x", CategoricalDistribution([1, 3]))


def test_a_value_keeps_its_place_whatever_its_distribution() -> None:
    for distribution in DISTRIBUTIONS:
        decision = Decision("x", distribution)
        for token in range(decision.size):
            value = decision.value(token, 0.5)
            again = decision.at(decision.place(value))
            assert again == (pytest.approx(value) if decision.ordered and value else value), distribution


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_snapping_gives_the_place_of_a_value_and_changes_none(distribution: BaseDistribution) -> None:
    decision = Decision("x", distribution)
    places = np.linspace(0, 1, 50) if decision.ordered else np.arange(decision.size, dtype=float)
    snapped = decision.snap(places)
    assert snapped == pytest.approx([decision.place(decision.at(float(place))) for place in snapped])
    assert decision.snap(snapped) == pytest.approx(snapped)
    assert decision.snap(places.reshape(-1, 2)).shape == places.reshape(-1, 2).shape


def test_a_place_between_two_values_snaps_to_the_nearer_one() -> None:
    decision = Decision("x", IntDistribution(1, 4))  # at 1/8, 3/8, 5/8, 7/8
    assert decision.snap(np.array([0.0, 0.24, 0.26, 1.0])).tolist() == [0.125, 0.125, 0.375, 0.875]


def test_steps_of_a_category_are_all_others() -> None:
    decision = Decision("x", CategoricalDistribution(["a", "b", "c"]))
    assert decision.steps(1.0).tolist() == [0, 2]


@pytest.mark.parametrize("distribution", [IntDistribution(3, 11, step=2), IntDistribution(1, 1000, log=True)], ids=str)
def test_steps_of_a_whole_number_are_the_next_ones(distribution: IntDistribution) -> None:
    decision, step = Decision("x", distribution), distribution.step

    def neighbours(value: int) -> list[int]:
        return [decision.at(float(place)) for place in decision.steps(decision.place(value))]

    assert neighbours(7) == [7 - step, 7 + step]
    assert neighbours(distribution.low) == [distribution.low + step]
    assert neighbours(distribution.high) == [distribution.high - step]


def test_steps_of_a_continuous_number_stay_on_its_scale() -> None:
    decision = Decision("x", FloatDistribution(0.0, 10.0))
    assert decision.steps(0.5) == pytest.approx([0.48, 0.52])
    assert decision.steps(0.0) == pytest.approx([0.0, 0.02])
    assert decision.steps(1.0) == pytest.approx([0.98, 1.0])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_the_places_of_a_tokens_values_are_its_span(distribution: BaseDistribution) -> None:
    decision = Decision("x", distribution)
    assert decision.spans.shape == (decision.size, 2)
    for token, (low, high) in enumerate(decision.spans):
        assert decision.place(decision.value(token, 0.0)) == pytest.approx(low)
        assert decision.place(decision.value(token, 1 - 1e-12)) == pytest.approx(high)
    assert (np.diff(decision.spans[:, 0]) > 0).all()


def test_a_copied_decision_is_the_same_object() -> None:
    decision = Decision("x", IntDistribution(1, 2))
    assert copy.deepcopy({"x": decision})["x"] is decision


def test_equal_values_of_other_types_are_other_choices() -> None:
    decision = Decision("x", CategoricalDistribution([1, True, 1.0, "1"]))
    assert [decision.token(value) for value in (1, True, 1.0, "1")] == [0, 1, 2, 3]
