from __future__ import annotations

import typing

import pytest

from mnas_moo.spaces.operations import (
    OPERATIONS,
    Add,
    AveragePool,
    ChannelShuffle,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    Multiply,
    Operation,
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
        (Linear(10), [(16, 1, 1)], (10, 1, 1), 160 + 10, 160),
        (AveragePool(3, 2), [IMAGE], (16, 5, 4), 0, 0),
        (GlobalAveragePool(), [IMAGE], (16, 1, 1), 0, 0),
        (Add(), [IMAGE, IMAGE], IMAGE, 0, 0),
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
