from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler

from mnas_moo.compare import timed_sampler
from mnas_moo.compare.timed_sampler import SAMPLER_MS, TimedSampler


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def perf_counter(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timed_sampler, "time", clock)
    return clock


class Slow(RandomSampler):
    """Takes a known time in every call."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(seed=0)
        self.clock = clock

    def before_trial(self, study: optuna.Study, trial: Any) -> None:
        self.clock.seconds += 0.001

    def infer_relative_search_space(self, study: optuna.Study, trial: Any) -> dict[str, BaseDistribution]:
        self.clock.seconds += 0.01
        return {"x": optuna.distributions.FloatDistribution(0, 1)}

    def sample_relative(self, study: optuna.Study, trial: Any, search_space: Any) -> dict[str, Any]:
        self.clock.seconds += 0.1
        return {"x": 0.5}

    def sample_independent(self, study: optuna.Study, trial: Any, param_name: str, param_distribution: Any) -> Any:
        self.clock.seconds += 1
        return super().sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, *_: Any) -> None:
        self.clock.seconds += 10


def test_the_time_of_all_calls_is_stored_and_that_of_the_objective_is_not(clock: Clock) -> None:
    def objective(trial: optuna.Trial) -> float:
        clock.seconds += 1000
        return trial.suggest_float("x", 0, 1) + (trial.suggest_float("y", 0, 1) if trial.number else 0)

    study = optuna.create_study(sampler=TimedSampler(Slow(clock)))
    study.optimize(objective, n_trials=2)
    assert [trial.user_attrs[SAMPLER_MS] for trial in study.trials] == pytest.approx([10_111, 11_111])


def test_a_failed_trial_has_its_time_too(clock: Clock) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        raise ValueError("broken")

    study = optuna.create_study(sampler=TimedSampler(Slow(clock)))
    study.optimize(objective, n_trials=1, catch=(ValueError,))
    assert study.trials[0].user_attrs[SAMPLER_MS] == pytest.approx(10_111)


def test_it_samples_what_the_other_sampler_samples() -> None:
    def params(sampler: optuna.samplers.BaseSampler) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
        return [trial.params for trial in study.trials]

    assert params(TimedSampler(RandomSampler(seed=3))) == params(RandomSampler(seed=3))
