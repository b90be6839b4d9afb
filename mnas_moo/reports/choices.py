"""Which networks of a front to choose and why, and which choices its members share.

The knee is the member whose losses against the best of the front are smallest in sum, each in units of the front's
span: the farthest bulge of the front from the plane through its ends (Das 1999).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from mnas_moo.objectives.front import direction_names, minimised
from mnas_moo.objectives.objective import on_device
from mnas_moo.reports.intervals import interval_of, trainings_of
from mnas_moo.reports.past import label_of
from mnas_moo.reports.text import figure
from mnas_moo.reward import Reward

BEST = {
    "accuracy": "most accurate",
    "latency_ms": "fastest",
    "parameters_m": "fewest parameters",
    "multiply_adds_m": "fewest multiply-adds",
    "memory_mb": "least runtime memory",
    "peak_memory_mb": "least memory",
}
KNEE = "knee"
REWARDED = "best reward"
LEAST_MEMBERS = 3
"""A front of fewer members has no knee, and nothing that they share."""
MANY = 12
"""A number with more values than this is told by its range."""


@dataclass(frozen=True)
class Choice:
    """A network that one may choose.

    Attributes:
        title: what it is the best in, as "most accurate".
        trial: its trial.
        why: a sentence or some.
    """

    title: str
    trial: FrozenTrial
    why: str


@dataclass(frozen=True)
class Shared:
    """A choice that members of the front have in common.

    Attributes:
        decision: the parameter's name.
        value: the value that most members chose, or the range of their numbers.
        members: share of the members that chose it.
        trials: share of all finished trials that chose it.
    """

    decision: str
    value: str
    members: float
    trials: float


def choices_of(
    front: Sequence[FrozenTrial], names: Sequence[str], directions: Sequence[Any], reward: Reward | None
) -> list[Choice]:
    """The networks to choose from a front: the best one in each objective, the knee, and that of the largest reward.

    Args:
        front: the front, as ``text.front_trials`` gives it.
        names: names of the objectives.
        directions: their directions.
        reward: the reward of the search, where it has one.
    """
    if not front:
        return []
    values = minimised([trial.values for trial in front], directions)  # (F, M)
    found = []
    for m, name in enumerate(names):
        i = min(range(len(front)), key=lambda i: (values[i, m], *values[i]))
        found.append(Choice(title_of(name), front[i], _why_best(front, i, m, names, direction_names(directions)[m])))
    if len(front) >= LEAST_MEMBERS and len(names) > 1:
        losses = _losses(values)
        i = int(losses.sum(axis=1).argmin())
        parts = [f"{100 * losses[i, m]:.0f} % in {short_label(name)}" for m, name in enumerate(names)]
        why = (
            f"The best trade-off where nothing says otherwise: of the front's span it gives up {_and(parts)}, "
            "the least in sum of all members."
        )
        found.append(Choice(KNEE, front[i], why))
    if reward is not None:
        accuracy, latency = reward.bind(list(names), direction_names(directions))
        rewards = np.atleast_1d(
            reward([trial.values[accuracy] for trial in front], [trial.values[latency] for trial in front])
        )
        i = int(rewards.argmax())
        why = f"The largest reward of the front, {rewards[i]:.4g}, for the target of {reward.target:g} ms."
        found.append(Choice(REWARDED, front[i], why))
    return found


def title_of(name: str) -> str:
    """What the best network in an objective is called."""
    what, _, where = name.partition("@")
    if where and on_device(name):
        return f"{BEST[what]} on {where}"
    return BEST.get(name) or f"best {short_label(name)}"


def short_label(name: str) -> str:
    """The label of an objective without its unit and place."""
    return label_of(name).partition(" (")[0].removesuffix(" on the hold-out")


def _losses(values: Any) -> Any:
    """(F, M) how far each member is from the best of the front, in units of the front's span; 0 where there is none."""
    span = values.max(axis=0) - values.min(axis=0)
    return (values - values.min(axis=0)) / np.where(span > 0, span, 1.0)


def _why_best(front: Sequence[FrozenTrial], i: int, m: int, names: Sequence[str], direction: str) -> str:
    trial, name = front[i], names[m]
    interval = interval_of(trial, name)
    value = figure(name, trial.values[m], interval)
    extreme = "highest" if direction == "maximize" else "lowest"
    trainings = trainings_of(trial) if name == "accuracy" else 0
    times = f", the mean of {trainings} trainings" if trainings > 1 else ", of one training" if trainings == 1 else ""
    why = f"The {extreme} {short_label(name)} of the front: {value}{times}."
    if name == "accuracy" and interval is not None and "latency_ms" in names:
        place = list(names).index("latency_ms")
        rivals = [other for other in front if other is not trial and other.values[m] >= interval[0]]
        if rivals:
            fast = min(rivals, key=lambda other: float(other.values[place]))
            ratio = trial.values[place] / fast.values[place] if fast.values[place] > 0 else math.inf
            if ratio > 1:
                why += (
                    f" Trial {fast.number} lies within its interval ({figure(name, fast.values[m])}) and is "
                    f"{ratio:.1f} times as fast."
                )
    return why


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def shared_choices(front: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]) -> list[Shared]:
    """What the members of a front chose most, beside how many of all trials did; first what sets them apart.

    Args:
        front: the members.
        trials: all finished trials.
    """
    if len(front) < LEAST_MEMBERS:
        return []
    names = list(dict.fromkeys(name for trial in front for name in trial.params))
    found = []
    for name in names:
        if all(trial.distributions[name].single() for trial in front if name in trial.distributions):
            continue
        members = [trial.params[name] for trial in front if name in trial.params]
        others = [trial.params[name] for trial in trials if name in trial.params]
        if _is_number(others) and len(set(others)) > MANY:
            low, high = min(members), max(members)
            inside = sum(low <= value <= high for value in others)
            value = f"{low:.4g} to {high:.4g}" if low != high else f"{low:.4g}"
            found.append(Shared(name, value, len(members) / len(front), inside / len(trials)))
            continue
        (value, count), *_ = Counter(map(_spelt, members)).most_common(1)
        among = sum(_spelt(each) == value for each in others)
        found.append(Shared(name, value, count / len(front), among / len(trials)))
    return sorted(found, key=lambda each: (each.trials - each.members, each.decision))


def _spelt(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_number(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def tags_of(choices: Sequence[Choice]) -> Mapping[int, str]:
    """By trial number, the titles of the choices: one network may be several."""
    found: dict[int, str] = {}
    for choice in choices:
        number = choice.trial.number
        found[number] = f"{found[number]}, {choice.title}" if number in found else choice.title
    return found
