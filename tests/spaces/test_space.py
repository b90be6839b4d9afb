"""The contract of ``Space``, held by every space of ``SPACES``."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mnas_moo.spaces import SPACES, Space, get, network


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return get(request.param, resolution=16, classes=3, channels=1)


def test_settings_reach_the_networks(space: Space) -> None:
    spec = space.random(np.random.default_rng(0))
    assert spec.input_shape == (1, 16, 16)
    assert spec.classes == 3


def test_a_genome_has_every_parameter_in_decision_order(space: Space) -> None:
    genome = space.params(space.random(np.random.default_rng(0)))
    assert list(genome) == list(space.distributions)
    for name, distribution in space.distributions.items():
        assert distribution._contains(distribution.to_internal_repr(genome[name]))


def test_the_genome_of_a_network_gives_that_network(space: Space) -> None:
    rng = np.random.default_rng(1)
    for spec in (space.random(rng) for _ in range(20)):
        genome = space.params(spec)
        assert space.spec(genome).canonical() == spec.canonical()
        assert space.canonical(genome) == genome


def test_what_is_no_genome_and_no_member_is_refused(space: Space) -> None:
    with pytest.raises(ValueError, match="is missing"):
        space.spec({})
    with pytest.raises(ValueError, match=f"no member of space {space.name}"):
        space.params(network("mnasnet-a1"))


def test_a_space_can_be_sent_to_another_process(space: Space) -> None:
    again = pickle.loads(pickle.dumps(space))
    assert again.name == space.name
    assert again.distributions == space.distributions


def test_covering_networks_are_members(space: Space) -> None:
    networks = list(space.covering())
    assert 0 < len(networks) < 1000
    for spec in networks[::100]:
        assert space.spec(space.params(spec)).canonical() == spec.canonical()
