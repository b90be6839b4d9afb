"""Statistics of many runs of several samplers: curves with confidence bands, trials to a goal, and paired tests.

Pure functions of arrays; all objectives are minimised. A run is judged by the hypervolume of its first n points
(Zitzler & Thiele 1998), means over seeds carry bootstrap bands (Efron 1979, percentile intervals), two samplers are
compared seed by seed with Wilcoxon's signed-rank test (Wilcoxon 1945), and p-values of many comparisons are corrected
by Holm's step-down procedure (Holm 1979). A front that half of the runs reach is the median attainment surface
(Grunert da Fonseca et al. 2001).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import Floats, hypervolume, pareto_mask

MARKS = (50, 100, 200, 400, 1000, 2000, 4000, 10_000)
"""Numbers of trials at which samplers are compared, in addition to the end of the budget."""

CURVE_POINTS = 60
"""Number of geometrically spaced points of a curve, in addition to the marks."""

LEVEL = 0.95
"""Confidence level of the bands."""

RESAMPLES = 2000
"""Number of bootstrap samples of a band."""


class Hypervolumes:
    """The hypervolume of the first n points of one run, for any n.

    Only points that no earlier feasible point dominates can change it; only those are kept.

    >>> hypervolumes = Hypervolumes([[2.0, 2.0], [3.0, 3.0], [1.0, 3.0]], [True, True, True], [4.0, 4.0])
    >>> [hypervolumes.after(n) for n in (0, 1, 2, 3)]
    [0.0, 4.0, 4.0, 5.0]

    Args:
        values: (N, M) objective values in the order of the trials, minimised.
        feasible: (N,) whether a point counts.
        reference_point: (M,) the worst values that count.
    """

    def __init__(self, values: npt.ArrayLike, feasible: npt.ArrayLike, reference_point: npt.ArrayLike) -> None:
        points = np.asarray(values, dtype=float)
        self.reference_point = np.asarray(reference_point, dtype=float)
        counts = np.asarray(feasible, dtype=bool) & (points < self.reference_point).all(axis=1)
        front = np.empty((0, len(self.reference_point)))
        self._arrivals: list[int] = []
        for i in np.flatnonzero(counts):
            if not (front <= points[i]).all(axis=1).any():
                front = np.vstack([front[~(points[i] <= front).all(axis=1)], points[i]])
                self._arrivals.append(int(i))
        self._points = points[self._arrivals]
        self._volumes: dict[int, float] = {}

    def after(self, n: int) -> float:
        """The hypervolume of the first ``n`` points."""
        kept = bisect.bisect_left(self._arrivals, n)
        if kept not in self._volumes:
            self._volumes[kept] = hypervolume(self._points[:kept], self.reference_point)
        return self._volumes[kept]


def union_front(runs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> Floats:
    """The Pareto front of all feasible points of several runs.

    Args:
        runs: values (N, M), minimised, and feasibility (N,) of each run.

    Returns:
        (K, M) distinct points, sorted by the first objective.
    """
    points = np.concatenate([np.asarray(values, dtype=float)[np.asarray(ok, dtype=bool)] for values, ok in runs])
    if not len(points):
        return points
    points = np.unique(points, axis=0)
    return np.asarray(points[pareto_mask(points)])


def median_attainment(fronts: Sequence[Floats]) -> Floats:
    """The median attainment surface: the border of what half of the runs, or more, attain.

    Args:
        fronts: front (K, 2) of each run, minimised.

    Returns:
        (L, 2) corners of the surface, sorted by the first objective; none if no point is attained by half of the runs.
    """
    at = np.unique(np.concatenate([front[:, 0] for front in fronts]))
    # (S, L) least second value of each run up to each first value; then the one that half of the runs reach
    reached = np.array([[front[front[:, 0] <= x, 1].min(initial=np.inf) for x in at] for front in fronts])
    second = np.sort(reached, axis=0)[math.ceil(len(fronts) / 2) - 1]
    corners = second < np.concatenate([[np.inf], second[:-1]])
    surface: Floats = np.column_stack([at, second])[corners]
    return surface


def marks(trials: int) -> list[int]:
    """The numbers of trials to compare at, of a budget of ``trials``: the ``MARKS`` within it, and its end.

    >>> marks(300)
    [50, 100, 200, 300]
    """
    return [mark for mark in MARKS if mark < trials] + [trials]


def grid(trials: int) -> list[int]:
    """Numbers of trials at which curves are drawn; they include the marks."""
    points = np.geomspace(1, trials, CURVE_POINTS).round().astype(int).tolist()
    return sorted({*points, *marks(trials)})


def bootstrap_band(samples: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Confidence band of the mean over runs, by resampling the runs.

    Args:
        samples: (S, K) value of each of S runs at each of K numbers of trials.

    Returns:
        Lower and upper ends, (K,) each; deterministic.
    """
    values = np.asarray(samples, dtype=float)
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    # (RESAMPLES, S) how often each run is drawn, so that no (RESAMPLES, S, K) array is needed
    counts = np.stack([(drawn == run).sum(axis=1) for run in range(len(values))], axis=1)
    centre = values.mean(axis=0)  # subtracted, so that equal runs give a band of width 0 exactly
    means = centre + counts @ (values - centre) / len(values)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return low, high


def trials_to_reach(hypervolume_at: Callable[[int], float], trials: int, goal: float) -> int | None:
    """The least number of trials, up to ``trials``, with a hypervolume of at least ``goal``; None if it is not reached.

    Args:
        hypervolume_at: function from n to the hypervolume of the first n trials; never decreasing.
        trials: largest number of trials.
        goal: hypervolume to reach, within rounding.
    """
    enough = goal * (1 - 1e-12)
    if trials < 1 or hypervolume_at(trials) < enough:
        return None
    return 1 + bisect.bisect_left(range(1, trials), True, key=lambda n: hypervolume_at(n) >= enough)


def wilcoxon(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test of paired samples (S,); 1 where no pair differs."""
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    if not differences.any():
        return 1.0
    stats = require("scipy.stats", extra="compare")
    return float(stats.wilcoxon(differences).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979): the k-th smallest of m is multiplied by m - k + 1.

    A corrected value is never smaller than that of a smaller p-value, and at most 1.

    >>> [round(p, 9) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = largest
    return corrected
