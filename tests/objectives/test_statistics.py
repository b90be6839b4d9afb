"""Rank correlation against scipy's."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from mnas_moo.objectives import statistics
from mnas_moo.objectives.statistics import kendall_tau

stats = pytest.importorskip("scipy.stats", reason="the reference")


def test_doctests() -> None:
    failed, tried = doctest.testmod(statistics)
    assert tried > 0
    assert failed == 0


def test_it_is_kendalls_tau_b_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        one, other = rng.integers(0, 6, (2, 30)).astype(float)
        assert kendall_tau(one, one + other) == pytest.approx(stats.kendalltau(one, one + other).statistic)


def test_equal_values_have_no_order() -> None:
    assert math.isnan(kendall_tau(np.ones(3), np.arange(3.0)))
