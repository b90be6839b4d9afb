"""What the trials of a study tell of the search."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from mnas_moo import MnasReward, MnasSampler, SearchSettings
from mnas_moo.objectives.front import hypervolume
from mnas_moo.reports.learning import POINTS, Learning, charts_of, learning_of

BEGIN = datetime.datetime(2026, 1, 1)
SCALES = [{"median": 0.0, "deviation": 1.0}] * 2


def trial(
    number: int, values: tuple[float, float], note: dict[str, Any] | None = None, constraint: float = 0.0
) -> FrozenTrial:
    """A trial that begins when the one before has ended."""
    made = optuna.create_trial(
        values=values,
        system_attrs={**({"mnas_moo": note} if note else {}), "constraints": [constraint]},
    )
    made.number = number
    made.datetime_start = BEGIN + datetime.timedelta(minutes=number)
    made.datetime_complete = made.datetime_start + datetime.timedelta(seconds=50)
    return made


def told(version: int, reference: tuple[float, float] = (2.0, 2.0)) -> list[dict[str, Any]]:
    quality = {"r2": 0.9, "error": 0.1, "tau": 0.8, "calibration": 1.0}
    return [
        {"version": version, "entropy": 1.0, "model": [quality] * 2, "scales": SCALES, "reference": list(reference)}
    ]


def proposal(low: float, high: float, gain: float, **more: Any) -> dict[str, Any]:
    middle = (low + high) / 2
    return {"source": "policy", "expected": [[low, middle, high]] * 2, "gain": gain, **more}


def learning(trials: list[FrozenTrial], directions: tuple[str, str] = ("minimize", "minimize")) -> Learning:
    return learning_of(trials, [optuna.study.StudyDirection[d.upper()] for d in directions], ["a", "b"])


def test_the_gain_is_what_a_result_adds_to_the_hypervolume_of_those_before() -> None:
    trials = [
        trial(0, (1.0, 1.0)),
        trial(1, (0.0, 1.5), proposal(-1, 2, 0.7, learning=told(1))),
        trial(2, (0.5, 0.5), proposal(0.4, 0.6, 0.9)),
        trial(3, (1.5, 1.5), proposal(0.4, 0.6, 0.3)),
    ]
    found = learning(trials)
    reference = [2.0, 2.0]
    before = [[1.0, 1.0]]
    assert [outcome.trial for outcome in found.outcomes] == [1, 2, 3]
    assert found.outcomes[0].gain == pytest.approx(hypervolume([*before, [0.0, 1.5]], reference) - 1.0)
    assert found.outcomes[1].gain == pytest.approx(
        hypervolume([[0.5, 0.5], [0.0, 1.5]], reference) - hypervolume([*before, [0.0, 1.5]], reference)
    )
    assert found.outcomes[2].gain == 0.0
    assert [outcome.expected_gain for outcome in found.outcomes] == [0.7, 0.9, 0.3]
    assert [outcome.inside for outcome in found.outcomes] == [[True, True], [True, True], [False, False]]


def test_maximised_objectives_gain_upwards_and_an_infeasible_result_gains_nothing() -> None:
    trials = [
        trial(0, (-1.0, 1.0)),
        trial(1, (1.0, 0.0), proposal(-1, 2, 0.7, learning=told(1))),
        trial(2, (1.9, -1.0), proposal(-1, 2, 0.7), constraint=1.0),
    ]
    gains = [outcome.gain for outcome in learning(trials, ("maximize", "minimize")).outcomes]
    assert gains[0] == pytest.approx(3.0 * 2.0 - 1.0 * 1.0)  # from (-1, 1) to (1, 0), below and right of (-2, 2)
    assert gains[1] == 0.0


def test_what_was_still_running_is_no_part_of_the_front() -> None:
    together = [trial(0, (1.0, 1.0)), trial(1, (0.5, 0.5), proposal(0, 1, 1.0, learning=told(1)))]
    late = trial(2, (0.5, 0.5), proposal(0, 1, 1.0))
    late.datetime_start = together[1].datetime_start  # asked for before the other had a result
    one, other = learning([*together, late]).outcomes
    assert other.gain == pytest.approx(one.gain)
    late.datetime_start = BEGIN + datetime.timedelta(minutes=5)
    late.datetime_complete = BEGIN + datetime.timedelta(minutes=6)
    assert learning([*together, late]).outcomes[1].gain == 0.0


def test_each_version_is_counted_once_though_two_workers_told_it() -> None:
    trials = [trial(i, (1.0, 1.0), proposal(0, 1, 0.1, learning=told(1 + i // 2))) for i in range(4)]
    assert [(each.version, each.trial) for each in learning(trials).updates] == [(1, 0), (2, 2)]


def test_trials_of_another_sampler_tell_nothing() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=5)
    found = learning(study.trials)
    assert not any(each.numbers for each in found.updates)
    assert not found.sources
    assert charts_of(found) == []


def test_failed_running_and_endless_trials_are_left_out() -> None:
    odd = [optuna.create_trial(state=TrialState.FAIL), optuna.create_trial(state=TrialState.RUNNING)]
    for number, each in enumerate(odd, 1):
        each.number = number
    infinite = trial(3, (float("inf"), 1.0), proposal(0, 1, 0.5))
    trials = [trial(0, (1.0, 1.0), proposal(0, 2, 0.5, learning=told(1))), *odd, infinite]
    assert [outcome.trial for outcome in learning(trials).outcomes] == [0]


def test_an_enqueued_trial_is_no_outcome_of_a_proposal() -> None:
    enqueued = trial(1, (0.0, 1.5), proposal(-1, 2, 0.7, learning=told(1)))
    enqueued.system_attrs["fixed_params"] = {"p0": 2}  # another network than the one that its note is about
    found = learning([trial(0, (1.0, 1.0)), enqueued, trial(2, (0.5, 0.5), proposal(0.4, 0.6, 0.9))])
    assert [outcome.trial for outcome in found.outcomes] == [2]
    assert list(found.sources) == [2]
    assert [update.trial for update in found.updates] == [1]  # its note still holds the update's diagnostics


def objective(trial: optuna.Trial) -> tuple[float, float]:
    values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(6)]
    return (1 + sum(values)) / 13, 1.0 + sum(value**2 for value in values)


def study_of(sampler: MnasSampler, trials: int) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def test_the_default_search_draws_its_model_its_proposals_and_its_updates() -> None:
    study = study_of(MnasSampler(seed=0, settings=SearchSettings(policy=True)), 45)
    charts = {chart.title: chart for chart in charts_of(learning_of(study.trials, study.directions, None))}
    assert [line.trials for line in charts["leave-one-out R²"].lines] == [[20, 30, 40]] * 2
    shares = charts["share of proposals by source, last 20"]
    assert shares.percent
    for i in range(len(shares.lines[0].trials)):
        assert sum(line.values[i] for line in shares.lines) == pytest.approx(1.0)
    gains = charts["gain in hypervolume so far"]
    assert [line.label for line in gains.lines] == ["expected", "came"]
    for line in gains.lines:
        assert (np.diff(line.values) >= 0).all()
    assert "approximate KL (nats a decision)" in charts
    assert "mean reward of the batch" not in charts


def test_where_the_policy_is_switched_off_no_updates_are_drawn() -> None:
    study = study_of(MnasSampler(seed=0), 45)
    found = learning_of(study.trials, study.directions, None)
    assert {chart.group for chart in charts_of(found)} == {"model", "proposals"}
    assert not any(each.numbers for each in found.updates)


def test_the_published_search_draws_its_updates_alone() -> None:
    study = study_of(MnasSampler.paper(reward=MnasReward(target=10.0), seed=0, batch=5), 16)
    found = learning_of(study.trials, study.directions, None)
    charts = charts_of(found)
    assert [each.trial for each in found.updates] == [5, 10, 15]
    assert charts[0].title == "mean reward of the batch"
    assert len(charts) == 6
    assert charts[0].lines[0].trials == [5, 10, 15]


def test_lines_of_long_studies_are_thinned_and_keep_their_end() -> None:
    trials = [
        trial(i, (1.0, 1.0), proposal(0, 1, 0.1, learning=told(1) if i == 0 else [])) for i in range(POINTS + 200)
    ]
    for chart in charts_of(learning(trials)):
        for line in chart.lines:
            assert len(line.trials) <= POINTS
    assert charts_of(learning(trials))[-2].lines[0].trials[-1] == POINTS + 199


@pytest.mark.parametrize(
    "note",
    [
        "a text",
        {"learning": 3},
        {"learning": [[]]},
        {"learning": [{}]},
        {"learning": [{"version": "x"}]},
        {"learning": [{"version": 1, "entropy": "\x1b[2J"}]},
        {"learning": [{"version": 1, "model": [{"r2": []}, {}]}]},
        {"learning": [{"version": 1, "model": [{}]}]},
        {"learning": [{"version": 1, "entropy": 10**400}]},
    ],
)
def test_damaged_notes_are_said_to_be_damaged(note: object) -> None:
    damaged = optuna.trial.create_trial(values=[1.0, 2.0], system_attrs={"mnas_moo": note})
    with pytest.raises(ValueError, match=r"^the notes of the search are damaged \("):
        learning([damaged])


def test_a_source_may_be_anything() -> None:
    odd = optuna.trial.create_trial(values=[1.0, 2.0], system_attrs={"mnas_moo": {"source": ["x"]}})
    assert learning([odd]).sources == {-1: "['x']"}
