from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest

from mnas_moo.spaces import network
from mnas_moo.spaces.fbnet import FBNetSpace
from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.mnasnet_flat import FlatMnasNetSpace
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.skeleton import SkeletonSpace, effective
from mnas_moo.spaces.skeleton_settings import PRESETS
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.spaces.conftest import MERGING, base_genome, draw

every_kind = pytest.mark.parametrize("kind", [MnasNetSpace, FlatMnasNetSpace, FBNetSpace])


@every_kind
@pytest.mark.parametrize("preset", [*PRESETS, "merging"])
def test_canonical_genomes_mean_the_same_network_and_are_fixed(kind: type[SkeletonSpace[Any]], preset: str) -> None:
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


@every_kind
@pytest.mark.parametrize("settings", [MERGING, {"preset": "digits"}])
def test_genomes_share_a_canonical_one_if_and_only_if_their_networks_are_equal(
    kind: type[SkeletonSpace[Any]], settings: dict[str, Any]
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


@every_kind
def test_random_networks_follow_the_generator(kind: type[SkeletonSpace[Any]]) -> None:
    space = kind(preset="digits")
    one, same, other = (space.random(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == same != other


@every_kind
def test_spaces_pickle_after_use(kind: type[SkeletonSpace[Any]]) -> None:
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


@every_kind
def test_covering_networks_hold_every_layer_of_random_ones(kind: type[SkeletonSpace[Any]]) -> None:
    space, rng = kind(blocks=2, preset="digits"), np.random.default_rng(0)
    held = {(i, layer) for spec in space.covering() for i, layer in enumerate(spec.canonical().layers)}
    layers = {layer for _, layer in held}
    for _ in range(100):
        assert {effective(layer) for layer in space.random(rng).layers} <= layers


@every_kind
@pytest.mark.parametrize("settings", [MERGING, {"preset": "digits"}])
def test_each_layer_has_a_place_that_has_its_filters(kind: type[SkeletonSpace[Any]], settings: dict[str, Any]) -> None:
    space, rng = kind(**settings), np.random.default_rng(0)
    for i in range(100):
        genome = draw(space, rng, few=i % 2 == 0)
        places, spec = space.places(genome), space.spec(genome)
        assert len(places) == len(spec.layers)
        numbers = [tuple(map(int, re.findall(r"\d+", place))) for place in places]
        assert numbers == sorted(set(numbers))
        for (block, position), layer in zip(numbers, spec.layers, strict=True):
            assert layer.stride == (space.settings.strides[block - 1] if position == 1 else 1)
            if kind is FBNetSpace:
                assert layer.out_channels == round_filters(space.settings.filters[block - 1] * space.settings.width)


def test_places_are_consecutive_in_the_factorised_space() -> None:
    space = MnasNetSpace(preset="digits", blocks=2)
    base = base_genome(space)
    assert space.places(base) == ("block1.layer1", "block2.layer1", "block2.layer2")
    changed = {**base, "block1.layers": -1, "block2.layers": 1}  # a block keeps one layer
    assert space.places(changed) == ("block1.layer1", *(f"block2.layer{i}" for i in (1, 2, 3)))


def test_places_have_gaps_where_layers_are_left_out() -> None:
    flat = FlatMnasNetSpace(preset="digits", blocks=2)
    base = {name: "mbconv3" if name.endswith("operation") else value for name, value in base_genome(flat).items()}
    genome = {**base, "block1.layer2.operation": "absent", "block2.layer2.operation": "absent"}
    assert flat.places(genome) == ("block1.layer1", "block2.layer1", "block2.layer3")
    fbnet = FBNetSpace(blocks=2)
    choices = ("skip", "skip", "skip", "k3_e1", "skip")  # the stride makes a convolution of the second
    assert fbnet.places(dict(zip(fbnet.distributions, choices, strict=True))) == ("block2.layer1", "block2.layer3")
    with pytest.raises(ValueError, match=r"'block1.layer1' is missing"):
        fbnet.places({})
