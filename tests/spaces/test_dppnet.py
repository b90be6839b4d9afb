"""DPP-Net's space: its sizes, what its cells are, and CondenseNet in it with the published counts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mnas_moo.spaces import network
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.operations import Activation, AveragePool, Conv, GlobalAveragePool, Linear, Norm
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import from_text, to_text

CONDENSENET = ("bnrelu", "learned1x1", "bnrelu", "group3x3")


def counted_as_condensenet(spec: NetworkSpec) -> int:
    """The "FLOPs" of the authors' code, which counts a ReLU's and a pool's inputs and a classifier's bias too."""
    total = spec.multiply_adds
    for node in spec.nodes:
        operation, elements = node.operation, math.prod(node.input_shapes[0])
        if isinstance(operation, Conv | Norm | Activation) and operation.activation == "relu":
            total += math.prod(node.shape)
        elif isinstance(operation, AveragePool | GlobalAveragePool):
            total += elements
        elif isinstance(operation, Linear):
            total += operation.out_features
    return total


@pytest.mark.parametrize(
    ("name", "preset", "parameters_m", "flops_m"),
    [("condensenet-86", "cifar", 0.52, 65.8), ("condensenet-74", "imagenet", 4.8, 529)],
)
def test_condensenets_are_members_with_the_published_counts(
    name: str, preset: str, parameters_m: float, flops_m: float
) -> None:
    spec, space = network(name), DppNetSpace(preset=preset)
    assert space.params(spec) == space.genome(CONDENSENET)
    assert space.spec(space.genome(CONDENSENET)) == spec
    assert spec.parameters / 1e6 == pytest.approx(parameters_m, rel=0.006)
    assert counted_as_condensenet(spec) / 1e6 == pytest.approx(flops_m, rel=0.002)
    assert from_text(to_text(spec)) == spec


def test_cells_of_four_layers_are_324_and_all_up_to_four_378() -> None:
    assert len(list(DppNetSpace(preset="digits", shortest=4).covering())) == 324
    assert len(set(DppNetSpace(preset="digits").covering())) == 378
    assert list(DppNetSpace(preset="digits", shortest=4).distributions) == [
        *("layer1.norm", "layer2.conv", "layer3.norm", "layer4.conv"),
    ]


def test_layers_beyond_the_length_and_a_last_norm_that_is_none_have_no_effect() -> None:
    space = DppNetSpace(preset="digits")
    genome = {**space.genome(("bn", "conv3x3")), "layer3.norm": "bn", "layer4.conv": "group1x1"}
    assert space.canonical(genome) == space.genome(("bn", "conv3x3"))
    ends = {**genome, "length": 3, "layer3.norm": "identity"}
    assert space.spec(ends) == space.spec(genome)
    assert space.canonical(ends) == space.canonical(genome) != space.canonical({**ends, "layer3.norm": "bn"})


def test_every_cell_reads_what_all_before_it_gave_and_adds_its_growth() -> None:
    space = DppNetSpace(preset="cifar", cells=[2, 1], growth=[8, 16])
    spec = space.spec(space.genome(CONDENSENET))
    assert [layer.out_channels for layer in spec.layers] == [24, 32, 48, 48]
    assert [layer.stride for layer in spec.layers] == [1, 1, 2, 1]
    shapes = [node.shape for node in spec.nodes if node.name.endswith("concat")]
    assert shapes == [(24, 32, 32), (32, 32, 32), (48, 16, 16)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": [2, 2]}, "settings 'cells' and 'growth' have 2 and 3 values"),
        ({"cells": 3}, "setting 'cells' is 3; it must be a list of one whole number a stage"),
        ({"groups": 1}, "setting 'groups' is 1; it must be a whole number of at least 2"),
        ({"shortest": 5}, "setting 'longest' is 4; it must be a whole number of at least 5"),
        ({"features": 1.5}, "setting 'features' is 1.5"),
        ({"layers": 4}, "setting 'layers' is unknown"),
        ({"preset": "20m"}, "preset '20m' is unknown"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DppNetSpace(**{"preset": "digits", **settings})


def test_what_is_no_cell_is_refused() -> None:
    space = DppNetSpace(preset="digits")
    with pytest.raises(ValueError, match="2 to 4 layers, not 5"):
        space.genome(("bn",) * 5)
    with pytest.raises(ValueError, match=r"layer2\.conv' is 'bn'"):
        space.genome(("bn", "bn"))
    with pytest.raises(ValueError, match="its layers differ"):
        space.params(DppNetSpace(preset="digits", expansion=2).spec(space.genome(CONDENSENET)))
