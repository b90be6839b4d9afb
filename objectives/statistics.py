"""The statistics of measurements: rank correlation of two measures, the interval of a median."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def kendall_tau(one: Floats, other: Floats) -> float:
    """Kendall's rank correlation, tau-b: 1 for one order, -1 for opposite ones; NaN where all values are equal.

    >>> import numpy as np
    >>> from mnas_moo.objectives.statistics import kendall_tau
    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))  # one of three pairs is swapped
    0.3333333333333333
    """
    signs = [np.sign(np.subtract.outer(values, values)) for values in (one, other)]
    untied = [np.count_nonzero(sign) for sign in signs]
    if not all(untied):
        return float("nan")
    return float((signs[0] * signs[1]).sum() / np.sqrt(untied[0] * untied[1]))


def kendall_interval(one: Floats, other: Floats, resamples: int = 2000) -> tuple[float, float, float]:
    """Kendall's rank correlation with its 95 % interval, by the bootstrap (Efron 1979): pairs are drawn anew.

    >>> import numpy as np
    >>> kendall_interval(np.arange(9.0), np.arange(9.0) ** 2)
    (1.0, 1.0, 1.0)

    Args:
        one: (N,) values of one measure.
        other: (N,) values of the other.
        resamples: number of times that N pairs are drawn; always the same ones.

    Returns:
        (tau, low, high); NaN where all values of a measure are equal.
    """
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(one), size=len(one)) for _ in range(resamples))
    taus = np.array([kendall_tau(one[index], other[index]) for index in drawn])
    if np.isnan(taus).all():
        return float("nan"), float("nan"), float("nan")
    low, high = np.nanquantile(taus, [0.025, 0.975])
    return kendall_tau(one, other), float(low), float(high)


def median_interval(times: Sequence[float]) -> tuple[float, float, float]:
    """Median with its 95 % confidence interval from order statistics, for any distribution.

    >>> from mnas_moo.objectives.statistics import median_interval
    >>> median_interval(range(100))
    (49.5, 40.0, 59.0)

    The runs are taken as independent: the interval does not include slow drift of the machine.

    Args:
        times: any number of values above 0, in any order.

    Returns:
        (median, low, high), the latter two the order statistics at ranks n / 2 ± 0.98 sqrt(n).
    """
    ordered = np.sort(np.asarray(times))
    n = len(ordered)
    margin = 0.98 * n**0.5  # 1.96 standard deviations of Binomial(n, 1/2)
    low, high = max(0, int(n / 2 - margin)), min(n - 1, int(n / 2 + margin))
    return float(np.median(ordered)), float(ordered[low]), float(ordered[high])
