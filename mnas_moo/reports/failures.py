"""The trials of a study that did not end well, by reason: messages that differ in their numbers only are one reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from mnas_moo.running.trials import FAILURE
from mnas_moo.spaces.printable import short

UNKNOWN = "no reason is stored: its process was killed, or another program ran it"
PRUNED = "pruned: stopped early"

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Failure:
    """A reason for which trials failed.

    Attributes:
        reason: the message of the first of them.
        trials: numbers of all of them.
    """

    reason: str
    trials: tuple[int, ...]


def failures_of(trials: Sequence[FrozenTrial]) -> list[Failure]:
    """The reasons for which trials failed, the most frequent first.

    >>> from optuna.trial import create_trial
    >>> failed = [create_trial(state=TrialState.FAIL, user_attrs={FAILURE: f"latency is {n} ms"}) for n in (3, 4)]
    >>> [(failure.reason, len(failure.trials)) for failure in failures_of(failed)]
    [('latency is 3 ms', 2)]

    Args:
        trials: all trials of a study.
    """
    found: dict[str, tuple[str, list[int]]] = {}
    for trial in trials:
        if trial.state not in (TrialState.FAIL, TrialState.PRUNED):
            continue
        stored = trial.user_attrs.get(FAILURE)
        reason = PRUNED if trial.state == TrialState.PRUNED else UNKNOWN
        if isinstance(stored, str) and stored:
            reason = short(stored)
        found.setdefault(_NUMBER.sub("0", reason), (reason, []))[1].append(trial.number)
    failures = [Failure(reason, tuple(numbers)) for reason, numbers in found.values()]
    return sorted(failures, key=lambda failure: (-len(failure.trials), failure.trials))
