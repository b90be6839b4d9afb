"""One run as arrays: the parameters that a sampler tried with one seed, the results, and the sampler's time.

A finished run on a table is one file, written completely or not at all. It holds plain arrays; nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.compare.contenders import Task
from mnas_moo.compare.timed_sampler import SAMPLER_MS
from mnas_moo.objectives.front import Floats, is_feasible
from mnas_moo.objectives.numpy_archive import read_archive
from mnas_moo.objectives.whole_file import whole_file

Ended = Literal["trials", "time", "exhausted"]

_FORMAT = 1


@dataclass(frozen=True)
class Run:
    """The N trials of one sampler and seed, in order, of a problem of D parameters, M objectives and C bounds.

    Attributes:
        sampler: name of the sampler.
        seed: seed of the run.
        ended: why the run ended: all trials are done, the time limit was reached, or the sampler was exhausted.
        limit_ms: time limit of the sampler in milliseconds; inf: no limit.
        genomes: (N, D) parameters as numbers (Optuna's internal representation); NaN: the parameter does not exist.
        told: (N, M) objective values as the sampler received them; NaN: the trial failed.
        values: (N, M) objective values by which the run is judged: means, where a measurement has noise.
        violations: (N, C) how far each bound was exceeded, as the sampler received it.
        feasible: (N,) whether the trial's means keep all bounds.
        sampler_ms: (N,) milliseconds that the sampler took for each trial.
    """

    sampler: str
    seed: int
    ended: Ended
    limit_ms: float
    genomes: Floats
    told: Floats
    values: Floats
    violations: Floats
    feasible: npt.NDArray[np.bool_]
    sampler_ms: Floats

    def __len__(self) -> int:
        return len(self.values)

    def within(self, trials: int, limit_ms: float) -> Run | None:
        """This run as it would have been with another budget; None if that is larger than the run."""
        spent = np.cumsum(np.nan_to_num(self.sampler_ms))
        n = min(trials, 1 + int(np.searchsorted(spent, limit_ms)))
        if n <= len(self):
            ended: Ended = "trials" if n == trials else "time"
            parts = {key: getattr(self, key)[:n] for key in _ARRAYS}
            return dataclasses.replace(self, ended=ended, limit_ms=limit_ms, **parts)
        return self if self.ended == "exhausted" else None


_ARRAYS = ("genomes", "told", "values", "violations", "feasible", "sampler_ms")
_WORDS = ("sampler", "seed", "ended", "limit_ms")


def save(run: Run, file: Path) -> None:
    """Writes a run into a file, which appears complete or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    words = json.dumps({"format": _FORMAT, **{key: getattr(run, key) for key in _WORDS}})
    with whole_file(file) as part, part.open("wb") as out:
        np.savez_compressed(out, words=np.array(words), **{key: getattr(run, key) for key in _ARRAYS})


def load(file: Path) -> Run | None:
    """Reads a run; None if the file does not exist, is incomplete, or has another format."""
    try:
        archive = read_archive(file)
        words = json.loads(str(archive["words"]))
        if words.pop("format") != _FORMAT:
            return None
        arrays: dict[str, Any] = {key: archive[key] for key in _ARRAYS}
        return Run(**words, **arrays)
    except (FileNotFoundError, KeyError, ValueError, TypeError, AttributeError):
        return None


def of_trials(trials: Sequence[FrozenTrial], task: Task, sampler: str, seed: int, ended: Ended) -> Run:
    """The completed trials of a study as a run, judged by the measured values.

    Args:
        trials: trials of the study.
        task: problem of the study.
        sampler: name of the sampler.
        seed: seed of the run.
        ended: why the run ended.
    """
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    n = len(completed)
    values = np.array([trial.values for trial in completed], dtype=float).reshape(n, task.n_objectives)
    return Run(
        sampler,
        seed,
        ended,
        math.inf,
        genomes_of([trial.params for trial in completed], task.distributions),
        values,
        values,
        np.array([list(trial.constraints.values()) for trial in completed], float).reshape(n, task.n_constraints),
        np.array([is_feasible(trial) for trial in completed], dtype=bool),
        np.array([trial.user_attrs.get(SAMPLER_MS, math.nan) for trial in completed], dtype=float),
    )


def genomes_of(params: Sequence[Mapping[str, object]], distributions: Mapping[str, BaseDistribution]) -> Floats:
    """(N, D) parameters as numbers; NaN where a parameter does not exist.

    >>> from optuna.distributions import CategoricalDistribution, IntDistribution
    >>> space = {"kernel": CategoricalDistribution([3, 5]), "layers": IntDistribution(1, 4)}
    >>> genomes_of([{"kernel": 5, "layers": 2}, {"kernel": 3}], space).tolist()
    [[1.0, 2.0], [0.0, nan]]
    """
    rows = [
        [dist.to_internal_repr(each[name]) if name in each else math.nan for name, dist in distributions.items()]
        for each in params
    ]
    return np.array(rows, dtype=float).reshape(len(params), len(distributions))


def trials_of(run: Run, distributions: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """The run as finished trials, to be added to a storage."""
    trials = []
    for i in range(len(run)):
        there = {
            name: dist
            for (name, dist), number in zip(distributions.items(), run.genomes[i], strict=True)
            if not math.isnan(number)
        }
        numbers = dict(zip(distributions, run.genomes[i], strict=True))
        failed = bool(np.isnan(run.told[i]).any())
        trials.append(
            optuna.trial.create_trial(
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
                values=None if failed else run.told[i].tolist(),
                params={name: dist.to_external_repr(numbers[name]) for name, dist in there.items()},
                distributions=there,
                user_attrs={SAMPLER_MS: float(run.sampler_ms[i])},
                # the form in which the dashboard reads constraints; see mnas_moo/running/run.py
                system_attrs={"constraints": run.violations[i].tolist()} if run.violations.shape[1] else None,
            )
        )
    return trials
