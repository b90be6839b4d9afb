"""When a study is finished: at a number of trials, or when the time of its budget is spent.

The time of a budget is that in which trials ran, in any process: the length of the union of their intervals. So a run
that is stopped and goes on tomorrow has what is left, and two workers at once spend it together, and not twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mnas_moo.running.trials import completed_trials
from mnas_moo.running.workers import trials_at_work

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

UNLIMITED = 10**9


class Goal:
    """The end of a study.

    Args:
        trials: number of completed trials; None: the budget decides.
        budget: seconds that trials may take; None: the number of trials decides.
        trial_seconds: expected time of a trial.

    Attributes:
        workers: runs of the study that are known to be at work, or about to begin; others are seen by their trials.
    """

    def __init__(self, trials: int | None, budget: float | None, trial_seconds: float) -> None:
        self.trials = trials
        self.budget = budget
        self.trial_seconds = trial_seconds
        self.workers = 1

    def wanted(self, study: optuna.Study) -> int:
        """Number of completed trials at which the study is finished.

        Where the budget decides, ``UNLIMITED`` while there is time for another trial, and then as many as there are.
        """
        if self.trials is not None:
            return self.trials
        return UNLIMITED if self.left(study) > self.trial_seconds / 2 else len(completed_trials(study))

    def expected(self, study: optuna.Study) -> int:
        """Number of completed trials that the study will have."""
        if self.trials is not None:
            return self.trials
        completed = completed_trials(study)
        # This run is between two of its trials when it asks.
        workers = max(self.workers, 1 + trials_at_work(study))
        return len(completed) + max(0, round(workers * self.left(study) / max(self._mean(completed), 1e-3)))

    def left(self, study: optuna.Study) -> float:
        """Seconds of the budget that are left."""
        return (self.budget or 0.0) - spent_seconds(study.get_trials(deepcopy=False))

    def _mean(self, completed: Sequence[FrozenTrial]) -> float:
        """Mean time of a trial: as expected, until trials tell."""
        times = [trial.duration.total_seconds() for trial in completed if trial.duration is not None]
        return (self.trial_seconds * 3 + sum(times)) / (3 + len(times))


def spent_seconds(trials: Sequence[FrozenTrial]) -> float:
    """Time in which at least one of these trials ran; those that still run count until now.

    Args:
        trials: trials of a study.
    """
    now = datetime.fromtimestamp(time.time())  # Optuna's times have no zone
    spans = sorted(
        (trial.datetime_start.timestamp(), (trial.datetime_complete or now).timestamp())
        for trial in trials
        if trial.datetime_start is not None and (trial.datetime_complete is not None or trial.state.name == "RUNNING")
    )
    spent, reached = 0.0, float("-inf")
    for start, end in spans:
        spent += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return spent
