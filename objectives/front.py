"""Pareto fronts and hypervolume, in the study's own units and directions.

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
    """Which of the points (N, M) no other dominates; of equal points all are kept. Returns (N,) booleans."""
    values = minimised(points, directions)
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


def hypervolume(
    points: npt.ArrayLike, reference_point: npt.ArrayLike, directions: Sequence[Any] | None = None
) -> float:
    """Volume of objective space that the points dominate, bounded by the reference point (Zitzler & Thiele 1998).

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
