from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mnas_moo.objectives.predictor.parts import REACHES, coordinates_of, likeness_of, octaves_apart, part_of, parts_of
from mnas_moo.spaces import network
from mnas_moo.spaces.operations import Add, ChannelShuffle, Conv, GlobalAveragePool, Linear, Operation
from tests.objectives.predictor.conftest import part

IMAGE = (16, 8, 8)


@pytest.mark.parametrize(
    ("operation", "shape", "kind"),
    [
        (Conv(32, 3), IMAGE, "conv"),
        (Conv(32, 1), IMAGE, "1x1 conv"),
        (Conv(32, 1), (16, 1, 1), "1x1 conv of one pixel"),
        (Conv(32, 1, activation="sigmoid"), (16, 1, 1), "1x1 conv of one pixel with sigmoid"),
        (Conv(16, 5, groups=16), IMAGE, "depthwise conv"),
        (Conv(16, 1, groups=4), IMAGE, "conv in 4 groups"),
        (ChannelShuffle(2), IMAGE, "ChannelShuffle"),
        (Conv(8, 3), (1, 8, 8), "conv"),  # one channel in one group is no depthwise convolution
        (Linear(10), (16, 1, 1), "Linear"),
        (GlobalAveragePool(), IMAGE, "GlobalAveragePool"),
    ],
)
def test_kinds_are_what_differs_in_its_kernel(operation: Operation, shape: tuple[int, int, int], kind: str) -> None:
    assert part_of(operation, (shape,)).kind == kind


def test_a_part_has_shapes_and_work_of_its_operation() -> None:
    found = part_of(Conv(32, 3, 2, epsilon=1e-3), (IMAGE,))
    weights = 9 * 16 * 32
    assert found == ("conv", 16, 32, 8, 8, 3, 2, weights * 16, 16 * 64 + 32 * 16, weights + 64)
    assert part_of(Add(), (IMAGE, IMAGE)).elements == 3 * 16 * 64
    assert found.shapes == "16 to 32 channels of 8x8 pixels, 3x3 at stride 2"
    assert part_of(Conv(32, 1), (IMAGE,)).shapes == "16 to 32 channels of 8x8 pixels"


def test_the_parts_of_a_network_are_counted_without_its_dropout() -> None:
    spec = network("mnasnet-a1")
    counted = parts_of(spec)
    assert sum(counted.values()) == len(spec.nodes) - 1
    assert sum(count * part.multiply_adds for part, count in counted.items()) == spec.multiply_adds
    assert counted == parts_of(dataclasses.replace(spec, dropout=0.0))
    assert max(counted.values()) > 1  # alike layers are one part


def test_coordinates_are_octaves() -> None:
    wide = part(in_channels=16, out_channels=32, height=4, width=16, kernel=5, stride=2)
    assert coordinates_of([wide]).tolist() == [[4.0, 5.0, 3.0, math.log2(5), 1.0]]
    assert coordinates_of([]).shape == (0, 5)


def test_likeness_is_1_for_the_same_and_the_mean_of_two_bells_apart() -> None:
    one, twice = coordinates_of([part()]), coordinates_of([part(out_channels=16)])
    assert likeness_of(one, one).item() == pytest.approx(1.0)
    reaches = REACHES[:, 1]  # along the channels out
    assert likeness_of(one, twice).item() == pytest.approx(np.exp(-0.5 / reaches**2).mean())
    many = coordinates_of([part(), part(kernel=3), part(channels=64)])
    assert np.linalg.eigvalsh(likeness_of(many, many)).min() > 0  # a covariance


def test_the_distance_is_the_largest_along_any_axis() -> None:
    a, b = coordinates_of([part()]), coordinates_of([part(channels=16), part(in_channels=16, stride=4)])
    assert octaves_apart(a, b).tolist() == [[1.0, 2.0]]
