"""What a study cannot say yet, in plain words: nothing was learnt, networks cannot be told apart, or not confirmed.

A front is drawn from whatever was measured, also where it shows noise. Each rule compares what is stored with the
trials: accuracies, their intervals, what guessing gets, and how often networks were trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.front import is_feasible
from mnas_moo.reports.intervals import interval_of, trainings_of
from mnas_moo.reports.text import front_trials
from mnas_moo.running.trials import measured

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ACCURACY = "accuracy"
LEAST_TRIALS = 3
"""Before so many trials are completed, no verdict is given."""
NORMAL_95 = 1.96


def verdicts(names: Sequence[str], directions: Sequence[Any], completed: Sequence[FrozenTrial]) -> list[str]:
    """One line for each thing that a study cannot say, with what to change; empty where all is well.

    - No network beats chance: the 95 % interval of the best accuracy reaches down to what guessing gets.
    - The networks cannot be told apart: on a front of two or more, the most and the least accurate differ by less than
      1.96 standard errors of their difference. Standard errors are those of training, which all networks judged on
      the same images have to themselves; where none is known, those of a share of the hold-out.
    - Not confirmed: members of the front were trained only once, in a study that trains others again.

    Args:
        names: names of the objectives, in the order of a trial's values.
        directions: their directions.
        completed: completed trials of the study.
    """
    if ACCURACY not in names or len(completed) < LEAST_TRIALS:
        return []
    place = list(names).index(ACCURACY)
    known = [trial for trial in completed if is_feasible(trial) and _chance(trial) is not None]
    if not known:
        return []
    best = max(known, key=lambda trial: trial.values[place])
    chance, interval = _chance(best), interval_of(best, ACCURACY)
    assert chance is not None
    if interval is not None and interval[0] <= chance:
        low, high = map(_percent, interval)
        return [
            f"no network beats chance yet: the best one gets {_percent(best.values[place])} ({low} to {high}), and "
            f"guessing {_percent(chance)}; longer trainings (steps), a longer budget or "
            "more images a class would help"
        ]
    found = []
    front = front_trials(directions, completed)
    if len(front) > 1:
        ordered = sorted(front, key=lambda trial: trial.values[place])
        least, most = ordered[0], ordered[-1]
        errors = _error(least, place), _error(most, place)
        gap = most.values[place] - least.values[place]
        if None not in errors and gap < NORMAL_95 * math.hypot(*(error or 0.0 for error in errors)):
            images = measured(most, ACCURACY).get("holdout_images")
            found.append(
                f"the accuracies on the front cannot be told apart: they differ by {100 * gap:.1f} points, which is "
                f"within the noise of training and of {images} held-out images; the fastest network is as good as is "
                "known. More images or a longer budget would tell more"
            )
    single = [trial for trial in front if trainings_of(trial) == 1]
    if single and any(trainings_of(trial) > 1 for trial in completed):
        numbers = ", ".join(str(trial.number) for trial in single[:5]) + (", …" if len(single) > 5 else "")
        found.append(f"not confirmed: trained once only, and perhaps just lucky: trial {numbers}")
    return found


def _chance(trial: FrozenTrial) -> float | None:
    chance = measured(trial, ACCURACY).get("chance")
    return float(chance) if isinstance(chance, int | float) and 0 < chance <= 1 else None


def _error(trial: FrozenTrial, place: int) -> float | None:
    found = measured(trial, ACCURACY)
    error, images, accuracy = found.get("standard_error"), found.get("holdout_images"), trial.values[place]
    if isinstance(error, int | float) and error > 0:
        return float(error)
    if isinstance(images, int) and images > 0 and 0 <= accuracy <= 1:
        return math.sqrt(accuracy * (1 - accuracy) / images)
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
