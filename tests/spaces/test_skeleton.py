from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mnas_moo.spaces import network
from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.mnasnet_flat import FlatMnasNetSpace
from mnas_moo.spaces.skeleton import PRESETS, Settings, SkeletonSpace, effective, nearest_preset
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.spaces.conftest import MERGING, base_genome, draw


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_leave_the_last_map_some_pixels(preset: str) -> None:
    space = MnasNetSpace(preset=preset)
    spec = space.random(np.random.default_rng(0))
    last = next(node for node in spec.nodes if node.name == "head")
    assert last.shape[1:] == {"imagenet": (7, 7), "cifar": (4, 4), "digits": (4, 4)}[preset]


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


def test_settings_reach_the_network() -> None:
    space = MnasNetSpace(
        resolution=48,
        channels=4,
        classes=7,
        width=0.5,
        filters=[32, 64],
        layers=[2, 3],
        strides=[1, 3],
        stem=64,
        stem_stride=4,
        head=0,
        activation="relu6",
        dropout=0,
        epsilon=1e-5,
    )
    spec = space.spec(base_genome(space))
    assert spec.input_shape == (4, 48, 48)
    assert (spec.stem.out_channels, spec.stem.stride) == (32, 4)
    assert [(len(b), b[0].stride, b[0].out_channels) for b in spec.blocks] == [(2, 1, 16), (3, 3, 32)]
    assert (spec.head, spec.classes, spec.dropout, spec.activation, spec.epsilon) == (0, 7, 0.0, "relu6", 1e-5)


def test_preset_follows_from_the_resolution() -> None:
    assert Settings.of() == Settings.of("imagenet") == PRESETS["imagenet"]
    assert Settings.of(resolution=12).strides == PRESETS["digits"].strides
    assert Settings.of(resolution=32) == PRESETS["cifar"]
    assert Settings.of(resolution=192).stem_stride == 2
    assert Settings.of("imagenet", resolution=32).stem_stride == 2


def test_blocks_keeps_the_first_of_the_preset() -> None:
    assert Settings.of("digits", blocks=3).strides == PRESETS["digits"].strides[:3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 0}, "setting 'resolution' is 0; it must be a whole number of at least 1"),
        ({"resolution": "big"}, "setting 'resolution' is 'big'"),
        ({"classes": 2.5}, "setting 'classes' is 2.5"),
        ({"channels": True}, "setting 'channels' is True"),
        ({"width": 0}, "setting 'width' is 0; it must be a number above 0"),
        ({"width": float("nan")}, "setting 'width' is nan"),
        ({"width": "half"}, "setting 'width' is 'half'"),
        ({"dropout": 1}, "setting 'dropout' is 1; it must be a number from 0 to below 1"),
        ({"activation": "rleu"}, "setting 'activation': 'rleu' is unknown; did you mean 'relu'"),
        ({"filters": [16, 24]}, "have 2, 7 and 7 values"),
        ({"filters": 16}, "setting 'filters' is 16; it must be a list"),
        ({"strides": [1, 2, 2, 2, 1, 0, 1]}, "setting 'strides' is 0"),
        ({"blocks": 9}, "'blocks' is 9, but 'filters' has 7 values"),
        ({"blocks": 0}, "setting 'blocks' is 0"),
        ({"preset": "imagnet"}, "preset 'imagnet' is unknown; did you mean 'imagenet'"),
        ({"widht": 1}, "setting 'widht' is unknown; did you mean 'width'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MnasNetSpace(**settings)


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


def test_the_nearest_preset_is_the_nearest_in_ratio() -> None:
    # The borders are the geometric means: sqrt(16 * 32) = 22.6 and sqrt(32 * 224) = 84.7.
    presets = [nearest_preset(pixels) for pixels in (1, 22, 23, 84, 85, 1000)]
    assert presets == ["digits", "digits", "cifar", "cifar", "imagenet", "imagenet"]
    with pytest.raises(ValueError, match="setting 'resolution' is 0"):
        nearest_preset(0)


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
