"""The published search: its baseline, its updates, and the batches of a study."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest

from mnas_moo import MnasReward, MnasSampler
from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.policy.paper import PaperLearner
from mnas_moo.ppo import PPOSettings
from tests.policy.conftest import DECISIONS, paper, records


def test_the_baseline_is_a_moving_average_that_begins_at_the_first_batch() -> None:
    learner = paper()
    history = records(20)
    learner.learn(history, 1)
    rewards = [record.values[0] for record in history if record.values]
    baseline = sum(rewards) / 20
    for reward in rewards:
        baseline = 0.95 * baseline + 0.05 * reward
    assert learner.baseline == pytest.approx(baseline)


def test_ppo_moves_towards_the_reward() -> None:
    learner = PaperLearner(0, lambda values: values[0], PPOSettings(learning_rate=5e-3), 0.95, 20, 100, 32)
    learner.learn(records(400), 20)
    policy = learner.policy(20)
    assert policy is not None
    tokens, _ = policy.rollout(DECISIONS, np.random.default_rng(0).random((200, 4)))
    assert tokens.mean() > 1.2  # 1.0 is chance


def test_an_update_tells_how_it_went() -> None:
    learner = paper()
    learner.learn(records(40), 2)
    assert learner.diagnostics.keys() == {1, 2}
    first, second = learner.diagnostics[1], learner.diagnostics[2]
    history = records(40)
    assert first["reward"] == pytest.approx(np.mean([record.values[0] for record in history[:20] if record.values]))
    assert second["reward"] == pytest.approx(np.mean([record.values[0] for record in history[20:] if record.values]))
    assert first["entropy"] == pytest.approx(math.log(3), abs=0.01)
    assert abs(first["approx_kl"]) < 1e-3
    # A moving average that begins at the batch's own mean explains less than nothing of it, but not much less.
    assert -0.5 < first["explained_variance"] < 0


def test_a_constant_reward_teaches_nothing_and_is_told_as_such() -> None:
    learner = PaperLearner(0, lambda values: 1.0, PPOSettings(entropy=0.0), 0.95, 20, 100, 32)
    learner.learn(records(60), 3)
    before, after = learner.policy(0), learner.policy(3)
    assert before is not None and after is not None
    tokens = np.random.default_rng(0).random((10, 4))
    after_log_probs = after.rollout(DECISIONS, tokens)[1]
    before.grow(DECISIONS)
    assert before.rollout(DECISIONS, tokens)[1] == pytest.approx(after_log_probs, abs=1e-3)
    for found in learner.diagnostics.values():
        assert found["explained_variance"] is None
        assert found["reward"] == 1.0


def study_of(batch: int = 4, trials: int = 12) -> optuna.Study:
    sampler = MnasSampler.paper(reward=MnasReward(target=10.0), seed=0, batch=batch)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def objective(trial: optuna.Trial) -> tuple[float, float]:
    values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(4)]
    return (1 + sum(values)) / 10, 1.0 + sum(values)


def notes(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.system_attrs[ATTRIBUTE] for trial in study.trials if ATTRIBUTE in trial.system_attrs]


def test_a_batch_follows_one_version_and_the_next_one_the_next() -> None:
    assert [note["policy"] for note in notes(study_of())] == [0] * 4 + [1] * 4 + [2] * 4


def test_the_first_trial_after_an_update_tells_its_diagnostics_and_no_other_does() -> None:
    told = [[each["version"] for each in note.get("learning", ())] for note in notes(study_of())]
    assert [versions for versions in told if versions] == [[1], [2]]
    assert told[4] == [1]
    assert told[8] == [2]


def test_after_a_restart_nothing_is_told_twice() -> None:
    study = study_of(trials=6)
    study.sampler = MnasSampler.paper(reward=MnasReward(target=10.0), seed=0, batch=4)
    study.optimize(objective, n_trials=6)
    told = [each["version"] for note in notes(study) for each in note.get("learning", ())]
    assert told == [1, 2]


def test_a_conditional_space_tells_them_too() -> None:
    def conditional(trial: optuna.Trial) -> tuple[float, float]:
        kind = trial.suggest_categorical("kind", [0, 1])
        value = trial.suggest_categorical(f"x{kind}", [0, 1, 2])
        return (1 + value) / 10, 1.0 + value + kind

    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=MnasSampler.paper(reward=MnasReward(target=10.0), seed=0, batch=4),
    )
    study.optimize(conditional, n_trials=13)
    assert [each["version"] for note in notes(study) for each in note.get("learning", ())] == [1, 2, 3]
