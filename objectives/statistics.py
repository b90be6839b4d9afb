"""Rank correlation: do two measures put networks into one order? A search asks no more of a latency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def kendall_tau(one: Floats, other: Floats) -> float:
    """Kendall's rank correlation, tau-b: 1 for one order, -1 for opposite ones; NaN where all values are equal.

    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))  # one of three pairs is swapped
    0.3333333333333333
    """
    signs = [np.sign(np.subtract.outer(values, values)) for values in (one, other)]
    untied = [np.count_nonzero(sign) for sign in signs]
    if not all(untied):
        return float("nan")
    return float((signs[0] * signs[1]).sum() / np.sqrt(untied[0] * untied[1]))
