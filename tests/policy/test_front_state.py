"""What the default sampler keeps of a study, and what its notes tell of a proposal."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest

from mnas_moo import MnasSampler
from mnas_moo.genomes.history import ATTRIBUTE, key_of
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.proposals import SOURCES


def objective(trial: optuna.Trial) -> tuple[float, float]:
    values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(8)]
    return sum(values) / 16, 1.0 + sum(value**2 for value in values)


def study_of(trials: int, study: optuna.Study | None = None) -> optuna.Study:
    sampler = MnasSampler(seed=0, settings=SearchSettings(policy=True))
    if study is None:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.sampler = sampler
    study.optimize(objective, n_trials=trials)
    return study


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    return study_of(60)


def note(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.system_attrs[ATTRIBUTE]
    return found


def test_the_first_trials_are_spread_and_the_others_come_from_the_pool(study: optuna.Study) -> None:
    assert {note(trial)["source"] for trial in study.trials[1:20]} == {"start"}
    assert {note(trial)["source"] for trial in study.trials[20:]} <= set(SOURCES)


def test_most_results_lie_within_what_was_expected() -> None:
    def rugged(trial: optuna.Trial) -> tuple[float, float]:
        accuracy, latency = objective(trial)
        u, v = np.random.default_rng(list(trial.params.values())).standard_normal(2)
        return accuracy + 0.05 * u, latency * (1.0 + 0.05 * v)

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0))
    study.optimize(rugged, n_trials=100)
    inside = []
    for trial in study.trials[20:]:
        for (low, median, high), came in zip(note(trial)["expected"], trial.values, strict=True):
            assert low <= median <= high
            inside.append(low <= came <= high)
    assert np.mean(inside) > 0.85


def test_medians_are_in_the_studys_units_and_directions(study: optuna.Study) -> None:
    expected = np.array([[median for _, median, _ in note(trial)["expected"]] for trial in study.trials[40:]])
    came = np.array([trial.values for trial in study.trials[40:]])
    assert np.abs(expected - came).mean(axis=0) == pytest.approx([0.0, 0.0], abs=1.0)
    for m in range(2):
        assert np.corrcoef(expected[:, m], came[:, m])[0, 1] > 0.95


def test_every_version_is_told_once_by_the_first_trial_that_follows_it(study: optuna.Study) -> None:
    told = {trial.number: each for trial in study.trials[1:] for each in note(trial).get("learning", ())}
    assert {number: each["version"] for number, each in told.items()} == {20: 2, 30: 3, 40: 4, 50: 5}
    for each in told.values():
        assert len(each["model"]) == len(each["scales"]) == len(each["reference"]) == 2
        assert each["approx_kl"] is not None
    assert told[50]["model"][0]["r2"] > 0.9


def test_after_a_restart_nothing_is_told_twice_and_nothing_is_left_out(study: optuna.Study) -> None:
    resumed = study_of(25, study_of(35))
    notes = [[trial.system_attrs.get(ATTRIBUTE) for trial in each.trials] for each in (resumed, study)]
    assert notes[0] == notes[1]


def two_parameters(trial: optuna.Trial) -> tuple[float, float]:
    trial.suggest_categorical("constant", [7])
    a, b = trial.suggest_categorical("a", [0, 1, 2]), trial.suggest_categorical("b", [0, 1, 2])
    return float(a), float(a + b)


def test_a_parameter_of_one_value_does_not_hide_that_another_sampler_tried_a_network() -> None:
    grid = optuna.samplers.GridSampler({"constant": [7], "a": [0, 1, 2], "b": [0, 1]}, seed=0)
    mixed = optuna.create_study(directions=["maximize", "minimize"], sampler=grid)
    mixed.optimize(two_parameters, n_trials=6)
    mixed.sampler = MnasSampler(seed=0)
    mixed.optimize(two_parameters, n_trials=3)
    assert len({tuple(trial.params.values()) for trial in mixed.trials}) == 9


def test_a_network_of_which_the_user_fixed_a_part_counts_as_tried() -> None:
    sampler = MnasSampler(seed=0)
    partly = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    partly.optimize(two_parameters, n_trials=1)
    partly.enqueue_trial({"a": 1})
    partly.optimize(two_parameters, n_trials=1)
    partly.ask()
    tried = partly.trials[1].params
    assert tried["a"] == 1
    assert key_of({"a": 1, "b": tried["b"]}) in sampler._state(partly).tried  # type: ignore[attr-defined]


def test_a_fixed_parameter_that_a_conditional_trial_never_asks_for_is_ignored() -> None:
    def conditional(trial: optuna.Trial) -> tuple[float, float]:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        value = trial.suggest_int(kind, 0, 3)
        return float(value), 1.0 + value

    enqueued = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0))
    enqueued.optimize(conditional, n_trials=6)
    enqueued.enqueue_trial({"kind": "a", "a": 1, "b": 1})
    enqueued.optimize(conditional, n_trials=2)
    assert enqueued.trials[6].params == {"kind": "a", "a": 1}


def test_where_nothing_new_is_left_a_network_is_tried_again_without_a_note() -> None:
    def small(trial: optuna.Trial) -> tuple[float, float]:
        a, b = trial.suggest_categorical("a", [0, 1, 2]), trial.suggest_categorical("b", [0, 1, 2])
        return float(a), float(a + b)

    few = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0))
    few.optimize(small, n_trials=12)
    assert len({tuple(trial.params.values()) for trial in few.trials[:9]}) == 9
    # No second claim is written for a network that was tried: the last three have no note of their own.
    assert all(ATTRIBUTE not in trial.system_attrs for trial in few.trials[9:])


def test_without_a_pool_of_untried_networks_the_space_is_walked_through() -> None:
    def small(trial: optuna.Trial) -> tuple[float, float]:
        values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(3)]
        return float(sum(values)), float(values[0])

    narrow = SearchSettings(initial_trials=1000, policy_attempts=1, policy_draws=1)  # nothing is ever learnt
    few = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0, settings=narrow))
    few.optimize(small, n_trials=27)
    assert len({tuple(trial.params.values()) for trial in few.trials}) == 27
    assert "walk" in {note(trial)["source"] for trial in few.trials[1:]}
