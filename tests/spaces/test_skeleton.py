from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mnas_moo.spaces import network
from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.mnasnet_flat import FlatMnasNetSpace
from mnas_moo.spaces.skeleton import SkeletonSpace, effective
from mnas_moo.spaces.skeleton_settings import PRESETS
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.spaces.conftest import MERGING, base_genome, draw


@pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace])
@pytest.mark.parametrize("preset", [*PRESETS, "merging"])
def test_canonical_genomes_mean_the_same_network_and_are_fixed(kind: type[SkeletonSpace], preset: str) -> None:
    space = kind(**MERGING) if preset == "merging" else kind(preset=preset)
    rng = np.random.default_rng(0)
    for i in range(300):
        genome = draw(space, rng, few=i % 2 == 0)
        canonical = space.canonical(genome)
        spec = space.spec(genome)
        assert list(canonical) == list(space.distributions)
        assert space.spec(canonical).canonical() == spec.canonical()
        assert space.canonical(canonical) == canonical
        assert space.params(spec) == space.params(spec.canonical()) == canonical


@pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace])
@pytest.mark.parametrize("settings", [MERGING, {"preset": "digits"}])
def test_genomes_share_a_canonical_one_if_and_only_if_their_networks_are_equal(
    kind: type[SkeletonSpace], settings: dict[str, Any]
) -> None:
    space, rng = kind(**settings), np.random.default_rng(1)
    network_of: dict[tuple[Any, ...], NetworkSpec] = {}
    genome_of: dict[NetworkSpec, tuple[Any, ...]] = {}
    n, genome = 4000, draw(space, rng, few=True)
    for i in range(n):
        if i % 2:  # a neighbour of the one before, which often is the same network
            name, distribution = list(space._distributions.items())[int(rng.integers(len(space._distributions)))]
            genome = {**genome, name: distribution.choices[int(rng.integers(len(distribution.choices)))]}
        else:
            genome = draw(space, rng, few=True)
        canonical, spec = tuple(space.canonical(genome).values()), space.spec(genome).canonical()
        assert network_of.setdefault(canonical, spec) == spec
        assert genome_of.setdefault(spec, canonical) == canonical
    assert len(network_of) == len(genome_of) < 0.9 * n


@pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace])
def test_random_networks_follow_the_generator(kind: type[SkeletonSpace]) -> None:
    space = kind(preset="digits")
    one, same, other = (space.random(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace])
def test_spaces_pickle_after_use(kind: type[SkeletonSpace]) -> None:
    space = kind(preset="digits", width=0.5)
    spec = space.random(np.random.default_rng(0))
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    assert again.params(spec) == space.params(spec)
    assert len(pickle.dumps(space)) < 2000


def test_distributions_are_a_copy() -> None:
    space = MnasNetSpace()
    space.distributions.clear()
    assert len(space.distributions) == 42


def test_wrong_parameters_are_named() -> None:
    space = MnasNetSpace()
    base = base_genome(space)
    with pytest.raises(ValueError, match=r"'block3.kernel' is 7; allowed: 3, 5"):
        space.spec({**base, "block3.kernel": 7})
    with pytest.raises(ValueError, match=r"'block3.se' is \[\]; allowed"):
        space.canonical({**base, "block3.se": []})
    with pytest.raises(ValueError, match=r"'block3.kernal' is unknown; did you mean 'block3.kernel'"):
        space.spec({**base, "block3.kernal": 3})
    with pytest.raises(ValueError, match=r"'block7.layers' is missing"):
        space.spec({name: value for name, value in base.items() if name != "block7.layers"})


def test_networks_outside_the_space_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no member of space mnasnet: .*block 5, from layer 11 on"):
        MnasNetSpace().params(network("mnasnet-a1"))  # 112 filters are on no grid
    with pytest.raises(ValueError, match="its classes is 10"):
        MnasNetSpace().params(network("mnasnet-a1", classes=10))


def test_an_effective_layer_has_no_skip_that_is_not_there() -> None:
    strided = Layer("mbconv", 8, 8, 3, 2, skip="identity")
    assert effective(strided).skip == "none"
    assert effective(strided) == effective(Layer("mbconv", 8, 8, 3, 2, skip="none"))
    assert effective(Layer("mbconv", 8, 8, 3, 2, skip="pooling")).skip == "pooling"


@pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace])
def test_covering_networks_hold_every_layer_of_random_ones(kind: type[SkeletonSpace]) -> None:
    space, rng = kind(blocks=2, preset="digits"), np.random.default_rng(0)
    held = {(i, layer) for spec in space.covering() for i, layer in enumerate(spec.canonical().layers)}
    layers = {layer for _, layer in held}
    for _ in range(100):
        assert {effective(layer) for layer in space.random(rng).layers} <= layers
