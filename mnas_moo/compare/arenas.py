"""What samplers are compared on: a table, or a study of networks that are trained and measured.

A run on a table takes seconds; it is made in memory and written to a file of its own when it is complete. A run on
networks is an Optuna study in the comparison's storage; ``run_study`` executes it, and every trial is stored.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from mnas_moo.compare import contenders, record, tabular_run
from mnas_moo.compare.journal import Journal
from mnas_moo.compare.record import Run
from mnas_moo.compare.timed_sampler import SAMPLER_MS, TimedSampler
from mnas_moo.objectives.tabular.problem import FailedTrialError, Fit
from mnas_moo.running.identity import identity_of
from mnas_moo.running.run import run_study, subject_of
from mnas_moo.running.samplers import growth_of
from mnas_moo.running.searches import fbnet_sampler
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import Observer, Subject, completed_trials
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy

if TYPE_CHECKING:
    from mnas_moo.objectives.tabular.problem import TabularProblem
    from mnas_moo.reward import Reward

JOURNAL = "studies.journal"
"""Name of the file, in a comparison's folder, that holds all runs as studies."""

PROBES = 8
"""Number of points whose values identify a table."""


@dataclass(frozen=True)
class Budget:
    """The budget of every run.

    Attributes:
        trials: number of trials.
        limit_ms: time taken by the sampler, in milliseconds, after which the run ends; inf: no limit.
    """

    trials: int
    limit_ms: float = math.inf


@dataclass(frozen=True)
class Job:
    """One run to be made, in a process of its own.

    Attributes:
        sampler: name of the sampler.
        seed: seed of the run.
        do: function of the job that makes the run; defined in a module, because it is sent to another process.
        details: everything else that ``do`` needs; pickled.
    """

    sampler: str
    seed: int
    do: Callable[[Job], None]
    details: Any


def do(job: Job) -> None:
    """Does a job in the present process, without Optuna's log."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.captureWarnings(True)
    job.do(job)


class Arena(Protocol):
    """A problem on which samplers are run.

    Attributes:
        task: the problem as the samplers see it.
        identity: plain data that is equal for equal problems.
        reference_point: (M,) reference point in the objectives' units; None: the problem has none.
        best_hypervolume: hypervolume of the best known front; None: it is not known.
        fits: quantity -> quality of the model that answers where a table has no row; empty: nothing is modelled.
    """

    task: contenders.Task
    identity: dict[str, Any]
    reference_point: tuple[float, ...] | None
    best_hypervolume: float | None
    fits: Mapping[str, Fit]

    def job(self, sampler: str, seed: int) -> Job:
        """The job that makes a run."""
        ...

    def run(self, sampler: str, seed: int, *, ended: bool) -> Run | None:
        """The run, if it is complete.

        Args:
            sampler: name of the sampler.
            seed: seed of the run.
            ended: whether the run's job has just ended, so that what is there now is all.
        """
        ...


def make_arena(study_file: StudyFile, folder: Path, budget: Budget, reward: Reward | None) -> Arena:
    """The arena for the problem of a study.

    Args:
        study_file: a tabular study or a study of networks.
        folder: folder of the comparison.
        budget: budget of each run.
        reward: reward for ``mnas-paper``; None: it has none.

    Raises:
        StudyError: the study's table or data cannot be read.
    """
    if isinstance(study_file, TabularStudy):
        return TableArena(study_file, folder, budget, reward)
    return StudyArena(study_file, folder, budget, reward)


class TableArena:
    """Runs on a table; see ``make_arena``."""

    def __init__(self, study_file: TabularStudy, folder: Path, budget: Budget, reward: Reward | None) -> None:
        self._study_file, self._folder, self._budget, self._reward = study_file, folder, budget, reward
        growth = growth_of(study_file, subject_of(study_file))
        self._problem = dataclasses.replace(study_file.problem, growth=growth)
        self.task = tabular_run.task_of(self._problem, reward)
        self.identity = {**identity_of(study_file, subject_of(study_file)), "values": _probes(self._problem)}
        self.reference_point = self._problem.reference_point
        self.best_hypervolume = self._problem.best_hypervolume
        self.fits = self._problem.fits or {}
        for unfinished in (folder / "runs").glob(".*.part.npz"):
            unfinished.unlink()
        self._journal: Journal | None = None

    def job(self, sampler: str, seed: int) -> Job:
        """See ``Arena``."""
        return Job(sampler, seed, _play, (self._problem, self._budget, self._reward, self._file(sampler, seed)))

    def run(self, sampler: str, seed: int, *, ended: bool) -> Run | None:
        """See ``Arena``; a complete run is also written to the comparison's storage, unless it is there."""
        run = record.load(self._file(sampler, seed))
        run = run and run.within(self._budget.trials, self._budget.limit_ms)
        if run:
            self._journal = self._journal or Journal(self._folder / JOURNAL)
            self._journal.put(
                study_name(self._study_file, sampler, seed),
                self._problem.directions,
                lambda: record.trials_of(run, self.task.distributions),
                {"trials": len(run), "sampler_ms": float(np.nansum(run.sampler_ms))},
            )
        return run

    def _file(self, sampler: str, seed: int) -> Path:
        return self._folder / "runs" / f"{sampler}-{seed}.npz"


def _play(job: Job) -> None:
    problem, budget, reward, file = job.details
    run = tabular_run.play(problem, job.sampler, job.seed, budget.trials, limit_ms=budget.limit_ms, reward=reward)
    record.save(run, file)


def _probes(problem: TabularProblem) -> list[dict[str, float] | None]:
    """Values of some fixed random points, which identify a table; None: the trial failed."""
    rng, values = np.random.default_rng(0), list[dict[str, float] | None]()
    for _ in range(PROBES):
        params = problem.random(rng)
        try:
            values.append(problem.measure(params, None))
        except FailedTrialError:
            values.append(None)
    return values


class StudyArena:
    """Runs on networks; see ``make_arena``."""

    reference_point: tuple[float, ...] | None = None
    best_hypervolume: float | None = None
    fits: Mapping[str, Fit] = MappingProxyType({})

    def __init__(self, study_file: StudyFile, folder: Path, budget: Budget, reward: Reward | None) -> None:
        self._study_file, self._folder, self._budget, self._reward = study_file, folder, budget, reward
        subject = subject_of(study_file)
        self.task = _task(study_file, subject, reward)
        self.identity = identity_of(study_file, subject)

    def job(self, sampler: str, seed: int) -> Job:
        """See ``Arena``."""
        return Job(sampler, seed, _run, (self._study(sampler, seed), self._budget, self._reward))

    def run(self, sampler: str, seed: int, *, ended: bool) -> Run | None:
        """See ``Arena``."""
        study = find_study(self._study(sampler, seed))
        if study is None:
            return None
        run = record.of_trials(completed_trials(study), self.task, sampler, seed, "exhausted" if ended else "trials")
        return run.within(self._budget.trials, self._budget.limit_ms)

    def _study(self, sampler: str, seed: int) -> StudyFile:
        return self._study_file.model_copy(
            update={
                "name": study_name(self._study_file, sampler, seed),
                "storage": f"journal:///{self._folder / JOURNAL}",
            }
        )


def _task(study_file: StudyFile, subject: Subject, reward: Reward | None) -> contenders.Task:
    return contenders.Task(
        subject.distributions,
        len(study_file.objective_names),
        sum(limit is not None for pair in study_file.limits.values() for limit in pair),
        subject.canonical,
        subject.features,
        reward,
        functools.partial(fbnet_sampler, study_file, subject),
        growth_of(study_file, subject),
        subject.computed,
    )


def _run(job: Job) -> None:
    study_file, budget, reward = job.details

    def make(subject: Subject, n_trials: int) -> optuna.samplers.BaseSampler:
        return TimedSampler(contenders.make(job.sampler, job.seed, _task(study_file, subject, reward), n_trials))

    run_study(study_file, trials=budget.trials, observer=_TimeLimit(budget.limit_ms), sampler=make)


class _TimeLimit(Observer):
    """Stops a run when its sampler has taken ``limit_ms``."""

    def __init__(self, limit_ms: float) -> None:
        self._limit_ms = limit_ms

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Any) -> None:
        if sum(each.user_attrs.get(SAMPLER_MS, 0.0) for each in completed) >= self._limit_ms:
            study.stop()


def study_name(study_file: StudyFile, sampler: str, seed: int) -> str:
    """The name of a run's study in the comparison's storage."""
    return f"{study_file.name} {sampler} seed {seed}"
