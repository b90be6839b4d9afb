"""The scale on which an objective is modelled: without skew where most of the history lies, logarithmic far out.

Expected gains in hypervolume need a scale on which differences mean something. Raw values are stretched by a few broken
networks (chance accuracy, no latency), ranks squeeze the ends where the front lies. So values may first be bent, v ->
log(1 + (v - a) / b) with a the lower decile and b such that the deciles become symmetric, as far as a limit allows (of
a history with its tail at the other end, the mirror image; linear beyond the decile at the crowded end): accuracies are
crowded at their best, latencies may spread over orders of magnitude. How far is the model's choice, by its evidence (a
warped Gaussian process, Snelson et al. 2004). Then the middle half has the spread of a standard normal, and from two
deviations on distances count by their logarithm. So any unit, offset, sign and tail ends up within a few deviations,
and different values stay different.
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
LEAST_SKEW = 1.05
"""Ratio of the deciles' distances from the median below which nothing is bent."""
LARGEST = 1e300
"""Bent values are at most the logarithm of this."""
LONGEST = 690.0
"""Logarithm of the largest value, in widths, that a scale gives back."""
NORMAL_QUARTILE = 0.6745
"""Upper quartile of the standard normal."""


@dataclass(frozen=True)
class Scale:
    """A monotone map of one objective.

    >>> scale = Scale.of(np.array([10.0, 20.0, 30.0]), bend=4.0)
    >>> float(scale(20.0)), round(float(scale.inverse(scale(500.0))), 6)
    (0.0, 500.0)

    Attributes:
        median: value that becomes 0, once bent.
        deviation: distance from it that becomes 1, > 0: in the objective's unit, or bent.
        tail: 0: values are not bent; 1: the tail of the large values is shortened; -1: that of the small ones.
        origin: decile at the crowded end, times ``tail``.
        width: distance from it, in the objective's unit, from which on the logarithm bends; > 0.
    """

    median: float
    deviation: float
    tail: int = 0
    origin: float = 0.0
    width: float = 1.0

    @classmethod
    def of(cls, values: Floats, bend: float) -> Scale:
        """The scale of a history.

        Args:
            values: (N,) its values, N >= 1.
            bend: how many times as steep the scale may be at the decile of the crowded end as at the other one; 1: it
                is not bent.
        """
        if bend <= 1:
            return cls.linear(values)
        low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
        below, above = float(median - low), float(high - median)
        tail = 1 if above > below else -1
        short, long = min(below, above), max(below, above)
        if not short > 0 or long / short < LEAST_SKEW:
            return cls.linear(values)
        # log(1 + long' / b) = 2 log(1 + short / b), with long' = short + long: the deciles' logarithms are symmetric
        width = max(short**2 / (long - short), (short + long) / (bend - 1))
        bent = cls(0.0, 1.0, tail, float(tail * (low if tail > 0 else high)), width)
        scale = cls.linear(bent._bend(values))
        return cls(scale.median, scale.deviation, tail, bent.origin, width)

    @classmethod
    def linear(cls, values: Floats) -> Scale:
        """The scale of a history (N,) that is not bent."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        deviation = (high - low) / (2 * NORMAL_QUARTILE)
        if not deviation > 0:  # more than half are ties: the standard deviation, or 1 where all are equal
            deviation = float(values.std()) or 1.0
        return cls(float(median), float(deviation))

    def __call__(self, values: npt.ArrayLike) -> Floats:
        """Values of any shape on this scale."""
        distance = self._distance(values)
        far = np.maximum(np.abs(distance) - LINEAR, 0.0)
        # d up to LINEAR, sign(d) (LINEAR + log(1 + |d| - LINEAR)) beyond
        return np.asarray(np.where(far > 0, np.sign(distance) * (LINEAR + np.log1p(far)), distance))

    def slope(self, values: npt.ArrayLike) -> Floats:
        """Derivative of this scale, at values of any shape."""
        # 1 / deviation, times 1 / (1 + |d| - LINEAR) beyond LINEAR, times the slope of the bend
        slope = 1 / self.deviation / (1 + np.maximum(np.abs(self._distance(values)) - LINEAR, 0.0))
        if self.tail:
            slope = slope / (self.width + np.maximum(self.tail * np.asarray(values, dtype=float) - self.origin, 0.0))
        return np.asarray(slope)

    def variance(self, values: npt.ArrayLike, errors: npt.ArrayLike) -> Floats:
        """Variances on this scale of values with standard errors, both of any shape, by the scale's slope there."""
        with np.errstate(over="ignore"):
            scaled = np.asarray(errors, dtype=float) * self.slope(values)
            return np.asarray(np.minimum(scaled**2, LARGEST_VARIANCE))

    def inverse(self, scaled: npt.ArrayLike) -> Floats:
        """The values of which these are the scaled ones, of any shape."""
        s = np.asarray(scaled, dtype=float)
        far = np.maximum(np.abs(s) - LINEAR, 0.0)
        with np.errstate(over="ignore"):
            distance = np.where(far > 0, np.sign(s) * (LINEAR + np.expm1(far)), s)
            bent = self.median + self.deviation * np.clip(distance, -FARTHEST, FARTHEST)
            if not self.tail:
                return np.asarray(bent)
            u = self.tail * bent
            beyond = np.expm1(np.clip(u, 0.0, LONGEST))
            return np.asarray(self.tail * (self.origin + self.width * np.where(u > 0, beyond, u)))

    def _bend(self, values: npt.ArrayLike) -> Floats:
        """Values without their skew."""
        v = np.asarray(values, dtype=float)
        if not self.tail:
            return v
        with np.errstate(over="ignore"):
            u = np.clip((self.tail * v - self.origin) / self.width, -FARTHEST, LARGEST)
        return np.asarray(self.tail * np.where(u > 0, np.log1p(np.maximum(u, 0.0)), u))

    def _distance(self, values: npt.ArrayLike) -> Floats:
        """Deviations from the median, once bent."""
        with np.errstate(over="ignore"):
            return np.clip((self._bend(values) - self.median) / self.deviation, -FARTHEST, FARTHEST)
