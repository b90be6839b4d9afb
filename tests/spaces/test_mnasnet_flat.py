from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnas_moo.spaces.mnasnet import MnasNetSpace
from mnas_moo.spaces.mnasnet_flat import FlatMnasNetSpace


def genome(space: FlatMnasNetSpace, **changes: Any) -> dict[str, Any]:
    own = {"operation": "mbconv6", "kernel": 3, "se": 0.0, "skip": "identity", "filters": 1.0}
    base = {name: own[name.split(".")[-1]] for name in space.distributions}
    return {**base, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_all_but_a_blocks_first_layer_may_be_absent() -> None:
    space = FlatMnasNetSpace()
    operations = {name: d.choices for name, d in space._distributions.items() if name.endswith("operation")}
    assert len(operations) == 17 + 7  # MobileNetV2's layers, and one more a block
    assert {name for name, choices in operations.items() if "absent" not in choices} == {
        f"block{block}.layer1.operation" for block in range(1, 8)
    }


@pytest.mark.parametrize("preset", ["imagenet", "digits"])
def test_it_holds_the_factorised_space(preset: str) -> None:
    rng, flat = np.random.default_rng(0), FlatMnasNetSpace(preset=preset)
    for _ in range(100):
        spec = MnasNetSpace(preset=preset).random(rng)
        assert flat.spec(flat.params(spec)).canonical() == spec.canonical()


def test_parameters_of_absent_layers_and_their_places_mean_nothing() -> None:
    space = FlatMnasNetSpace()
    middle = genome(space, block3__layer2__operation="absent", block3__layer3__kernel=5, block3__layer4__kernel=5)
    last = genome(space, block3__layer4__operation="absent", block3__layer2__kernel=5, block3__layer3__kernel=5)
    assert space.canonical(middle) == space.canonical(last)
    assert space.canonical({**middle, "block3.layer2.skip": "pooling", "block3.layer2.filters": 1.25}) == (
        space.canonical(last)
    )
    assert space.canonical(last)["block3.layer4.operation"] == "absent"


def test_layers_of_a_block_choose_for_themselves() -> None:
    space = FlatMnasNetSpace(blocks=2)
    spec = space.spec(
        genome(space, block2__layer2__operation="conv", block2__layer2__filters=1.25, block2__layer3__se=0.25)
    )
    assert [(x.operation, x.in_channels, x.out_channels, x.stride, x.se_ratio) for x in spec.layers[2:]] == [
        ("mbconv", 16, 24, 2, 0.0),
        ("conv", 24, 32, 1, 0.0),
        ("mbconv", 32, 24, 1, 0.25),
    ]
