"""Rank correlation against scipy's, and the interval of a median against the binomial distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mnas_moo.objectives.statistics import kendall_tau, median_interval

stats = pytest.importorskip("scipy.stats", reason="the reference")


def test_it_is_kendalls_tau_b_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        one, other = rng.integers(0, 6, (2, 30)).astype(float)
        assert kendall_tau(one, one + other) == pytest.approx(stats.kendalltau(one, one + other).statistic)


def test_equal_values_have_no_order() -> None:
    assert math.isnan(kendall_tau(np.ones(3), np.arange(3.0)))


def test_median_interval_has_the_ranks_of_the_binomial() -> None:
    # n = 100: ranks 50 ± 9.8, from 0: 40 and 59, covering 0.954 of Binomial(100, 1/2)
    assert median_interval([*range(99, -1, -1)]) == (49.5, 40, 59)
    assert median_interval([3.0]) == (3, 3, 3)
    assert median_interval([4.0, 2.0, 3.0]) == (3, 2, 4)
