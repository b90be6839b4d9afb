"""How a search is learning: the diagnostics that ``MnasSampler`` keeps with its trials, as series over trials.

Of the published search: its rewards, and the diagnostics of each PPO update (``mnas_moo.ppo.Diagnostics``). Of the
default one: how well its model predicts (``mnas_moo.surrogate.surrogate.Quality``), the sources of its proposals, and
the results expected of them beside those that came. One ``Chart`` each, for any drawing library.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.objectives.front import Floats, direction_names, hypervolume, is_feasible, minimised, pareto_mask
from mnas_moo.reports.past import label_of
from mnas_moo.surrogate.scale import Scale

WINDOW = 20
"""Number of trials over which shares are taken."""
NOTHING = "only the samplers mnas, mnas-paper and dppnet keep how they learn, from their second trial on"
"""Why a study may have nothing to show."""
POINTS = 300
"""Largest number of points of a line that are drawn."""
SOURCES = {
    "policy": "policy",
    "mutation": "mutation",
    "neighbour": "neighbour",
    "random": "random",
    "start": "first trials",
    "walk": "walk through the space",
    "again": "tried before",
    "mutant": "grown by a step",
    "exploration": "exploration",
}
"""Sources of proposals: name in a trial's note -> label."""

GROUPS = {
    "model": "How the search is learning: its model",
    "proposals": "How the search is learning: its proposals",
    "policy": "How the search is learning: its policy",
}
"""Groups of charts -> their titles."""

UPDATES = {
    "reward": "mean reward of the batch",
    "approx_kl": "approximate KL (nats a decision)",
    "clip_fraction": "clip fraction",
    "entropy": "entropy (nats a decision)",
    "gradient_norm": "gradient norm",
    "explained_variance": "explained variance of the rewards",
}
"""Numbers of an update: name in a trial's note -> label."""


@dataclass(frozen=True)
class Update:
    """Diagnostics of one update.

    Attributes:
        trial: number of the trial whose note holds them, the first that follows the new version.
        version: version of the policy that the update made.
        numbers: numbers of the update, by their names in ``UPDATES``; None where one is not defined.
        model: M qualities of the model, by objective; empty for the published search.
    """

    trial: int
    version: int
    numbers: Mapping[str, float | None]
    model: Sequence[Mapping[str, float | None]] = ()


@dataclass(frozen=True)
class Outcome:
    """A proposal of the model: expected and actual results.

    Attributes:
        trial: number of the trial.
        expected: (M, 3) low, median and high in the study's units; 95 % of results are expected between low and high.
        came: (M,) actual results in the study's units.
        expected_gain: expected growth of the hypervolume, on the model's scales.
        gain: growth of the hypervolume by the result, on the same scales.
    """

    trial: int
    expected: Floats
    came: Floats
    expected_gain: float
    gain: float

    @property
    def inside(self) -> list[bool]:
        """Whether each of the M results lies where it was expected."""
        inside: list[bool] = ((self.expected[:, 0] <= self.came) & (self.came <= self.expected[:, 2])).tolist()
        return inside


@dataclass(frozen=True)
class Grown:
    """How well the networks of a round of the progressive search were predicted before they were measured.

    Attributes:
        trial: number of the trial whose note says it, one of the first of the next round.
        round: number of the round, from 0.
        steps: number of steps that its networks have grown.
        networks: number of those that were predicted and measured.
        tau: Kendall's rank correlation of predictions and results, by objective; None where it was not predicted.
    """

    trial: int
    round: int
    steps: int
    networks: int
    tau: Sequence[float | None]


@dataclass(frozen=True)
class Learning:
    """How a search has been learning.

    Attributes:
        names: names of the M objectives.
        updates: updates of the policy, by version.
        sources: source of every proposal whose note names one, by trial number.
        outcomes: finished proposals of the model, by trial number.
        grown: rounds of the progressive search.
    """

    names: tuple[str, ...]
    updates: Sequence[Update]
    sources: Mapping[int, str]
    outcomes: Sequence[Outcome]
    grown: Sequence[Grown] = ()


@dataclass(frozen=True)
class Series:
    """One line of a chart: values (K,) over trial numbers (K,)."""

    label: str
    trials: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """One pair of axes over trials.

    Attributes:
        group: group that it belongs to, a key of ``GROUPS``.
        title: name of the quantity, and its unit.
        lines: lines over trials, at least one.
        percent: whether the values are shares, from 0 to 1.
    """

    group: str
    title: str
    lines: Sequence[Series] = field(default_factory=list)
    percent: bool = False


def learning_of(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], names: Sequence[str] | None
) -> Learning:
    """Reads the diagnostics that the notes of a study's trials hold; empty where another sampler proposed them.

    Args:
        trials: all trials of the study.
        directions: directions of the objectives.
        names: names of the objectives (``study.metric_names``); None: they are numbered.

    Raises:
        ValueError: the notes are not as the samplers write them.
    """
    try:
        return _learning_of(trials, directions, names)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"the notes of the search are damaged ({type(error).__name__}: {error})") from error


def _learning_of(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], names: Sequence[str] | None
) -> Learning:
    notes = {trial.number: trial.system_attrs.get(ATTRIBUTE, {}) for trial in trials}
    updates: dict[int, Update] = {}
    models: dict[int, Mapping[str, Any]] = {}  # scales and reference point, by the trial whose note holds them
    for number, note in notes.items():
        for entry in note.get("learning", ()):
            figures = _numbers({name: entry[name] for name in UPDATES if name in entry})
            model = [_numbers(quality) for quality in entry.get("model", ())]
            if len(model) not in (0, len(directions)):
                raise ValueError(f"{len(model)} models of {len(directions)} objectives")
            version = int(entry["version"])
            updates.setdefault(version, Update(number, version, figures, model))
            if "scales" in entry:
                models[number] = entry
    return Learning(
        names=tuple(names or (f"objective {i}" for i in range(len(directions)))),
        updates=[updates[version] for version in sorted(updates)],
        sources={
            trial.number: str(notes[trial.number]["source"])
            for trial in trials
            if "source" in notes[trial.number] and not _is_enqueued(trial)
        },
        outcomes=_outcomes(trials, direction_names(directions), models),
        grown=_grown(notes, len(directions)),
    )


def _grown(notes: Mapping[int, Mapping[str, Any]], objectives: int) -> list[Grown]:
    found: dict[int, Grown] = {}
    for number, note in notes.items():
        if "predictor" in note:
            told = note["predictor"]
            tau = [None if each is None else float(each) for each in told["tau"]]
            if len(tau) != objectives:
                raise ValueError(f"{len(tau)} rank correlations of {objectives} objectives")
            each = Grown(number, int(told["round"]), int(told["steps"]), int(told["networks"]), tau)
            found.setdefault(each.round, each)
    return [found[number] for number in sorted(found)]


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    return {str(name): None if value is None else float(value) for name, value in values.items()}


def _is_enqueued(trial: FrozenTrial) -> bool:
    """Whether a user fixed parameters of a trial: it did not try the network that its note proposes."""
    return bool(trial.system_attrs.get("fixed_params"))


def _outcomes(
    trials: Sequence[FrozenTrial], directions: Sequence[str], models: Mapping[int, Mapping[str, Any]]
) -> list[Outcome]:
    """The finished proposals of the model; their gains are measured on the scales of the last model before them."""
    times = {
        trial.number: (trial.datetime_start, trial.datetime_complete)
        for trial in trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
    }
    finished = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.number in times and np.isfinite(trial.values).all()
    ]
    by_end = sorted(finished, key=lambda trial: (times[trial.number][1], trial.number))
    numbers = sorted(models)
    ended, front, found = 0, np.empty((0, len(directions))), []
    for trial in sorted(finished, key=lambda trial: (times[trial.number][0], trial.number)):
        # The front of what was known when the trial began.
        while ended < len(by_end) and times[by_end[ended].number][1] <= times[trial.number][0]:
            known = by_end[ended]
            if is_feasible(known):
                front = np.vstack([front, minimised([known.values], directions)])
                front = front[pareto_mask(front)]
            ended += 1
        note = trial.system_attrs.get(ATTRIBUTE, {})
        position = bisect.bisect_right(numbers, trial.number)  # behind the last model up to this trial
        if note.get("expected") is None or note.get("gain") is None or not position or _is_enqueued(trial):
            continue
        model = models[numbers[position - 1]]
        value = minimised([trial.values], directions)
        gain = _gain(front, value, model) if is_feasible(trial) else 0.0
        expected = np.array(note["expected"], dtype=float).reshape(len(directions), 3)
        found.append(Outcome(trial.number, expected, np.array(trial.values), float(note["gain"]), gain))
    return sorted(found, key=lambda outcome: outcome.trial)


def _gain(front: Floats, value: Floats, model: Mapping[str, Any]) -> float:
    """HV(front + value) - HV(front) on a model's scales, from its reference point.

    Args:
        front: (F, M) values, minimised.
        value: (1, M) value that is added, minimised.
        model: scales and reference point of the model, as a note holds them.
    """
    scales = [Scale(**scale) for scale in model["scales"]]
    both = np.vstack([front, value])  # (F + 1, M)
    scaled = np.stack([scale(both[:, m]) for m, scale in enumerate(scales)], axis=1)  # (F + 1, M)
    reference = np.array(model["reference"])  # (M,)
    return hypervolume(scaled, reference) - hypervolume(scaled[:-1], reference)


def charts_of(learning: Learning) -> list[Chart]:
    """The charts of a search that have anything to draw."""
    charts = [
        _of_model("leave-one-out R²", "r2", learning),
        _of_model("rank correlation", "tau", learning),
        Chart(
            "model",
            "rank correlation of mutants, predicted and measured",
            [
                _series(label_of(name), [(each.trial, each.tau[m]) for each in learning.grown])
                for m, name in enumerate(learning.names)
            ],
        ),
        _inside(learning),
        _gains(learning),
        _of_sources(learning),
        *(
            Chart(
                "policy", label, [_series(label, [(each.trial, each.numbers.get(name)) for each in learning.updates])]
            )
            for name, label in UPDATES.items()
        ),
    ]
    drawn = [replace(chart, lines=[_thin(line) for line in chart.lines if line.trials]) for chart in charts]
    return [chart for chart in drawn if chart.lines]


def _thin(line: Series) -> Series:
    """At most ``POINTS`` points of a line, the last among them: figures of long studies stay small."""
    n = len(line.trials)
    if n <= POINTS:
        return line
    kept = np.linspace(0, n - 1, POINTS).round().astype(int)
    return Series(line.label, [line.trials[i] for i in kept], [line.values[i] for i in kept])


def _series(label: str, points: Sequence[tuple[int, float | None]]) -> Series:
    known = [(trial, value) for trial, value in points if value is not None]
    return Series(label, [trial for trial, _ in known], [value for _, value in known])


def _of_model(title: str, name: str, learning: Learning) -> Chart:
    modelled = [update for update in learning.updates if update.model]
    return Chart(
        "model",
        title,
        [
            _series(label_of(objective), [(each.trial, each.model[m].get(name)) for each in modelled])
            for m, objective in enumerate(learning.names)
        ],
    )


def _of_sources(learning: Learning) -> Chart:
    """Shares of the sources among the last ``WINDOW`` proposals."""
    numbers = sorted(learning.sources)
    windows = [numbers[max(0, i + 1 - WINDOW) : i + 1] for i in range(len(numbers))]
    counts = [Counter(learning.sources[number] for number in window) for window in windows]
    lines = [
        Series(label, numbers, [count[source] / count.total() for count in counts])
        for source, label in SOURCES.items()
        if any(count[source] for count in counts)
    ]
    return Chart("proposals", f"share of proposals by source, last {WINDOW}", lines, percent=True)


def _inside(learning: Learning) -> Chart:
    """Share of the last results within their 95 % intervals."""
    lines = []
    for m, name in enumerate(learning.names):
        inside = [outcome.inside[m] for outcome in learning.outcomes]
        shares = [float(np.mean(inside[max(0, i + 1 - WINDOW) : i + 1])) for i in range(len(inside))]
        lines.append(Series(label_of(name), [outcome.trial for outcome in learning.outcomes], shares))
    return Chart("model", f"within their 95 % interval, last {WINDOW}", lines, percent=True)


def _gains(learning: Learning) -> Chart:
    """Expected and actual growth of the hypervolume, summed over trials."""
    numbers = [outcome.trial for outcome in learning.outcomes]
    sums = {
        "expected": itertools.accumulate(outcome.expected_gain for outcome in learning.outcomes),
        "came": itertools.accumulate(outcome.gain for outcome in learning.outcomes),
    }
    return Chart(
        "model",
        "gain in hypervolume so far",
        [Series(label, numbers, list(values)) for label, values in sums.items()],
    )
