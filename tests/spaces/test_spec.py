from __future__ import annotations

import dataclasses
import pickle

import pytest

from mnas_moo.spaces import NetworkSpec, network
from mnas_moo.spaces.spec import Layer


def small(**changes: object) -> NetworkSpec:
    """A 4x4 image, a stem of 2 channels, one MBConv3 with changes."""
    layer = dataclasses.replace(Layer("mbconv", 2, 2, 3, expansion=3), **changes)  # type: ignore[arg-type]
    return NetworkSpec((1, 4, 4), Layer("conv", 1, 2, 3, skip="none"), (layer,), head=0, classes=3, dropout=0.0)


def test_peak_memory_holds_the_residual() -> None:
    # While the depthwise convolution runs: residual 2*16, its input 6*16, its output 6*16 = 224 floats.
    assert small().peak_memory_bytes == 4 * (32 + 96 + 96)


def test_peak_memory_without_skip_forgets_the_block_input() -> None:
    assert small(skip="none").peak_memory_bytes == 4 * (96 + 96)


def test_peak_memory_counts_the_gate() -> None:
    # While the gate scales: residual 32, depthwise output 96, gate 6, scaled 96.
    assert small(se_ratio=0.5).peak_memory_bytes == 4 * (32 + 96 + 6 + 96)


def test_peak_memory_of_a_pooling_skip_at_stride_two() -> None:
    # While the depthwise convolution runs: block input 32 (read by the pooling later), expanded 96, output 6*4.
    assert small(skip="pooling", stride=2).peak_memory_bytes == 4 * (32 + 96 + 24)


def test_counts_by_hand() -> None:
    spec = small(se_ratio=0.5)
    # stem, expand, depthwise, reduce 6->1, expand 1->6, project, classifier
    assert spec.parameters == (18 + 4) + (12 + 12) + (54 + 12) + (6 + 1) + (6 + 6) + (12 + 4) + (6 + 3)
    assert spec.multiply_adds == 16 * 18 + 16 * 12 + 16 * 54 + 6 + 6 + 16 * 12 + 6


def test_regular_convolution_is_one_node_and_its_gate() -> None:
    names = [node.name for node in small(operation="conv", expansion=1, se_ratio=0.5).nodes]
    assert names[1:6] == [f"layers.0.{part}" for part in ("conv", "se.pool", "se.reduce", "se.expand", "se.scale")]


def test_groups_are_those_of_both_1x1_convolutions_with_a_shuffle_between() -> None:
    spec = small(groups=2)
    kinds = [(node.name.removeprefix("layers.0."), getattr(node.operation, "groups", None)) for node in spec.nodes[1:6]]
    assert kinds == [("expand", 2), ("shuffle", 2), ("depthwise", 6), ("project", 2), ("add", None)]
    assert small().parameters - spec.parameters == 2 * (12 - 6)  # half the weights of each
    assert small().multiply_adds - spec.multiply_adds == 16 * 2 * (12 - 6)


def test_channels_are_shuffled_also_where_the_first_1x1_convolution_is_left_out() -> None:
    names = [node.name for node in small(groups=2, expansion=1).nodes[1:4]]
    assert names == ["layers.0.shuffle", "layers.0.depthwise", "layers.0.project"]


@pytest.mark.parametrize(
    ("skip", "stride", "out", "effective"),
    [
        ("identity", 1, 8, "identity"),
        ("identity", 2, 8, "none"),
        ("identity", 1, 16, "none"),
        ("pooling", 1, 8, "pooling"),
        ("pooling", 2, 8, "pooling"),
        ("pooling", 2, 16, "none"),
        ("none", 1, 8, "none"),
    ],
)
def test_a_skip_is_there_only_where_it_fits(skip: str, stride: int, out: int, effective: str) -> None:
    assert Layer("mbconv", 8, out, 3, stride, skip=skip).effective_skip == effective


def test_canonical_networks_are_equal_whatever_absent_skip_was_declared() -> None:
    assert small(stride=2) != small(stride=2, skip="none")
    assert small(stride=2).canonical() == small(stride=2, skip="none").canonical()
    assert small().canonical() != small(skip="pooling").canonical()


def test_name_is_no_part_of_equality() -> None:
    assert dataclasses.replace(small(), name="x") == small()


def test_blocks_and_stages_of_a1() -> None:
    spec = network("mnasnet-a1")
    assert [len(block) for block in spec.blocks] == [1, 2, 3, 4, 2, 3, 1]
    assert [len(stage) for stage in spec.stages] == [1, 1, 1, 2, 2]


def test_a_layer_is_no_part_of_a_block_of_groups_that_do_not_divide_its_channels() -> None:
    stem = Layer("conv", 1, 14, 3, skip="none")
    spec = NetworkSpec((1, 4, 4), stem, (Layer("mbconv", 14, 7, 3, groups=7), Layer("mbconv", 7, 15, 3)), 0, 3)
    assert [len(block) for block in spec.blocks] == [1, 1]


def test_a_spec_pickles_after_use() -> None:
    spec = network("mnasnet-a1")
    assert pickle.loads(pickle.dumps(spec)).multiply_adds == spec.multiply_adds


def test_layers_must_follow_each_other() -> None:
    with pytest.raises(ValueError, match="layer 0 takes 3 channels, but the one before it gives 2"):
        small(in_channels=3)


@pytest.mark.parametrize(
    "changes", [{"classes": 0}, {"dropout": 1.0}, {"epsilon": 0.0}, {"activation": "swish"}, {"input_shape": (1, 4)}]
)
def test_wrong_networks_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        dataclasses.replace(small(), **changes)  # type: ignore[arg-type]
