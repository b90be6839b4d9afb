"""When a time is good enough: repeats, and a reference network that tells whether the phone is as fast as it was.

A phone's speed changes in steps between processes (where memory landed, what clock the core got) and slowly with its
heat. So whole invocations are repeated, not only runs, until the median of the invocations is known to a stated
width; and one fixed network is timed before and after what is measured: if it took another time, so did everything
between, which is measured again. A phone that stays somewhat slower than at its best has settled there, as a warm one
does: its times are multiplied by its speed, the reference network's best time over its time now. That is ours, and
right as far as all networks slow down alike. The bound of 5 % is MLPerf Mobile's: results submitted must be reproduced
within it (Janapa Reddi et al. 2022, "MLPerf Mobile Inference Benchmark").
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.statistics import median_interval
from mnas_moo.spaces.spec import Layer, NetworkSpec

INVOCATIONS = 5
"""Fewest invocations of benchmark_model for a network; the interval of fewer is too wide to be of use."""

REFERENCE_INVOCATIONS = 3
"""Fewest invocations for the reference network, which is compared with itself to a few per cent only."""

CHECK_SECONDS = 30.0
"""For so long a time of the reference network still serves before the next one, if no other study had the phone."""

REFERENCE = NetworkSpec(
    input_shape=(3, 160, 160),
    stem=Layer("conv", 3, 16, kernel=3, stride=2),
    layers=(
        Layer("mbconv", 16, 24, kernel=3, stride=2, expansion=4),
        Layer("mbconv", 24, 24, kernel=3, expansion=4),
        Layer("mbconv", 24, 48, kernel=5, stride=2, expansion=4, se_ratio=0.25),
        Layer("mbconv", 48, 48, kernel=5, expansion=4, se_ratio=0.25),
    ),
    head=256,
    classes=100,
    name="reference",
)
"""The network whose time stands for the phone's speed: all kinds of layers of the spaces, some ms on a big core."""


@functools.cache
def reference_model() -> bytes:
    """``REFERENCE`` as a .tflite file."""
    return litert.write(REFERENCE)


def half_width(times: Sequence[float]) -> float:
    """Half the 95 % confidence interval of the median of invocations; one or two of eight do not move it."""
    _, low, high = median_interval(times)
    return (high - low) / 2


def enough(times: Sequence[float], fewest: int, precision: float, seconds: float, maximum_seconds: float) -> bool:
    """Whether the median of ``times`` is known well enough, or the time for it is up.

    Args:
        times: times of the invocations so far.
        fewest: fewest invocations in any case.
        precision: share of the median that half the interval may be at most.
        seconds: seconds they took.
        maximum_seconds: seconds they may take.
    """
    if len(times) < fewest:
        return False
    return seconds >= maximum_seconds or half_width(times) <= precision * statistics.median(times)


def drifted(before: float, after: float, bound: float) -> bool:
    """Whether a time of the reference network differs from the earlier one by more than ``bound``, faster or slower.

    >>> drifted(10.0, 10.4, 0.05), drifted(10.0, 10.6, 0.05), drifted(10.6, 10.0, 0.05)
    (False, True, True)
    """
    return max(before, after) > (1 + bound) * min(before, after)
