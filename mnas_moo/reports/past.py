"""A study as the plots show it: its finished trials, their Pareto front, and the hypervolume over trials.

The hypervolume is that of Zitzler & Thiele 1998, of the first n trials for every n, all from one reference point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.front import (
    Floats,
    direction_names,
    hypervolume,
    is_feasible,
    minimised,
    pareto_mask,
    reference_point,
)
from mnas_moo.objectives.objective import OBJECTIVES, info_of
from mnas_moo.reports.intervals import interval_of
from mnas_moo.reports.verdicts import verdicts
from mnas_moo.running.trials import network_of
from mnas_moo.spaces.printable import short

PERCENT = frozenset(info.label for info in OBJECTIVES.values() if info.unit == "fraction")
"""Labels of the objectives that are fractions, which are shown in percent."""

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """The N finished trials of a study with M objectives, in the order of their numbers.

    Attributes:
        names: M names of the objectives.
        directions: M of "minimize" or "maximize".
        numbers: N trial numbers, ascending.
        values: (N, M) objective values in the objectives' units.
        feasible: (N,) whether the trial keeps all constraints.
        networks: N networks as text; "" for a trial without a network.
        intervals: (N, M, 2) 95 % intervals of the values; NaN where one is not known, None where none is.
        verdicts: what the study cannot say yet, a line each.
        marks: trials that are marked, and why in some words.
    """

    names: tuple[str, ...]
    directions: tuple[str, ...]
    numbers: tuple[int, ...]
    values: Floats
    feasible: Booleans
    networks: tuple[str, ...]
    intervals: Floats | None = None
    verdicts: tuple[str, ...] = ()
    marks: Mapping[int, str] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """M labels of the objectives. An accuracy above 1, as a user's table may have it, is no fraction."""
        above_1: list[bool] = np.asarray((self.values > 1).any(axis=0)).tolist()
        return tuple(
            name if label_of(name) in PERCENT and above else label_of(name)
            for name, above in zip(self.names, above_1, strict=True)
        )

    @property
    def front(self) -> Booleans:
        """(N,) whether the trial is feasible and no feasible one dominates it."""
        front = self.feasible.copy()
        front[front] = pareto_mask(self.values[self.feasible], self.directions)
        return front

    @property
    def reference_point(self) -> Floats | None:
        """(M,) the default reference point of all feasible trials; None if there are none.

        It depends on the worst values so far and moves as trials come in.
        """
        return reference_point(self.values[self.feasible], self.directions) if self.feasible.any() else None

    def hypervolumes(self) -> Floats:
        """(N,) the hypervolume of the first 1, 2, ... N trials, all measured from the present ``reference_point``."""
        volumes, volume = np.zeros(len(self.numbers)), 0.0
        reference = self.reference_point
        if reference is None:
            return volumes
        bound = minimised(reference, self.directions)
        front = np.empty((0, len(self.names)))
        for i, point in enumerate(minimised(self.values, self.directions)):
            # most trials are dominated when they arrive, and the volume stays
            if self.feasible[i] and not (front <= point).all(axis=1).any():
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
                volume = hypervolume(front, bound)
            volumes[i] = volume
        return volumes

    def best(self) -> Floats:
        """(N,) the best feasible value of the first objective among 1, 2, ... N trials; NaN while there is none."""
        values = minimised(self.values, self.directions)[:, :1]
        running = np.fmin.accumulate(np.where(self.feasible[:, None], values, np.nan))
        return minimised(running, self.directions[:1])[:, 0]


def label_of(name: str) -> str:
    """Name and unit of an objective for a reader; the begin of the name, printable, if ``OBJECTIVES`` does not have it.

    >>> label_of("parameters_m"), label_of("energy_j")
    ('parameters (millions)', 'energy_j')
    """
    info = info_of(name)
    return info.label if info else short(name)


def history(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], names: Sequence[str] | None
) -> History:
    """The finished trials of a study, without failed and pruned ones and those with an infinite value.

    >>> import optuna
    >>> study = optuna.create_study(directions=["maximize", "minimize"])
    >>> for values in ([0.75, 10.0], [0.5, 50.0], [0.5, 60.0]):
    ...     study.add_trial(optuna.create_trial(values=values))
    >>> past = history(study.trials, study.directions, ["accuracy", "latency_ms"])
    >>> past.labels
    ('accuracy on the hold-out', 'latency (ms)')
    >>> past.front.tolist()
    [True, False, False]
    >>> past.reference_point.tolist(), past.hypervolumes().round(6).tolist()
    ([0.475, 65.0], [15.125, 15.125, 15.125])

    Args:
        trials: all trials of one study.
        directions: directions of the study's objectives.
        names: names of the objectives (``study.metric_names``); None: they are numbered.
    """
    finished = [t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.values).all()]
    finished.sort(key=lambda trial: trial.number)
    names = tuple(names or (f"objective {i}" for i in range(len(directions))))
    known = [[interval_of(trial, name) or (np.nan, np.nan) for name in names] for trial in finished]
    intervals = np.array(known, dtype=float).reshape(len(finished), len(names), 2)
    return History(
        names=names,
        directions=tuple(direction_names(directions)),
        numbers=tuple(trial.number for trial in finished),
        values=np.array([trial.values for trial in finished], dtype=float).reshape(-1, len(directions)),
        feasible=np.array([is_feasible(trial) for trial in finished], dtype=bool),
        networks=tuple(map(network_of, finished)),
        intervals=None if np.isnan(intervals).all() else intervals,
        verdicts=tuple(verdicts(names, directions, finished)),
    )
