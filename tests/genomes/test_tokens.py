"""Tokens of every Optuna distribution."""

from __future__ import annotations

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
