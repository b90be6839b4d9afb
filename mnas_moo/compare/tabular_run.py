"""One run of a sampler on a table: in memory, by Optuna's own loop, because a trial takes microseconds.

The sampler receives measured values with noise; the run is judged by the means. The noise of a trial depends on the
run's seed and the trial's number alone, so that it is the same for all samplers.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from mnas_moo.compare import contenders, record
from mnas_moo.compare.record import Ended, Run
from mnas_moo.compare.timed_sampler import SAMPLER_MS, TimedSampler
from mnas_moo.objectives.tabular.problem import FailedTrialError, TabularProblem
from mnas_moo.pymoo.sampler import ExhaustedError

if TYPE_CHECKING:
    from mnas_moo.reward import Reward


def task_of(problem: TabularProblem, reward: Reward | None = None) -> contenders.Task:
    """The problem of a table as samplers see it."""
    bounds = sum(limit is not None for pair in problem.bounds.values() for limit in pair)
    return contenders.Task(problem.distributions, len(problem.directions), bounds, reward=reward, growth=problem.growth)


def play(
    problem: TabularProblem,
    sampler: str,
    seed: int,
    trials: int,
    *,
    limit_ms: float = math.inf,
    reward: Reward | None = None,
) -> Run:
    """Runs a sampler on a table.

    Args:
        problem: table to search.
        sampler: one of ``contenders.NAMES``.
        seed: seed of the sampler and of the noise.
        trials: number of trials, including those that fail by the table, which cost as much as others.
        limit_ms: time of the sampler, in milliseconds, after which no further trial is started; inf: no limit.
        reward: reward for ``mnas-paper``; None: it has none.

    Raises:
        ValueError: the sampler is unknown or cannot do the problem.
        MissingExtraError: the sampler needs a package that is not installed.
    """
    means: list[list[float]] = []
    feasible: list[bool] = []
    violations: list[list[float]] = []
    names = list(problem.directions)
    task = task_of(problem, reward)
    spent_ms = 0.0

    def objective(trial: optuna.Trial) -> list[float]:
        params = problem.suggest(trial)
        means.append([math.nan] * len(names))
        violations.append([math.nan] * task.n_constraints)
        feasible.append(False)
        found = problem.measure(params, np.random.default_rng([seed, trial.number]))
        mean = problem.measure(params, None)
        means[-1] = [mean[name] for name in names]
        feasible[-1] = all(violation <= 0 for violation in problem.violations(mean))
        if task.n_constraints:
            violations[-1] = problem.violations(found)
            trial.storage.set_trial_system_attr(trial._trial_id, "constraints", violations[-1])
        return [found[name] for name in names]

    def check_time(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal spent_ms
        spent_ms += trial.user_attrs[SAMPLER_MS]
        if spent_ms >= limit_ms:
            study.stop()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)  # what a sampler's makers will change is not our user's matter
        study = optuna.create_study(
            directions=list(problem.directions.values()), sampler=TimedSampler(contenders.make(sampler, seed, task))
        )
        study.set_metric_names(names)
        with contextlib.suppress(ExhaustedError):
            study.optimize(objective, n_trials=trials, catch=(FailedTrialError,), callbacks=[check_time])
    done = study.get_trials(deepcopy=False)[: len(means)]
    ended: Ended = "trials" if len(done) == trials else "time" if spent_ms >= limit_ms else "exhausted"
    return Run(
        sampler,
        seed,
        ended,
        limit_ms,
        record.genomes_of([trial.params for trial in done], problem.distributions),
        np.array([trial.values or [math.nan] * len(names) for trial in done], dtype=float).reshape(
            len(done), len(names)
        ),
        np.array(means, dtype=float).reshape(len(done), len(names)),
        np.array(violations, dtype=float).reshape(len(done), task.n_constraints),
        np.array(feasible, dtype=bool),
        np.array([trial.user_attrs[SAMPLER_MS] for trial in done], dtype=float),
    )
