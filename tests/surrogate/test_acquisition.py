"""Gains in hypervolume."""

from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.objectives.front import hypervolume
from mnas_moo.surrogate.acquisition import exact_gain, expected_gain, orthant_volume, reach, unit_vectors


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_rays_are_positive_and_of_length_one(objectives: int) -> None:
    u = unit_vectors(np.random.default_rng(0), 50, objectives)
    assert (u > 0).all()
    assert np.linalg.norm(u, axis=1) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_mean_power_of_the_reach_is_the_hypervolume(objectives: int) -> None:
    rng = np.random.default_rng(1)
    front, reference = rng.random((20, objectives)), np.ones(objectives)
    u = unit_vectors(rng, 40_000, objectives)
    of_set = (np.maximum(reach(front, reference, u).max(axis=0), 0.0) ** objectives).mean()
    of_one = (np.maximum(reach(front[:1], reference, u).max(axis=0), 0.0) ** objectives).mean()
    exact = hypervolume(front, reference) / hypervolume(front[:1], reference)
    assert of_set / of_one == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_expected_gain_is_the_mean_over_what_may_be(objectives: int) -> None:
    rng = np.random.default_rng(2)
    front, reference = rng.random((5, objectives)), np.full(objectives, 1.2)
    mean, deviation = rng.random((4, objectives)), rng.uniform(0.05, 0.3, (4, objectives))
    u = unit_vectors(rng, 64, objectives)
    reached = np.maximum(reach(front, reference, u).max(axis=0), 0.0)
    draws = mean + deviation * rng.standard_normal((20_000, 4, objectives))
    sampled = np.maximum(np.maximum(reach(draws, reference, u), 0.0) ** objectives - reached**objectives, 0.0).mean(
        axis=(0, 2)
    )
    assert expected_gain(mean, deviation, front, reference, u) == pytest.approx(sampled, rel=0.1, abs=2e-3)


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_exact_gain_is_the_mean_growth_of_the_hypervolume(objectives: int) -> None:
    rng = np.random.default_rng(2)
    front, reference = rng.random((6, objectives)), np.full(objectives, 0.9)  # one or more lie beyond the reference
    mean, deviation = rng.random((4, objectives)), rng.uniform(0.05, 0.3, (4, objectives))
    draws = mean + deviation * rng.standard_normal((4000, 4, objectives))
    had = hypervolume(front, reference)
    grown = [[hypervolume(np.vstack([front, y]), reference) - had for y in draw] for draw in draws]
    found = exact_gain(mean, deviation, front, reference)
    assert found == pytest.approx(np.mean(grown, axis=0), rel=0.1, abs=5e-4)
    rays = unit_vectors(rng, 4000, objectives)
    by_rays = expected_gain(mean, deviation, front, reference, rays) * orthant_volume(objectives)
    assert found == pytest.approx(by_rays, rel=0.05, abs=1e-3)


@pytest.mark.parametrize("objectives", [1, 2])
def test_without_a_front_all_up_to_the_reference_is_gained(objectives: int) -> None:
    mean, sure = np.full((1, objectives), 0.5), np.full((1, objectives), 1e-9)
    for front in (np.empty((0, objectives)), np.full((1, objectives), 3.0)):
        assert exact_gain(mean, sure, front, np.ones(objectives)) == pytest.approx(0.5**objectives)


def test_a_certain_point_behind_the_front_gains_nothing_and_the_nearer_one_is_preferred() -> None:
    front = np.array([[0.0, 0.0]])
    mean, sure = np.array([[0.5, 0.5], [2.0, 2.0]]), np.full((2, 2), 1e-6)
    gain = expected_gain(mean, sure, front, np.ones(2), unit_vectors(np.random.default_rng(0), 16, 2))
    assert gain.max() < 1e-8
    assert gain[0] > gain[1]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_times_the_volume_of_the_orthant_a_certain_gain_is_what_the_hypervolume_grows_by(objectives: int) -> None:
    rng = np.random.default_rng(4)
    front, reference = 0.7 + rng.random((4, objectives)), np.full(objectives, 2.0)
    new = np.full((1, objectives), 0.6)
    grown = hypervolume(np.concatenate([front, new]), reference) - hypervolume(front, reference)
    gain = expected_gain(new, np.full_like(new, 1e-3), front, reference, unit_vectors(rng, 20_000, objectives))
    assert gain[0] * orthant_volume(objectives) == pytest.approx(grown, rel=0.03)
