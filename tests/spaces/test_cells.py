from __future__ import annotations

import pytest

from mnas_moo.spaces.cells import check, kernel_of, lower
from mnas_moo.spaces.operations import ChannelShuffle, Conv, Norm, Select
from mnas_moo.spaces.spec import NodeList


def lowered(*cell: str, channels: int = 16, new: int = 8) -> list[object]:
    graph = NodeList((channels, 8, 8))
    lower(graph, "cell", cell, -1, new, 4, 4, 1e-5)
    assert graph.shape(len(graph.nodes) - 1) == (new, 8, 8)
    return [node.operation for node in graph.nodes]


def test_a_norm_after_a_convolution_is_one_step_with_it() -> None:
    assert lowered("bnrelu", "conv1x1", "bnrelu", "conv3x3") == [
        Norm(1e-5, "relu"),
        Conv(32, 1, epsilon=1e-5, activation="relu", bias=False),
        Conv(8, 3, bias=False),
    ]


def test_a_learned_convolution_is_one_in_groups_after_a_selection_and_both_are_shuffled() -> None:
    group = [Conv(8, 1, groups=4, bias=False), ChannelShuffle(4)]
    assert lowered("identity", "group1x1") == group
    assert lowered("identity", "learned1x1") == [Select(16), *group]
    assert lowered("identity", "group3x3") == [Conv(8, 3, groups=4, bias=False)]


def test_widths_follow_the_last_convolution_that_mixes_channels() -> None:
    assert [op.out_channels for op in lowered("bn", "conv1x1", "bn", "depthwise3x3", "bn", "conv1x1")[1:]] == [
        32,
        32,
        8,
    ]  # type: ignore[attr-defined]
    assert lowered("identity", "depthwise3x3", "identity", "depthwise3x3") == [
        Conv(16, 3, groups=16, bias=False),
        Conv(8, 3, groups=8, bias=False),
    ]


def test_unknown_steps_and_empty_cells_are_refused() -> None:
    assert kernel_of(("bn", "conv1x1")) == 1
    with pytest.raises(ValueError, match="a cell's step 'conv5x5' is unknown"):
        check(("bn", "conv5x5"))
    with pytest.raises(ValueError, match="a cell has no steps"):
        check(())
