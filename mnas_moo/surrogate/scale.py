"""The scale on which an objective is modelled: linear where most of the history lies, logarithmic beyond.

Expected gains in hypervolume need a scale on which differences mean something. Raw values are stretched by a few
broken networks (chance accuracy, no latency), ranks squeeze the ends where the front lies. Here the middle half of
the history has the spread of a standard normal, and from two deviations on distances count by their logarithm: any
unit, sign and tail ends up within a few deviations, and different values stay different.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LINEAR = 2.0
"""Deviations from the median from which on the scale is logarithmic."""
FARTHEST = 1e12
"""Deviations beyond which all values count as equal, so that none overflows."""
LARGEST_VARIANCE = 1e6
"""Variance from which on a value says nothing, so that none overflows."""
NORMAL_QUARTILE = 0.6745
"""Upper quartile of the standard normal."""


@dataclass(frozen=True)
class Scale:
    """A monotone map of one objective.

    >>> scale = Scale.of(np.array([10.0, 20.0, 30.0]))
    >>> float(scale(20.0)), round(float(scale.inverse(scale(500.0))), 6)
    (0.0, 500.0)

    Attributes:
        median: value that becomes 0.
        deviation: distance from it that becomes 1, in the objective's unit, > 0.
    """

    median: float
    deviation: float

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """The scale of a history: values (N,), N >= 1."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        deviation = (high - low) / (2 * NORMAL_QUARTILE)
        if not deviation > 0:  # more than half are ties: the standard deviation, or 1 where all are equal
            deviation = float(values.std()) or 1.0
        return cls(float(median), float(deviation))

    def __call__(self, values: npt.ArrayLike) -> Floats:
        """Values of any shape on this scale."""
        with np.errstate(over="ignore"):
            distance = np.clip((np.asarray(values, dtype=float) - self.median) / self.deviation, -FARTHEST, FARTHEST)
        far = np.maximum(np.abs(distance) - LINEAR, 0.0)
        # d up to LINEAR, sign(d) (LINEAR + log(1 + |d| - LINEAR)) beyond
        return np.asarray(np.where(far > 0, np.sign(distance) * (LINEAR + np.log1p(far)), distance))

    def variance(self, values: npt.ArrayLike, errors: npt.ArrayLike) -> Floats:
        """Variances on this scale of values with standard errors, both of any shape, by the scale's slope there."""
        with np.errstate(over="ignore"):
            distance = np.abs((np.asarray(values, dtype=float) - self.median) / self.deviation)
            # S'(v) = 1 / deviation, times 1 / (1 + |d| - LINEAR) beyond LINEAR
            slope = 1 / (1 + np.maximum(np.clip(distance, 0.0, FARTHEST) - LINEAR, 0.0))
            scaled = np.asarray(errors, dtype=float) / self.deviation * slope
            return np.asarray(np.minimum(scaled**2, LARGEST_VARIANCE))

    def inverse(self, scaled: npt.ArrayLike) -> Floats:
        """The values of which these are the scaled ones, of any shape."""
        s = np.asarray(scaled, dtype=float)
        far = np.maximum(np.abs(s) - LINEAR, 0.0)
        with np.errstate(over="ignore"):
            distance = np.where(far > 0, np.sign(s) * (LINEAR + np.expm1(far)), s)
        return np.asarray(self.median + self.deviation * np.clip(distance, -FARTHEST, FARTHEST))
