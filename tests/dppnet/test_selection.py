from __future__ import annotations

import numpy as np
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from mnas_moo.dppnet.selection import crowding_distance, order


def test_the_crowding_distance_is_that_of_pymoo() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(9))
    values = np.column_stack([x, (1 - x) ** 2, rng.random(9)])
    assert np.allclose(crowding_distance(values), calc_crowding_distance(values) * 3)  # pymoo's is a mean


def test_fronts_come_one_after_the_other_and_infeasible_networks_last() -> None:
    values = np.array([[2.0, 2.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    assert order(values, np.array([0.0, 0.0, 2.0, 1.0])).tolist() == [1, 0, 3, 2]


def test_known_networks_dominate_and_crowd_new_ones() -> None:
    values = np.array([[1.0, 1.0], [0.0, 3.0]])
    assert order(values, np.zeros(2)).tolist() == [0, 1]
    assert order(values, np.zeros(2), known=np.array([[0.5, 0.5]])).tolist() == [1, 0]
