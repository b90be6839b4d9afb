"""How sure the values of a trial are: their 95 % intervals, and how often its network was trained.

What stands in a storage may have been written by any program: what is no interval around its value is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mnas_moo.running.trials import measured

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def interval_of(trial: FrozenTrial, name: str) -> tuple[float, float] | None:
    """95 % interval of a measurement of a trial, in its unit; None where it is not known.

    >>> import optuna
    >>> held = {"accuracy": {"value": 0.6, "interval": [0.55, 0.65]}}
    >>> interval_of(optuna.trial.create_trial(value=0.6, user_attrs={"measurements": held}), "accuracy")
    (0.55, 0.65)
    """
    found = measured(trial, name)
    value, interval, half = found.get("value"), found.get("interval"), found.get("confidence_half_width_ms")
    if not isinstance(value, int | float) or not _is_number(value):
        return None
    if isinstance(interval, list | tuple) and len(interval) == 2 and all(map(_is_number, interval)):
        low, high = map(float, interval)
    elif isinstance(half, int | float) and _is_number(half) and half >= 0:
        low, high = value - half, value + half
    else:
        return None
    return (low, high) if low <= value <= high else None


def trainings_of(trial: FrozenTrial) -> int:
    """How often the network of a trial was trained; 0 where it is not known."""
    found = measured(trial, "accuracy").get("trainings")
    return len(found) if isinstance(found, list | tuple) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
