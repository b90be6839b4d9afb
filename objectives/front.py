"""Pareto fronts, hypervolume and the default reference point, in the study's own units and directions.

The geometry is moocore's (exact, any number of objectives); this module only turns maximised objectives round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import moocore  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Floats = npt.NDArray[np.float64]

REFERENCE_MARGIN = 0.1
"""How far the default reference point lies beyond the worst values, as a share of the values' range."""


def direction_names(directions: Sequence[Any]) -> list[str]:
    """Directions, as names or Optuna's enum, in small letters."""
    return [getattr(direction, "name", str(direction)).lower() for direction in directions]


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial keeps all its constraints, as Optuna judges it."""
    return all(value <= 0 for value in trial.constraints.values())


def minimised(points: npt.ArrayLike, directions: Sequence[Any] | None) -> Floats:
    """Objective values with maximised ones negated.

    Args:
        points: (N, M) or (M,) values in the study's units.
        directions: M of "minimize" or "maximize" (or Optuna's enum); None: all minimised.

    Returns:
        An array of the same shape, to be minimised.

    Raises:
        ValueError: a direction is unknown, or their number is not M.
    """
    values = np.array(points, dtype=float)
    if directions is None:
        return values
    names = direction_names(directions)
    if len(names) != values.shape[-1] or not set(names) <= {"minimize", "maximize"}:
        raise ValueError(f"directions are {names} for {values.shape[-1]} objectives; one each of minimize, maximize")
    signs: Floats = np.array([1.0 if name == "minimize" else -1.0 for name in names])
    return values * signs


def pareto_mask(points: npt.ArrayLike, directions: Sequence[Any] | None = None) -> npt.NDArray[np.bool_]:
    """Which points no other point dominates; of equal points all are kept.

    >>> from mnas_moo.objectives import pareto_mask
    >>> pareto_mask([[0.9, 30.0], [0.8, 10.0], [0.7, 20.0]], ["maximize", "minimize"]).tolist()
    [True, True, False]

    Args:
        points: (N, M) objective values.
        directions: M of "minimize" or "maximize"; None: all are minimised.

    Returns:
        (N,) booleans.
    """
    values = minimised(points, directions)
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


def hypervolume(
    points: npt.ArrayLike, reference_point: npt.ArrayLike, directions: Sequence[Any] | None = None
) -> float:
    """Volume of objective space that the points dominate, bounded by the reference point (Zitzler & Thiele 1998).

    >>> from mnas_moo.objectives import hypervolume
    >>> hypervolume([[0.9, 30.0], [0.8, 10.0]], [0.5, 50.0], ["maximize", "minimize"])
    14.0

    Args:
        points: (N, M) objective values; points that are not better than the reference everywhere add nothing.
        reference_point: (M,) the worst values that count.
        directions: M of "minimize" or "maximize"; None: all minimised.

    Returns:
        The volume, in the product of the objectives' units; 0.0 without points.

    Raises:
        ValueError: the shapes do not fit, or a value is NaN.
    """
    reference = minimised(reference_point, directions)
    values = minimised(points, directions).reshape(-1, len(reference))
    if np.isnan(values).any() or np.isnan(reference).any():
        raise ValueError("hypervolume of NaN values; leave those trials out")
    values = values[(values < reference).all(axis=1)]
    return float(moocore.hypervolume(values, ref=reference)) if len(values) else 0.0


def reference_point(points: npt.ArrayLike, directions: Sequence[Any] | None = None) -> Floats:
    """The reference point of a hypervolume where none is given.

    It is the worst value of each objective, moved outwards by ``REFERENCE_MARGIN`` of the range of its values; where
    all values are equal, by that share of the value, or of 1 if the value is 0. Every best point therefore adds to
    the hypervolume (Ishibuchi et al. 2018 on why it must lie beyond the worst).

    >>> reference_point([[0.75, 10.0], [0.5, 50.0]], ["maximize", "minimize"]).tolist()
    [0.475, 54.0]

    Args:
        points: (N, M) objective values, at least one: all points known so far, or a front.
        directions: M of "minimize" or "maximize"; None: all minimised.

    Returns:
        (M,) in the objectives' units.

    Raises:
        ValueError: there are no points, or the directions do not fit.
    """
    values = minimised(points, directions)
    if not len(values):
        raise ValueError("a reference point is placed by points, and there are none")
    worst = values.max(axis=0)
    extent = worst - values.min(axis=0)
    margin = REFERENCE_MARGIN * np.where(extent > 0, extent, np.where(worst != 0, np.abs(worst), 1.0))
    return minimised(worst + margin, directions)
