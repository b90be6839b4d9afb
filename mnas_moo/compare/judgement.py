"""The results of a comparison as plain data for JSON, from which alone tables and plots are made.

All figures are in the objectives' own units and directions. If the time limit ended some runs of a sampler, its curves
and figures end with its shortest run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnas_moo.compare import statistics
from mnas_moo.compare.record import Run
from mnas_moo.objectives.front import Floats, hypervolume, minimised, reference_point
from mnas_moo.objectives.tabular.problem import Fit
from mnas_moo.reward import MnasReward

FORMAT = 1
"""Version of the JSON's format."""

BASELINES = ("nsga2", "pymoo-nsga2")
"""The first of these that is compared sets the goal: its final mean hypervolume, to which trials are counted."""


@dataclass(frozen=True)
class Setting:
    """The problem and the conditions of a comparison.

    Attributes:
        problem: name of the problem.
        directions: objective -> "minimize" or "maximize", in order.
        trials: number of trials of each run.
        limit_ms: time limit of the sampler in each run, in milliseconds; inf: no limit.
        reference_point: (M,) reference point in the objectives' units; None: the front of all runs gives it.
        best_hypervolume: hypervolume of the best known front; None: the front of all runs gives it.
        reward: reward to report, with the indices of accuracy and latency among the objectives; None: no reward.
        fits: quantity -> quality of the model that answers where a table has no row; empty: nothing is modelled.
        left_out: sampler -> reason why it was not compared.
        failed: samplers among ``left_out`` whose runs failed.
    """

    problem: str
    directions: Mapping[str, str]
    trials: int
    limit_ms: float = math.inf
    reference_point: Sequence[float] | None = None
    best_hypervolume: float | None = None
    reward: tuple[MnasReward, int, int] | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    failed: Sequence[str] = ()


def judge(setting: Setting, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """All figures of a comparison, as JSON holds them.

    Args:
        setting: problem and conditions of the comparison.
        runs: sampler -> its runs, one for each seed; the same seeds for all samplers, which are in display order.

    Raises:
        ValueError: no run has a feasible trial, or none that is better than the reference point everywhere.
    """
    directions = list(setting.directions.values())
    points = {name: [minimised(run.values, directions) for run in each] for name, each in runs.items()}
    fronts = {
        name: [statistics.union_front([(p, run.feasible)]) for p, run in zip(points[name], each, strict=True)]
        for name, each in runs.items()
    }
    every = [front for each in fronts.values() for front in each]
    best = statistics.union_front([(front, np.ones(len(front), dtype=bool)) for front in every])
    if not len(best):
        raise ValueError(f"{setting.problem}: no sampler found a feasible point, so there is nothing to compare")
    reference = (
        reference_point(best) if setting.reference_point is None else minimised(setting.reference_point, directions)
    )
    best_volume = setting.best_hypervolume or hypervolume(best, reference)
    if best_volume == 0:
        raise ValueError(f"{setting.problem}: no sampler found a point better than the reference point everywhere")
    judged = {
        name: _Judged(
            runs[name],
            [
                statistics.Hypervolumes(p, run.feasible, reference)
                for p, run in zip(points[name], runs[name], strict=True)
            ],
            setting.trials,
        )
        for name in runs
    }
    marks = statistics.marks(setting.trials)
    found: dict[str, Any] = {
        "format": FORMAT,
        "problem": setting.problem,
        "objectives": dict(setting.directions),
        "trials": setting.trials,
        "seeds": [run.seed for run in next(iter(runs.values()))],
        "time_limit_minutes": None if math.isinf(setting.limit_ms) else setting.limit_ms / 60_000,
        "reference_point": minimised(reference, directions).tolist(),
        "reference_point_of": "runs" if setting.reference_point is None else "problem",
        "best_hypervolume": best_volume,
        "best_hypervolume_of": "problem" if setting.best_hypervolume else "runs",
        "confidence": statistics.LEVEL,
        "modelled": {name: {"r2": fit.r2, "tau": fit.tau} for name, fit in setting.fits.items()},
        "marks": marks,
        "samplers": {},
        "tests": _tests(judged, marks),
        "left_out": dict(setting.left_out),
        "failed": list(setting.failed),
    }
    baseline = next((name for name in BASELINES if name in judged), None)
    goal = judged[baseline].mean(judged[baseline].reach) if baseline else math.nan
    if baseline:
        found["goal"] = {"of": baseline, "trials": judged[baseline].reach, "hypervolume": goal}
    if setting.reward:
        found["reward"] = {"formula": "mnas", "target_ms": setting.reward[0].target}
    for name, each in judged.items():
        union = statistics.union_front(list(zip(points[name], (run.feasible for run in each.runs), strict=True)))
        figures: dict[str, Any] = {
            "trials": each.reach,
            "ended": {why: sum(run.ended == why for run in each.runs) for why in ("trials", "time", "exhausted")},
            "at_marks": each.at(marks, best_volume),
            "curve": each.curve(best_volume),
            "sampler_ms": each.sampler_ms(),
            "front": _listed(minimised(union, directions) if len(union) else union, directions),
        }
        if baseline:
            figures["to_goal"] = each.to_reach(goal)
        if len(directions) == 2:
            half = statistics.median_attainment(fronts[name])
            figures["median_front"] = _listed(minimised(half, directions) if len(half) else half, directions)
        if setting.reward:
            figures["best_reward"] = _best_rewards(*setting.reward, each.runs, [m for m in marks if m <= each.reach])
        found["samplers"][name] = figures
    return found


class _Judged:
    """The S runs of one sampler, with their hypervolumes."""

    def __init__(self, runs: Sequence[Run], hypervolumes: Sequence[statistics.Hypervolumes], trials: int) -> None:
        self.runs = runs
        self.hypervolumes = hypervolumes
        self.reach = min(len(run) if run.ended == "time" else trials for run in runs)
        """Number of trials that all runs have; a run whose sampler was exhausted counts as complete."""

    def volumes(self, n: int) -> Floats:
        """(S,) hypervolumes after n trials."""
        return np.array([each.after(n) for each in self.hypervolumes])

    def mean(self, n: int) -> float:
        return float(self.volumes(n).mean())

    def _over(self, places: Sequence[int], best: float) -> tuple[Floats, dict[str, Any]]:
        samples = np.stack([self.volumes(n) for n in places], axis=1)
        low, high = statistics.bootstrap_band(samples)
        mean = samples.mean(axis=0)
        return samples, {
            "trials": list(places),
            "hypervolume": {"mean": mean.tolist(), "low": low.tolist(), "high": high.tolist()},
            "regret": {
                "mean": (1 - mean / best).tolist(),
                "low": (1 - high / best).tolist(),
                "high": (1 - low / best).tolist(),
            },
        }

    def at(self, marks: Sequence[int], best: float) -> dict[str, Any]:
        """Mean and confidence band at the marks within ``reach``, and the value of every seed."""
        places = [mark for mark in marks if mark <= self.reach]
        if not places:
            return {"trials": []}
        samples, figures = self._over(places, best)
        return {**figures, "hypervolume_of_seeds": samples.T.tolist()}

    def curve(self, best: float) -> dict[str, Any]:
        return self._over(statistics.grid(self.reach), best)[1]

    def to_reach(self, goal: float) -> dict[str, Any]:
        """Trials until the mean over seeds reaches a hypervolume, the seeds' median, and how many seeds reach it."""
        each = [
            statistics.trials_to_reach(volumes.after, len(run), goal)
            for volumes, run in zip(self.hypervolumes, self.runs, strict=True)
        ]
        sizes = sorted(math.inf if n is None else n for n in each)
        median = sizes[(len(sizes) - 1) // 2]
        return {
            "mean": statistics.trials_to_reach(self.mean, self.reach, goal),
            "median": None if math.isinf(median) else median,
            "seeds": sum(n is not None for n in each),
        }

    def sampler_ms(self) -> dict[str, Any]:
        """The sampler's milliseconds per trial: mean, and curve of means between successive points of the grid."""
        places = statistics.grid(self.reach)
        times = [run.sampler_ms[: self.reach] for run in self.runs]
        curve = []
        for before, n in zip([0, *places], places, strict=False):
            stretch = np.concatenate([each[before:n] for each in times])
            curve.append(_number(np.nanmean(stretch) if np.isfinite(stretch).any() else math.nan))
        whole = np.concatenate(times)
        mean = _number(np.nanmean(whole) if np.isfinite(whole).any() else math.nan)
        return {"mean": mean, "curve": {"trials": places, "ms": curve}}


def _number(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(points: Floats, directions: Sequence[str]) -> list[list[float]]:
    return np.asarray(points, dtype=float).reshape(-1, len(directions)).tolist()


def _best_rewards(
    reward: MnasReward, accuracy: int, latency: int, runs: Sequence[Run], marks: Sequence[int]
) -> dict[str, Any]:
    """The best reward of a feasible trial up to each mark, as mean over seeds with its confidence band."""
    samples = np.full((len(runs), len(marks)), np.nan)
    for i, run in enumerate(runs):
        usable = run.feasible & (run.values[:, latency] > 0)
        rewards = np.full(len(run), -np.inf)
        if usable.any():
            rewards[usable] = reward(run.values[usable, accuracy], run.values[usable, latency])
        best = np.maximum.accumulate(rewards)
        samples[i] = [best[min(mark, len(run)) - 1] for mark in marks]
    there = [k for k in range(len(marks)) if np.isfinite(samples[:, k]).all()]
    if not there:
        return {"trials": []}
    low, high = statistics.bootstrap_band(samples[:, there])
    mean = samples[:, there].mean(axis=0)
    return {"trials": [marks[k] for k in there], "mean": mean.tolist(), "low": low.tolist(), "high": high.tolist()}


def _champion(names: Sequence[str]) -> str:
    """The sampler against which all others are tested: ``mnas``, or else the first."""
    return "mnas" if "mnas" in names else names[0]


def _tests(judged: Mapping[str, _Judged], marks: Sequence[int]) -> list[dict[str, Any]]:
    """Paired tests over seeds of each other sampler against one, at all marks, corrected for their number."""
    ours = _champion(list(judged))
    tests: list[dict[str, Any]] = []
    for name, other in judged.items():
        for mark in marks if name != ours else ():
            if mark <= min(judged[ours].reach, other.reach):
                mine, theirs = judged[ours].volumes(mark), other.volumes(mark)
                tests.append(
                    {
                        "sampler": ours,
                        "versus": name,
                        "trials": mark,
                        "wins": int((mine > theirs).sum()),
                        "losses": int((mine < theirs).sum()),
                        "ties": int((mine == theirs).sum()),
                        "p": statistics.wilcoxon(mine, theirs),
                    }
                )
    for test, p in zip(tests, statistics.holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = p
    return tests
