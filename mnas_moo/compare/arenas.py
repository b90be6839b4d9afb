"""Where samplers are compared: on a table, in memory and one file a run, or in a real study that trains and measures.

A run on a table takes seconds and is kept when it is whole. A run of a real study is one Optuna study in the
comparison's storage, goes through ``run_study``, and is kept trial by trial.
"""

from __future__ import annotations

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
from mnas_moo.running.run import identity_of, run_study, subject_of
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import Observer, Subject, completed_trials
from mnas_moo.study_file.network_study import StudyFile
from mnas_moo.study_file.tabular_study import TableStudy

if TYPE_CHECKING:
    from mnas_moo.objectives.tabular.problem import TabularProblem
    from mnas_moo.reward import Reward

JOURNAL = "studies.journal"
"""File of all studies of a comparison, in its folder."""

PROBES = 8
"""Points of a table whose values tell whether it is still the same table."""


@dataclass(frozen=True)
class Budget:
    """What every run has.

    Attributes:
        trials: how many.
        limit_ms: time of the sampler after which the run ends; inf: no limit.
    """

    trials: int
    limit_ms: float = math.inf


@dataclass(frozen=True)
class Job:
    """One run that is to be done, in a process of its own.

    Attributes:
        sampler: its name.
        seed: its seed.
        do: does it; a function of a module, for it is sent to another process.
        details: what ``do`` needs beside.
    """

    sampler: str
    seed: int
    do: Callable[[Job], None]
    details: Any


def do(job: Job) -> None:
    """Does a job, in whatever process this is."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.captureWarnings(True)
    job.do(job)


class Arena(Protocol):
    """What a comparison is held on."""

    task: contenders.Task
    identity: dict[str, Any]
    """What two comparisons must share to be one, as plain data."""
    reference_point: tuple[float, ...] | None
    best_hypervolume: float | None
    fits: Mapping[str, Fit]
    """Quantity -> how well the model does that answers where a table has no row; empty: nothing is modelled."""

    def job(self, sampler: str, seed: int) -> Job:
        """The run that is to be done."""
        ...

    def run(self, sampler: str, seed: int, *, ended: bool) -> Run | None:
        """The run, if all of it is there; ``ended``: its job has just been done, so that no more will come."""
        ...


def arena(study_file: StudyFile, folder: Path, budget: Budget, reward: Reward | None) -> Arena:
    """The arena of a study.

    Args:
        study_file: of a table or of networks.
        folder: of the comparison.
        budget: of each run.
        reward: for ``mnas-paper``.

    Raises:
        StudyError: the study's table or data cannot be read.
    """
    if isinstance(study_file, TableStudy):
        return TableArena(study_file, folder, budget, reward)
    return StudyArena(study_file, folder, budget, reward)


class TableArena:
    """Runs on a table; see ``arena``."""

    def __init__(self, study_file: TableStudy, folder: Path, budget: Budget, reward: Reward | None) -> None:
        self._study_file, self._folder, self._budget, self._reward = study_file, folder, budget, reward
        self._problem = study_file.problem
        self.task = tabular_run.task_of(self._problem, reward)
        self.identity = {**identity_of(study_file, subject_of(study_file)), "values": _probes(self._problem)}
        self.reference_point = self._problem.reference_point
        self.best_hypervolume = self._problem.best_hypervolume
        self.fits = self._problem.fits or {}
        for unfinished in (folder / "runs").glob("*.tmp"):
            unfinished.unlink()
        self._journal: Journal | None = None

    def job(self, sampler: str, seed: int) -> Job:
        """See ``Arena``."""
        return Job(sampler, seed, _play, (self._problem, self._budget, self._reward, self._file(sampler, seed)))

    def run(self, sampler: str, seed: int, *, ended: bool) -> Run | None:
        """See ``Arena``; what is there is also written as a study, if it has not been."""
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
    """Values of some points; None: a failed trial."""
    rng, values = np.random.default_rng(0), list[dict[str, float] | None]()
    for _ in range(PROBES):
        params = problem.random(rng)
        try:
            values.append(problem.measure(params, None))
        except FailedTrialError:
            values.append(None)
    return values


class StudyArena:
    """Real studies; see ``arena``."""

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
        reward,
    )


def _run(job: Job) -> None:
    study_file, budget, reward = job.details

    def make(subject: Subject, n_trials: int) -> optuna.samplers.BaseSampler:
        return TimedSampler(contenders.make(job.sampler, job.seed, _task(study_file, subject, reward), n_trials))

    run_study(study_file, trials=budget.trials, observer=_TimeLimit(budget.limit_ms), sampler=make)


class _TimeLimit(Observer):
    """Stops a run when the sampler's time is up."""

    def __init__(self, limit_ms: float) -> None:
        self._limit_ms = limit_ms

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Any) -> None:
        if sum(each.user_attrs.get(SAMPLER_MS, 0.0) for each in completed) >= self._limit_ms:
            study.stop()


def study_name(study_file: StudyFile, sampler: str, seed: int) -> str:
    """How the study of a run is called in the comparison's storage."""
    return f"{study_file.name} {sampler} seed {seed}"
