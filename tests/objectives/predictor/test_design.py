from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mnas_moo.objectives.predictor import design as module
from mnas_moo.objectives.predictor.design import KINDS_OF_WORK, Design
from mnas_moo.objectives.predictor.parts import coordinates_of, likeness_of
from mnas_moo.objectives.predictor.process import Matrices
from tests.objectives.predictor.conftest import part

SMALL, WIDE, OTHER = part(), part(channels=16, multiply_adds=3), part("add", multiply_adds=0, parameters=0)
NETWORKS = [Counter({SMALL: 2, OTHER: 1}), Counter({SMALL: 1, WIDE: 1})]
SCALES = np.log([0.9, 0.4, 0.03])


def test_an_average_network_has_a_quarter_of_each_kind_of_work() -> None:
    design = Design(NETWORKS)
    sums = sum(kind.sums for kind in design.kinds.values())
    assert np.mean(sums, axis=0).tolist() == pytest.approx([1 / KINDS_OF_WORK] * KINDS_OF_WORK)


def test_parts_are_sorted_by_kind_and_counted_by_network() -> None:
    design = Design(NETWORKS)
    assert {name: kind.parts for name, kind in design.kinds.items()} == {"conv": [SMALL, WIDE], "add": [OTHER]}
    small, wide = design.kinds["conv"].weights.T
    assert small[0] == pytest.approx(2 * small[1])
    assert wide[0] == 0 < wide[1]
    for kind in design.kinds.values():
        assert kind.weights.sum(axis=1).tolist() == pytest.approx(kind.sums.sum(axis=1).tolist())


def test_a_part_is_compared_with_the_nearest_of_its_kind() -> None:
    design = Design(NETWORKS)
    near = design.compare(part(channels=12))
    assert near.nearest == WIDE
    assert near.distance == pytest.approx(np.log2(16 / 12))
    expected = likeness_of(coordinates_of([part(channels=12)]), design.kinds["conv"].coordinates)
    assert near.likeness.tolist() == expected[0].tolist()
    unknown = design.compare(part("pool"))
    assert (unknown.nearest, unknown.distance, len(unknown.likeness)) == (None, 1.0, 0)
    assert design.compare(part(channels=1024)).distance == 1.0  # never more


def test_what_is_compared_is_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    design = Design(NETWORKS)
    first = design.compare(SMALL)
    assert design.compare(SMALL) is first
    for channels in (3, 5, 7):
        design.compare(part(channels=channels))
    assert design.compare(SMALL) is not first
    assert design.compare(SMALL).work.tolist() == first.work.tolist()


def test_covariances_of_a_fitted_network_are_those_among_the_fitted() -> None:
    """Two ways to the same numbers: ``cross`` sums over a network's parts, ``Matrices`` over all fitted parts."""
    design = Design(NETWORKS)
    matrices = Matrices(design)
    both = np.arange(2)
    means, variances, covariances = matrices.among(both, both, SCALES)
    for i, network in enumerate(NETWORKS):
        mean, variance, covariance = design.cross(network, SCALES)
        assert mean[0] == pytest.approx(means[i])
        assert variance[0] == pytest.approx(variances[i])
        assert covariance[0].tolist() == pytest.approx(covariances[i].tolist())


def test_a_network_of_unknown_kinds_has_no_covariance_with_the_fitted() -> None:
    _, variance, covariance = Design(NETWORKS).cross(Counter({part("pool"): 3}), SCALES)
    assert variance[0] > 0
    assert covariance.tolist() == [[0.0, 0.0]]


def test_distances_are_weighted_by_work() -> None:
    design = Design(NETWORKS)
    one, other = np.array([0]), np.array([1])
    assert design.distances(one, one).tolist() == [0.0]
    wide = design.compare(WIDE).work.sum()
    total = design.compare(SMALL).work.sum() + wide
    assert design.distances(other, one).tolist() == pytest.approx([1.0 * wide / total])  # an octave from 8 channels
