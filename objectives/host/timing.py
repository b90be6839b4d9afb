"""Timing one model: warm-up, then runs until the median is known well enough; the same for every runtime.

How long and how often is ours: MnasNet (Tan et al. 2019) does not say how its latencies were repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.statistics import median_interval

MINIMUM_RUNS = 10  # fewer give no useful interval of the median
MINIMUM_SECONDS = 0.5  # timed runs: bursts of other work last milliseconds and should be a small part
WARM_UP_SECONDS = 0.2  # in which caches fill and the core reaches its clock speed


def timed(run: Callable[[], object], clock: Callable[[], float]) -> Callable[[], float]:
    """A function that does ``run`` once and returns the seconds that ``clock`` counted."""

    def once() -> float:
        before = clock()
        run()
        return clock() - before

    return once


def repeat(once: Callable[[], float], precision: float, maximum_seconds: float) -> list[float]:
    """Repeats a run until the median is known well enough.

    Args:
        once: does one run and returns its seconds.
        precision: the runs stop once half the confidence interval of the median is at most this share of the median.
        maximum_seconds: seconds after which they stop anyway, once there are ``MINIMUM_RUNS``.

    Returns:
        Seconds of every run, in order.
    """
    times: list[float] = []
    start, check = time.perf_counter(), MINIMUM_RUNS
    while True:
        times.append(once())
        elapsed = time.perf_counter() - start
        if len(times) < MINIMUM_RUNS or elapsed < min(MINIMUM_SECONDS, maximum_seconds):
            continue
        if elapsed >= maximum_seconds:
            return times
        if len(times) >= check:
            median, low, high = median_interval(times)
            if high - low <= 2 * precision * median:
                return times
            check = len(times) * 5 // 4  # not after every run: sorting takes time too


def warm_up(run: Callable[[], object], maximum_seconds: float = WARM_UP_SECONDS) -> int:
    """Runs for ``WARM_UP_SECONDS``, or for ``maximum_seconds`` if that is less.

    Returns:
        Number of runs, at least 3.
    """
    start, runs = time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - start < min(WARM_UP_SECONDS, maximum_seconds):
        run()
        runs += 1
    return runs


def summary(times: Sequence[float]) -> dict[str, Any]:
    """The figures of a measurement in milliseconds: "median_ms", its spread and its interval."""
    median, low, high = median_interval(times)
    p10, p90 = np.percentile(times, [10, 90])
    return {
        "median_ms": 1e3 * median,
        "p10_ms": 1e3 * float(p10),
        "p90_ms": 1e3 * float(p90),
        "confidence_half_width_ms": 1e3 * (high - low) / 2,
        "runs": len(times),
    }
