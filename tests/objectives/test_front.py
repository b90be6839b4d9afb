"""Fronts and hypervolume against known answers and another implementation."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from mnas_moo.objectives import front
from mnas_moo.objectives.front import hypervolume, pareto_mask, reference_point


def test_two_boxes_overlap_once() -> None:
    assert hypervolume([[1.0, 2.0], [2.0, 1.0]], [3.0, 3.0]) == 3.0


def test_directions_turn_maximised_objectives() -> None:
    assert hypervolume([[0.9, 10.0]], [0.4, 30.0], ["maximize", "minimize"]) == pytest.approx(10.0)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_random_points_agree_with_optuna(objectives: int) -> None:
    points = np.random.default_rng(objectives).random((60, objectives))
    reference = np.full(objectives, 0.9)
    inside = points[(points < reference).all(1)]
    assert hypervolume(points, reference) == pytest.approx(compute_hypervolume(inside, reference))


def test_no_points_and_points_beyond_the_reference_have_no_volume() -> None:
    assert hypervolume(np.zeros((0, 2)), [1.0, 1.0]) == 0.0
    assert hypervolume([[2.0, 0.0]], [1.0, 1.0]) == 0.0


def test_nan_and_wrong_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        hypervolume([[float("nan"), 0.0]], [1.0, 1.0])
    with pytest.raises(ValueError, match="minimize, maximize"):
        hypervolume([[0.0, 0.0]], [1.0, 1.0], ["up", "down"])


def test_duplicates_of_a_front_point_are_all_on_the_front() -> None:
    points = [[0.9, 10.0], [0.9, 10.0], [0.8, 12.0], [0.5, 5.0]]
    assert pareto_mask(points, ["maximize", "minimize"]).tolist() == [True, True, False, True]


def test_the_reference_point_lies_a_tenth_of_the_extent_beyond_the_front() -> None:
    assert reference_point([[0.0, 4.0], [10.0, 2.0]]) == pytest.approx([11.0, 4.2])
    assert reference_point([[5.0, 0.0]]) == pytest.approx([5.5, 0.1])


def test_the_reference_point_of_a_maximised_objective_lies_below_its_least_value() -> None:
    assert reference_point([[0.9, 10], [0.5, 50]], ["maximize", "minimize"]) == pytest.approx([0.46, 54])
    assert reference_point([[-5.0], [-5.0]], ["maximize"]) == pytest.approx([-5.5])


def test_no_points_place_no_reference_point() -> None:
    with pytest.raises(ValueError, match="placed by points, and there are none"):
        reference_point(np.zeros((0, 2)))


def test_doctests() -> None:
    failed, tried = doctest.testmod(front)
    assert (failed, tried > 0) == (0, True)
