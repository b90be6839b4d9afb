"""What both configurations keep of a study."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from mnas_moo import MnasReward, MnasSampler
from mnas_moo.policy.study_state import StudyState
from mnas_moo.sampler import MnasSampler as Sampler

HOOKS = [
    "before_trial",
    "read_trials",
    "can_learn_from",
    "on_trials_read",
    "learn_before_sampling",
    "version_for",
    "sample_at_once",
    "after_trial",
]


def samplers() -> list[MnasSampler]:
    return [MnasSampler(seed=0), MnasSampler.paper(reward=MnasReward(target=10.0), seed=0, batch=5)]


@pytest.mark.parametrize("sampler", samplers(), ids=["default", "paper"])
def test_the_hooks_stand_in_the_order_in_which_a_trial_meets_them(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        value = trial.suggest_categorical("p", list(range(50)))
        return value / 100, 1.0 + value

    study.optimize(objective, n_trials=2)
    state = sampler._state(study)
    called: list[str] = []

    def spied(name: str) -> Any:
        real = getattr(state, name)

        def spy(*arguments: Any) -> Any:
            if name not in called:
                called.append(name)
            return real(*arguments)

        return spy

    for name in HOOKS:
        monkeypatch.setattr(state, name, spied(name))
    study.optimize(objective, n_trials=1)
    assert called == HOOKS
    lines = [getattr(StudyState, name).__code__.co_firstlineno for name in HOOKS]
    assert lines == sorted(lines)


def test_trials_that_are_never_told_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StudyState, "WALKS", 5)
    sampler = MnasSampler(seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    asked = [study.ask() for _ in range(12)]
    for trial in asked:
        trial.suggest_categorical("p", [0, 1, 2])
    assert list(sampler._state(study).walks) == [trial.number for trial in asked[-5:]]


def test_a_trial_sampled_step_by_step_follows_what_was_fixed_before() -> None:
    """The log-probability of a decision is that after the decisions before it, whoever made them."""
    sampler = MnasSampler.paper(reward=MnasReward(target=10.0), seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    choices = CategoricalDistribution([0, 1, 2])
    study.enqueue_trial({"a": 2})
    trial = study.ask()
    assert trial.suggest_categorical("a", [0, 1, 2]) == 2
    chosen = trial.suggest_categorical("b", [0, 1, 2])
    state = sampler._state(study)
    walk = state.walks[trial.number]
    a, b = state.history.decision("a", choices), state.history.decision("b", choices)
    policy = walk.roll.policy
    evaluated, _ = policy.evaluate(policy.genomes([[(a, 2), (b, b.token(chosen))]]))
    assert walk.log_probs == {"b": pytest.approx(float(evaluated[0, 1]), abs=1e-5)}
