from __future__ import annotations

import pytest

from mnas_moo.objectives.counts import COUNTS, Count
from mnas_moo.spaces import network


@pytest.mark.parametrize(("name", "value"), [("parameters_m", 3.887038), ("multiply_adds_m", 311.579072)])
def test_counts_of_mnasnet_a1_are_the_published_ones_in_millions(name: str, value: float) -> None:
    assert Count(name).measure(network("mnasnet-a1"), seed=0).value == value


def test_peak_memory_is_the_largest_pair_of_tensors_in_megabytes() -> None:
    # MobileNetV2 at 224: the strided depthwise convolution of the second block, 96 channels, float32
    assert Count("peak_memory_mb").measure(network("mobilenetv2"), seed=0).value == 4 * 96 * (112**2 + 56**2) / 1e6


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_minimised_and_need_no_closing(name: str) -> None:
    count = Count(name)
    assert (count.name, count.direction) == (name, "minimize")
    count.close()


def test_an_unknown_count_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'flops'; allowed: parameters_m, multiply_adds_m, peak_memory_mb"):
        Count("flops")
