"""What a run, its subjects and its reports agree on: the attributes of a trial, and the parts they hand each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from optuna.trial import TrialState

from mnas_moo.running.interrupts import Interrupts

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

NETWORK = "network"
"""Trial attribute: the network in block-string notation, choices without effect spelt one way."""
MEASUREMENTS = "measurements"
"""Trial attribute: {name: {value, details…}} of all that was measured."""
FAILURE = "failure"
"""Trial attribute: why the trial failed."""
SAME_AS = "same_as"
"""Trial attribute: number of the earlier trial of the same network whose results these are."""


def completed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The completed trials of a study, by number; not to be changed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


class Observer:
    """Told of what happens in a run; every method may be left as it is."""

    def preparing(self, what: str) -> None:
        """Something that takes a while has begun before the first trial."""

    def waiting(self, why: str) -> None:
        """A device is waited for, or is used no more; called from any thread."""

    def started(self, study: optuna.Study, completed: Sequence[FrozenTrial], wanted: int) -> None:
        """Trials begin, or all that are wanted are completed already."""

    def trial_started(self, number: int, network: str) -> None:
        """A network is about to be measured."""

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
        """A trial is stored, completed or failed; ``completed`` are all of the study that are."""


class Subject(Protocol):
    """What the trials of a study are about."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Every parameter there can be."""
        ...

    @property
    def canonical(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]] | None:
        """One representative of all parameters that mean the same; None: all differ."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share to be one study, by section of the study file, as plain data."""
        ...

    def prepare(self, stack: ExitStack, observer: Observer) -> None:
        """Opens what trials need; it is closed with the stack."""
        ...

    def measure(
        self, study: optuna.Study, trial: optuna.Trial, observer: Observer, interrupts: Interrupts
    ) -> Mapping[str, Mapping[str, Any]]:
        """Suggests the parameters of a trial, tells the observer, and returns its measurements by name."""
        ...
