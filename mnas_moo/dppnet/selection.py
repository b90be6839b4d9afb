"""Who is kept of many: non-dominated fronts first, and within a front the networks in its gaps.

The paper keeps K networks of the Pareto front of predicted error and device objectives (Dong et al. 2018, sec. 3.2) and
does not say which where the front has more, or fewer. Ours are NSGA-II's rules (Deb et al. 2002): the next fronts fill
up what is missing, and the crowding distance breaks ties.
"""

from __future__ import annotations

import moocore  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def order(values: Floats, violation: Floats, known: Floats | None = None) -> Indices:
    """The networks in the order in which they are kept.

    >>> values = np.array([[1.0, 4.0], [2.0, 3.0], [2.1, 2.9], [4.0, 1.0], [4.0, 4.0]])
    >>> order(values, np.zeros(5)).tolist()
    [0, 3, 2, 1, 4]

    Args:
        values: (N, M) objectives, minimised.
        violation: (N,) how far constraints are broken; feasible networks come first, then those of small violations.
        known: (K, M) networks that are there already, which may dominate and crowd these; None: there are none.

    Returns:
        (N,) indices.
    """
    ranks, crowding = np.zeros(len(values)), np.zeros(len(values))
    feasible = np.flatnonzero(violation <= 0)
    if len(feasible):
        others = np.empty((0, values.shape[1])) if known is None else known
        both = np.concatenate([values[feasible], others])
        found = np.asarray(moocore.pareto_rank(both), dtype=float)
        distance = np.empty(len(both))
        for rank in np.unique(found):
            distance[found == rank] = crowding_distance(both[found == rank])
        ranks[feasible], crowding[feasible] = found[: len(feasible)], distance[: len(feasible)]
    return np.lexsort((-crowding, ranks, np.maximum(violation, 0.0))).astype(np.int64)  # the last key comes first


def crowding_distance(values: Floats) -> Floats:
    """(N,) how far the neighbours of each network (N, M) in its front are apart, in units of the front's extent.

    The ends of each objective have an infinite distance.
    """
    distance = np.zeros(len(values))
    for column in values.T:
        by = np.argsort(column, kind="stable")
        extent = float(column[by[-1]] - column[by[0]])
        if extent > 0:
            # d_i = (y_(i+1) - y_(i-1)) / (y_max - y_min)
            distance[by[1:-1]] += (column[by[2:]] - column[by[:-2]]) / extent
            distance[by[[0, -1]]] = np.inf
    return distance
