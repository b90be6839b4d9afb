from __future__ import annotations

import itertools
import math
from typing import Any

from mnas_moo.spaces import network
from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.spec import NetworkSpec
from tests.spaces.conftest import MERGING, base_genome


def test_a_block_has_432_choices_in_decision_order() -> None:
    distributions = MnasNetSpace().distributions
    sizes = {name: len(d.choices) for name, d in distributions.items()}  # type: ignore[attr-defined]
    assert list(sizes.items())[:7] == [
        ("block1.operation", 4),
        ("block1.kernel", 2),
        ("block1.se", 2),
        ("block1.skip", 3),
        ("block1.filters", 3),
        ("block1.layers", 3),
        ("block2.operation", 4),
    ]
    assert math.prod(sizes.values()) == 432**7


def test_base_choices_give_mobilenetv2() -> None:
    space = MnasNetSpace(activation="relu6", epsilon=1e-5)
    spec = space.spec({**base_genome(space), "block1.operation": "sepconv"})
    assert spec.canonical() == network("mobilenetv2").canonical()


def test_all_genomes_of_one_block() -> None:
    space = MnasNetSpace(blocks=1)
    networks: dict[NetworkSpec, set[tuple[Any, ...]]] = {}
    names = list(space.distributions)
    for values in itertools.product(*(d.choices for d in space._distributions.values())):
        genome = dict(zip(names, values, strict=True))
        canonical = tuple(space.canonical(genome).values())
        networks.setdefault(space.spec(genome).canonical(), set()).add(canonical)
    assert all(len(genomes) == 1 for genomes in networks.values())
    # 32 channels in; 12, 16 and 20 out round to 16, 16 and 24. One layer (-1 and 0): 4*2*2*2 without any skip;
    # two layers: three skips in the second, 4*2*2*2*3.
    assert len(networks) == 32 + 96


def test_layers_move_between_blocks_of_one_resolution() -> None:
    space = MnasNetSpace(**MERGING)
    base = base_genome(space)  # 8, 8, 8 filters; 1, 2, 1 layers
    one = {**base, "block2.layers": 1, "block3.layers": 0}
    other = {**base, "block2.layers": 0, "block3.layers": 1}
    assert space.spec(one).canonical() == space.spec(other).canonical()
    assert space.canonical(one) == space.canonical(other)


def test_choices_without_effect_are_spelt_one_way() -> None:
    space = MnasNetSpace()
    base = base_genome(space)
    canonical = space.canonical(base)
    assert canonical["block1.skip"] == "none"  # one layer, 32 to 16 channels
    assert canonical["block2.skip"] == "identity"  # its second layer adds its input
    assert space.canonical({**base, "block1.layers": -1}) == canonical  # a block has at least one layer
    assert space.canonical({**base, "block1.skip": "pooling"}) == canonical
    assert space.canonical({**base, "block1.filters": 0.75}) == canonical  # 12 is rounded to 16


def test_a_pooling_skip_holds_at_stride_two_where_channels_agree() -> None:
    space = MnasNetSpace(preset="digits")
    base = base_genome(space)
    pooled = space.spec({**base, "block2.skip": "pooling"})  # 8 to 8 channels, stride 2
    assert [layer.effective_skip for layer in pooled.layers[1:3]] == ["pooling", "pooling"]
    identity = space.spec(base)
    assert [layer.effective_skip for layer in identity.layers[1:3]] == ["none", "identity"]
