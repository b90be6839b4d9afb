from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.objectives.formats import litert, quantization
from mnas_moo.objectives.formats.quantization import of_range, of_weights
from mnas_moo.spaces.operations import Conv
from tests.objectives.formats.conftest import of_nodes, small


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 25.5, 0.1, -128),  # after a ReLU
        (-12.8, 12.7, 0.1, 0),
        (-25.5, 0.0, 0.1, 127),
        (5.0, 25.5, 0.1, -128),  # 0 becomes part of the range
        (-25.5, -5.0, 0.1, 127),
        (0.0, 0.0, 1.0, -128),  # nothing to tell apart
    ],
)
def test_a_range_gives_its_scale_and_zero_point(low: float, high: float, scale: float, zero_point: int) -> None:
    result = of_range(low, high)
    assert result.scales == pytest.approx((scale,), rel=1e-6)
    assert result.zero_point == zero_point


def test_the_ends_of_a_range_and_zero_are_representable() -> None:
    for low, high in np.random.default_rng(0).normal(0, 3, (100, 2)):
        result = of_range(low, high)
        (scale,) = result.scales
        assert scale * (-128 - result.zero_point) <= min(low, 0) + scale / 2 + 1e-9
        assert scale * (127 - result.zero_point) >= max(high, 0) - scale / 2 - 1e-9
        assert -128 <= result.zero_point <= 127


def test_each_output_channel_has_a_scale_of_its_own() -> None:
    weight = np.array([[1.27, -0.635], [0.0254, 0.0127]], np.float32)
    integers, bias, of_weight, of_bias = of_weights(weight, np.array([0.5, -0.25], np.float32), 0, 0.1)
    assert integers.tolist() == [[127, -64], [127, 64]]  # -63.5 and 63.5 round to even
    assert of_weight.scales == pytest.approx((0.01, 0.0002), rel=1e-6)
    assert of_bias.scales == pytest.approx((0.001, 0.00002), rel=1e-6)
    assert bias.tolist() == [500, -12500]
    assert (integers.dtype, bias.dtype) == (np.int8, np.int32)


def test_the_last_dimension_can_be_the_output_channels() -> None:
    weight = np.random.default_rng(0).normal(size=(1, 3, 3, 5)).astype(np.float32)
    integers, _, of_weight, _ = of_weights(weight, np.zeros(5, np.float32), 3, 0.1)
    assert len(of_weight.scales) == 5
    assert of_weight.axis == 3
    assert np.abs(integers * np.array(of_weight.scales) - weight).max() <= max(of_weight.scales) / 2 + 1e-6
    assert (np.abs(integers).max(axis=(0, 1, 2)) == 127).all()


def test_channels_without_weights_keep_their_bias() -> None:
    weight = np.array([[1.0], [0.0]], np.float32)
    integers, bias, of_weight, of_bias = of_weights(weight, np.array([0.0, 0.3], np.float32), 0, 0.02)
    assert integers.tolist() == [[127], [0]]
    assert bias[1] * of_bias.scales[1] == pytest.approx(0.3, rel=1e-4)
    assert of_weight.scales[1] > 0


def test_a_layer_of_zeros_is_quantised() -> None:
    integers, bias, of_weight, _ = of_weights(np.zeros((2, 3), np.float32), np.zeros(2, np.float32), 0, 0.02)
    assert not integers.any()
    assert not bias.any()
    assert all(scale > 0 for scale in of_weight.scales)


def test_a_large_bias_does_not_overflow() -> None:
    bias = np.array([1e6, -3.0], np.float32)
    _, integers, _, of_bias = of_weights(np.full((2, 3), 1e-6, np.float32), bias, 0, 1e-3)
    assert integers * np.array(of_bias.scales) == pytest.approx(bias, rel=1e-4)
    assert np.abs(integers.astype(np.int64)).max() < 1.001 * 2**30


def test_ranges_are_those_of_all_images() -> None:
    images = np.stack([np.full((12, 12, 3), value, np.float32) for value in (-2.0, 0.5, 3.0)])
    ranges = quantization.ranges_of(litert.write(small()), images)
    assert ranges["input"] == (-2, 3)
    assert ranges["stem.conv"][0] == 0  # after its ReLU
    assert set(ranges) >= {"input", "stem.conv", "head", "pool", "classifier"}


def test_scratch_memory_of_kernels_has_no_range() -> None:
    spec = of_nodes((4, 8, 8), (Conv(6, 3, groups=2), (-1,)))
    ranges = quantization.ranges_of(litert.write(spec), np.ones((1, 8, 8, 4), np.float32))
    assert set(ranges) == {"input", "node0", "node0.weight", "node0.bias"}


@pytest.mark.parametrize("shape", [(0, 12, 12, 3), (4, 3, 12, 12), (12, 12, 3)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"calibration has shape .* = \(1 or more, 12, 12, 3\)"):
        quantization.ranges_of(litert.write(small()), np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    images = np.zeros((3, 12, 12, 3), np.float32)
    images[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"calibration: input reaches .*; check the weights and images for NaN"):
        quantization.ranges_of(litert.write(small()), images)
