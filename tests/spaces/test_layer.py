from __future__ import annotations

import dataclasses

import pytest

from mnas_moo.spaces.layer import OPERATIONS, Layer
from mnas_moo.spaces.spec import LAYERS

LAYER = Layer("mbconv", 2, 2, 3, expansion=3)


def test_every_kind_of_layer_can_be_lowered() -> None:
    assert tuple(LAYERS) == OPERATIONS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operation": "pool"}, "operation is 'pool'; allowed: conv, bare, basic, mbconv, cell"),
        ({"skip": "dense"}, "skip 'dense'; only a cell has steps or a dense skip"),
        ({"skip": "sparse"}, "skip is 'sparse'; allowed: identity, pooling, dense, none"),
        ({"kernel": 4}, "kernel is 4; it must be odd"),
        ({"stride": 0}, "stride is 0; it must be at least 1"),
        ({"operation": "conv"}, "expansion is 3; a conv has none"),
        ({"operation": "conv", "expansion": 1, "groups": 2}, "groups is 2; a conv has none"),
        ({"groups": 0}, "groups is 0; it must divide"),
        ({"groups": 4}, "groups is 4; it must divide in_channels 2 and out_channels 2"),
        ({"groups": 2, "out_channels": 3}, "groups is 2; it must divide in_channels 2 and out_channels 3"),
        ({"se_ratio": 1.5}, "se_ratio is 1.5"),
    ],
)
def test_wrong_layers_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(LAYER, **changes)  # type: ignore[arg-type]


def test_layers_beside_each_other_are_added_and_must_fit() -> None:
    both = dataclasses.replace(LAYER, beside=(Layer("basic", 2, 2, 3, skip="identity"),))
    assert [layer.operation for layer in both.modules] == ["mbconv", "basic"]
    with pytest.raises(ValueError, match="a layer beside has stride 2; it must have 1"):
        dataclasses.replace(LAYER, beside=(dataclasses.replace(LAYER, stride=2),))
    with pytest.raises(ValueError, match="has layers beside it; name all of them beside the first"):
        dataclasses.replace(LAYER, beside=(both,))
