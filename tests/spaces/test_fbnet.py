"""FBNet's space: what its nine candidates are, what a skip is where, and the published networks in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnas_moo.spaces import NETWORKS, network
from mnas_moo.spaces.fbnet import CHOICES, FBNetSpace
from mnas_moo.spaces.fragment import distinct_fragments, fragments
from mnas_moo.spaces.spec import Layer

FBNET_A = (
    *("skip", "k3_e3", "k3_e1", "skip", "skip", "k5_e6", "k3_e3", "k5_e1", "k3_e3", "k5_e6", "k5_e3", "k5_e1_g2"),
    *("k5_e6", "k3_e6", "k5_e1_g2", "k5_e3", "k3_e1_g2", "k5_e6", "k5_e6", "k5_e3", "k5_e6", "k5_e6"),
)


def genome(space: FBNetSpace, choice: str = "k3_e1", **changes: str) -> dict[str, Any]:
    return {**dict.fromkeys(space.distributions, choice), **{k.replace("__", "."): v for k, v in changes.items()}}


def test_each_of_22_layers_has_nine_candidates_in_the_published_order() -> None:
    space = FBNetSpace()
    assert [len(d.choices) for d in space._distributions.values()] == [9] * 22
    assert next(iter(space._distributions.values())).choices == (
        *("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"),
    )
    names = list(space.distributions)
    assert names[0] == "block1.layer1" and names[1:5] == [f"block2.layer{i}" for i in range(1, 5)]
    assert names[-1] == "block7.layer1"


def test_candidates_are_inverted_bottlenecks_of_their_names() -> None:
    space = FBNetSpace()
    spec = space.spec(genome(space, block2__layer1="k5_e1_g2", block2__layer2="k3_e6"))
    assert spec.layers[1:3] == (
        Layer("mbconv", 16, 24, 5, 2, groups=2),
        Layer("mbconv", 24, 24, 3, expansion=6),
    )
    assert [layer.stride for layer in spec.layers if layer.stride > 1] == [2, 2, 2, 2]
    assert (spec.stem, spec.head, spec.epsilon, spec.activation, spec.dropout) == (
        *(Layer("conv", 3, 16, 3, 2, skip="none"), 1984, 1e-5, "relu", 0.2),
    )


def test_a_skip_is_no_layer_or_where_the_shape_changes_a_1x1_convolution() -> None:
    space = FBNetSpace()
    skips = space.spec(genome(space, "skip"))
    assert skips.layers == (
        Layer("conv", 16, 24, 1, 2, skip="none"),
        Layer("conv", 24, 32, 1, 2, skip="none"),
        Layer("conv", 32, 64, 1, 2, skip="none"),
        Layer("conv", 64, 112, 1, skip="none"),
        Layer("conv", 112, 184, 1, 2, skip="none"),
        Layer("conv", 184, 352, 1, skip="none"),
    )
    conv = next(node for node in skips.nodes if node.name == "layers.0.conv").operation
    assert (conv.activation, conv.epsilon) == ("relu", 1e-5)  # type: ignore[union-attr]


def test_skips_that_are_no_layer_stand_last_in_their_block() -> None:
    space = FBNetSpace()
    middle = genome(space, "k3_e3", block2__layer2="skip", block2__layer3="k5_e6", block2__layer4="skip")
    assert space.canonical(middle) == genome(
        space, "k3_e3", block2__layer2="k5_e6", block2__layer3="skip", block2__layer4="skip"
    )
    first = genome(space, "k3_e3", block2__layer1="skip")  # a convolution: it stays
    assert space.canonical(first) == first


def test_a_space_may_have_networks_without_layers() -> None:
    space = FBNetSpace(preset="digits", blocks=1)
    spec = space.spec({"block1.layer1": "skip"})
    assert spec.layers == ()
    assert space.params(spec) == {"block1.layer1": "skip"}


@pytest.mark.parametrize("width", [1.0, 0.35])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("fbnet-")])
def test_the_published_networks_are_members(name: str, width: float) -> None:
    space = FBNetSpace(width=width, head=1504 if name == "fbnet-a" else 1984)
    spec = network(name, width=width)
    params = space.params(spec)
    assert space.spec(params) == spec
    if name == "fbnet-a":
        given = dict(zip(space.distributions, FBNET_A, strict=True))
        assert space.spec(given) == spec
        assert params == given  # its skips stand last already


def test_a_network_of_another_head_is_no_member() -> None:
    with pytest.raises(ValueError, match="no member of space fbnet: its head is 1504, the space's 1984"):
        FBNetSpace().params(network("fbnet-a"))


def test_the_covering_networks_have_all_fragments_of_random_ones_skips_included() -> None:
    space, rng = FBNetSpace(preset="cifar"), np.random.default_rng(0)
    covering = list(space.covering())
    assert len(covering) == 9
    parts = distinct_fragments(covering)
    assert {"conv k1 s2 32x32x24-16x16x32 relu", "conv k1 s1 4x4x184-4x4x352 relu", "add 16x16x32"} <= set(parts)
    for _ in range(50):
        for part in fragments(space.random(rng)):
            assert parts[part.name] == part


def test_wrong_choices_and_settings_are_named() -> None:
    space = FBNetSpace()
    with pytest.raises(ValueError, match=r"parameter 'block3.layer2' is 'k7_e1'; allowed: 'k3_e1', 'k3_e1_g2'"):
        space.spec(genome(space, block3__layer2="k7_e1"))
    with pytest.raises(ValueError, match="setting 'filter_factors' is unknown"):
        FBNetSpace(filter_factors=[0.5, 1.0])
    assert CHOICES[-1] == "skip"
