"""What a run, its subjects and its reports share: attributes of trials, and ``Observer`` and ``Subject``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from optuna.trial import TrialState

from mnas_moo.objectives.training.settings import TrainingProgress
from mnas_moo.running.interrupts import Interrupts
from mnas_moo.spaces.text import MOST_CHARACTERS

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from mnas_moo.spaces.growth import Growth

NETWORK = "network"
"""Trial attribute: the network in block-string notation, choices without effect spelt one way."""
MEASUREMENTS = "measurements"
"""Trial attribute: {name: {value, details…}} of all that was measured."""
FAILURE = "failure"
"""Trial attribute: why the trial failed."""
TRAININGS = "trainings"
"""Attribute of a running trial: {"network": its network, "trainings": those that have ended}, for another try of it."""
PROGRESS = "progress"
"""Attribute of a running trial: where its training stands, a ``TrainingProgress`` as a dict."""
JUDGED = "judged"
"""Trial attribute: by what the network was judged in a study of shared weights, where not by these."""
SAME_AS = "same_as"
"""Trial attribute: number of the earlier trial of the same network whose results these are."""


def network_of(trial: FrozenTrial) -> str:
    """The network of a trial as text; empty where it has none, or where what stands there is too long to be one."""
    found = trial.user_attrs.get(NETWORK)
    return found if isinstance(found, str) and len(found) <= MOST_CHARACTERS else ""


def measured(trial: FrozenTrial, name: str) -> Mapping[str, Any]:
    """What is stored of one measurement of a trial; empty where nothing is, or nothing of ours."""
    stored = trial.user_attrs.get(MEASUREMENTS)
    found = stored.get(name) if isinstance(stored, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def completed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The completed trials of a study, by number; not to be changed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def violations(
    measurements: Mapping[str, Mapping[str, Any]], limits: Mapping[str, tuple[float | None, float | None]]
) -> list[float]:
    """How far each bound is exceeded, in the number's unit; at or below 0 it is kept.

    Args:
        measurements: what was measured, by name.
        limits: constrained number -> (min, max).
    """
    return [
        sign * (measurements[name]["value"] - limit)
        for name, (low, high) in limits.items()
        for sign, limit in ((1, high), (-1, low))
        if limit is not None
    ]


class Observer:
    """Is told of what happens in a run; a subclass overrides the methods that it needs."""

    def preparing(self, what: str) -> None:
        """A step before the first trial has begun, which may take a while."""

    def waiting(self, why: str) -> None:
        """The run waits for a device, or has given one up; called from any thread."""

    def promised(self, trial_seconds: float, words: Sequence[str]) -> None:
        """One child was timed: how long a trial is expected to take, and what was chosen for a budget, by lines."""

    def expects(self, wanted: int) -> None:
        """The number of completed trials that the study is to have, where a budget of time changes it."""

    def started(self, study: optuna.Study, completed: Sequence[FrozenTrial], wanted: int) -> None:
        """Trials begin, or all that are wanted are completed already; ``completed`` are those of the study."""

    def trial_started(self, number: int, network: str) -> None:
        """A network is about to be measured."""

    def training(self, number: int, progress: TrainingProgress) -> None:
        """A training of trial ``number`` goes on; called about once a second."""

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
        """A trial is stored, completed or failed; ``completed`` are all completed trials of the study."""


class Subject(Protocol):
    """What the trials of a study measure."""

    wanted: int
    """Number of completed trials that the study is to have, as far as is known."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Every parameter there can be."""
        ...

    @property
    def canonical(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]] | None:
        """Maps parameters to one representative of all that mean the same; None: all differ."""
        ...

    @property
    def features(self) -> Callable[[Mapping[str, Any]], Mapping[str, float]] | None:
        """Maps parameters to numbers that describe what they mean, for the sampler's model; None: there are none."""
        ...

    @property
    def growth(self) -> Growth | None:
        """The order in which networks grow; None: the space says none."""
        ...

    @property
    def computed(self) -> Callable[[Mapping[str, Any]], Mapping[int, float]] | None:
        """Maps parameters to the objectives that need no measurement, by their position; None: all need one."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share to be one study, by section of the study file, as plain data."""
        ...

    def prepare(self, stack: ExitStack, observer: Observer) -> None:
        """Opens what the trials need; leaving the stack closes it."""
        ...

    def stage(self, study: optuna.Study, wanted: int) -> int:
        """How many of ``wanted`` completed trials are wanted now; may put trials into the study."""
        ...

    def measure(
        self, study: optuna.Study, trial: optuna.Trial, observer: Observer, interrupts: Interrupts
    ) -> Mapping[str, Mapping[str, Any]]:
        """Suggests the parameters of a trial, tells the observer, and returns its measurements by name."""
        ...
