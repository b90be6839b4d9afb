"""Which networks are trained again: those that are on the front, or might be, as long as the budget allows.

The best of many noisy results is mostly the luckiest one, so a front of single trainings falls when its networks are
trained again. A trial's values cannot be changed once it is told, and one that is dominated stays so: so a network is
trained again before it is told, and only where its accuracy, were it luckier than it seems, would put it on the front
(a race, as in Maron & Moore 1994 and Birattari et al. 2002). Values told are means, so Optuna's `best_trials`, the
dashboard and the sampler see the same front.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnas_moo.objectives.front import is_feasible, minimised
from mnas_moo.running.trials import SAME_AS, measured

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST_TRAININGS = 6
"""A network is trained so often at most."""
LUCK = 1.0
"""Standard errors by which an accuracy may be better than it seems."""


@dataclass(frozen=True)
class Confirmation:
    """The rule of a study.

    Attributes:
        share: share of all trainings that may go into confirmation; 0: every network is trained once.
        first: trainings that every network gets; they run at the same time.
        names: names of the objectives, in the order of a trial's values.
        directions: "minimize" or "maximize" for each of them.
    """

    share: float
    first: int
    names: Sequence[str]
    directions: Sequence[str]

    def more(
        self,
        measurements: Mapping[str, Mapping[str, Any]],
        kept: bool,
        completed: Sequence[FrozenTrial],
        wanted: int,
    ) -> int:
        """How often a network is to be trained again before it is told.

        Args:
            measurements: what is known of it.
            kept: whether it keeps the constraints.
            completed: completed trials of the study.
            wanted: number of trials that the study is to have.
        """
        accuracy = measurements["accuracy"]
        done = len(accuracy["trainings"])
        again = min(self.first, MOST_TRAININGS - done)
        if not kept or again < 1 or self.share <= 0:
            return 0
        spent = sum(max(0, trainings_of(trial) - self.first) for trial in completed) + done - self.first
        # Half of it is there from the start, when most networks are on the front; the rest comes with the trials.
        room = self.share / (1 - self.share) * self.first * max(wanted / 2, len(completed) + 1)
        if spent + again > room:
            return 0
        rivals = [trial for trial in completed if is_feasible(trial) and all(map(math.isfinite, trial.values))]
        if not rivals:
            return again if done <= self.first else 0
        position = list(self.names).index("accuracy")
        own = np.array([[measurements[name]["value"] for name in self.names]])
        values = minimised(np.array([trial.values for trial in rivals]), self.directions)  # (N, M)
        error = float(accuracy["standard_error"])
        lucky = minimised(own, self.directions)[0]
        mean = lucky[position]
        lucky[position] -= LUCK * error
        if (values <= lucky).all(axis=1).any():
            return 0
        errors = np.array([_error(trial) for trial in rivals])
        unsure = np.abs(values[:, position] - mean) < LUCK * np.sqrt(error**2 + errors**2)
        others = np.delete(values, position, axis=1) - np.delete(lucky, position)
        ordered = (others <= 0).all(axis=1) | (others >= 0).all(axis=1)  # accuracy decides which dominates which
        return again if done <= self.first or (unsure & ordered).any() else 0


def trainings_of(trial: FrozenTrial) -> int:
    """How often a trial's network was trained for it."""
    return 0 if SAME_AS in trial.user_attrs else len(_trainings(trial))


def past_trainings(completed: Sequence[FrozenTrial]) -> list[list[dict[str, Any]]]:
    """The trainings of each network of a study that say which fold was held out."""
    found = (_trainings(trial) for trial in completed if SAME_AS not in trial.user_attrs)
    return [trainings for trainings in found if trainings]


def _trainings(trial: FrozenTrial) -> list[dict[str, Any]]:
    """What a trial has of its trainings; another program may have written there."""
    found = measured(trial, "accuracy").get("trainings")
    if not isinstance(found, list | tuple):
        return []
    return [
        each
        for each in found
        if isinstance(each, dict)
        and type(each.get("fold")) is int
        and isinstance(each.get("accuracy"), int | float)
        and 0 <= each["accuracy"] <= 1
    ]


def _error(trial: FrozenTrial) -> float:
    """Standard error of a trial's accuracy; 0 where it has none."""
    error = measured(trial, "accuracy").get("standard_error")
    return float(error) if isinstance(error, int | float) and 0 <= error < math.inf else 0.0
