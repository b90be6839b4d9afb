"""Pareto local search."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase

from mnas_moo.compare.local_search import RANDOM_TRIALS, LocalSearchSampler


class TestLocalSearch(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return LocalSearchSampler


def objective(trial: optuna.Trial) -> tuple[float, float]:
    tokens = [trial.suggest_categorical(f"d{i}", [0, 1, 2]) for i in range(5)]
    width = trial.suggest_int("width", 1, 20)
    return float(sum(tokens) + width), float(sum((token - 2) ** 2 for token in tokens) + abs(width - 9))


def run(seed: int, trials: int) -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=LocalSearchSampler(seed))
    study.optimize(objective, n_trials=trials)
    return study


def test_after_the_first_trials_each_is_a_new_neighbour_of_the_front_as_it_was() -> None:
    trials = run(0, 80).trials
    for trial in trials[RANDOM_TRIALS:]:
        before = trials[: trial.number]
        study = optuna.create_study(directions=["minimize", "minimize"])
        study.add_trials(before)
        near = []
        for member in study.best_trials:
            different = [name for name in trial.params if trial.params[name] != member.params[name]]
            step = abs(trial.params["width"] - member.params["width"]) <= 1
            near.append(len(different) == 1 and step)
        assert any(near)
        assert trial.params not in [each.params for each in before]


def test_the_same_seed_gives_the_same_search() -> None:
    first, again, other = ([trial.params for trial in run(seed, 40).trials] for seed in (0, 0, 1))
    assert first == again
    assert first[RANDOM_TRIALS:] != other[RANDOM_TRIALS:]


def test_when_all_neighbours_were_tried_it_goes_on_at_random() -> None:
    study = optuna.create_study(sampler=LocalSearchSampler(0))
    study.optimize(lambda trial: float(trial.suggest_int("x", 0, 3)), n_trials=30)
    assert len(study.trials) == 30
