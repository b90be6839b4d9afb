from __future__ import annotations

import typing

import pytest

from mnas_moo.spaces.operations import (
    OPERATIONS,
    Activation,
    Add,
    AveragePool,
    ChannelShuffle,
    Concat,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Multiply,
    Operation,
    Shift,
    Widen,
    margins,
    windows,
)

IMAGE = (16, 9, 7)


@pytest.mark.parametrize(
    ("operation", "inputs", "shape", "parameters", "multiply_adds"),
    [
        # weights 3 * 3 * 16 * 32, and gamma and beta of 32 channels
        (Conv(32, 3, epsilon=1e-3), [IMAGE], (32, 9, 7), 4608 + 64, 4608 * 63),
        # a bias in the place of the norm
        (Conv(32, 3), [IMAGE], (32, 9, 7), 4608 + 32, 4608 * 63),
        # depthwise: 5 * 5 weights a channel; 9 and 7 pixels by 2 are 5 and 4, rounded up
        (Conv(16, 5, 2, 16, 1e-3), [IMAGE], (16, 5, 4), 400 + 32, 400 * 20),
        (Conv(32, 1, groups=4), [IMAGE], (32, 9, 7), 16 * 32 // 4 + 32, 128 * 63),
        # neither norm nor bias
        (Conv(16, 5, 2, 16, padding="same", bias=False), [IMAGE], (16, 5, 4), 400, 400 * 20),
        # without padding 9 and 7 pixels have 4 and 3 windows of 3 at stride 2
        (Conv(32, 3, 2, padding="valid"), [IMAGE], (32, 4, 3), 4608 + 32, 4608 * 12),
        (Linear(10), [(16, 1, 1)], (10, 1, 1), 160 + 10, 160),
        (AveragePool(3, 2), [IMAGE], (16, 5, 4), 0, 0),
        (MaxPool(3, 2), [IMAGE], (16, 5, 4), 0, 0),
        (MaxPool(2, 2, "valid"), [IMAGE], (16, 4, 3), 0, 0),
        (GlobalAveragePool(), [IMAGE], (16, 1, 1), 0, 0),
        (Add(), [IMAGE, IMAGE], IMAGE, 0, 0),
        (Concat(), [IMAGE, IMAGE, (4, 9, 7)], (36, 9, 7), 0, 0),
        (Activation("relu"), [IMAGE], IMAGE, 0, 0),
        (Shift(), [IMAGE], IMAGE, 0, 0),
        (Widen(20), [IMAGE], (20, 9, 7), 0, 0),
        (Multiply(), [IMAGE, (16, 1, 1)], IMAGE, 0, 0),
        (ChannelShuffle(4), [IMAGE], IMAGE, 0, 0),
        (Dropout(0.2), [IMAGE], IMAGE, 0, 0),
    ],
    ids=str,
)
def test_shapes_and_counts_are_those_worked_by_hand(
    operation: Operation,
    inputs: list[tuple[int, int, int]],
    shape: tuple[int, ...],
    parameters: int,
    multiply_adds: int,
) -> None:
    assert operation.output_shape(*inputs) == shape
    assert operation.parameters(*inputs) == parameters
    assert operation.multiply_adds(*inputs) == multiply_adds


def test_every_operation_is_listed() -> None:
    assert set(OPERATIONS) == set(typing.get_args(Operation))


def test_operations_of_equal_settings_are_equal() -> None:
    assert Conv(8, 3) == Conv(8, 3, stride=1)
    assert Conv(8, 3) != Conv(8, 3, epsilon=1e-3)
    assert len({Add(), Add(), Multiply(), Dropout(0.1), Dropout(0.2)}) == 4


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "zeros"),
    [
        (224, 3, 2, (0, 1)),  # TensorFlow's SAME: 112 windows reach 225 pixels
        (111, 5, 2, (2, 2)),
        (56, 7, 2, (2, 3)),
        (28, 5, 1, (2, 2)),
        (8, 1, 2, (0, 0)),  # the last window ends before the image does
    ],
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int, zeros: tuple[int, int]) -> None:
    assert margins((3, size, size), kernel, stride, "same") == (zeros, zeros)
    assert windows((3, size, size), kernel, stride, "same") == (-(-size // stride), -(-size // stride))


def test_an_unknown_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="padding is 'full'; allowed: centred, same, valid"):
        windows((3, 8, 8), 3, 1, "full")
