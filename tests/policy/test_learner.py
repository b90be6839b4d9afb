"""Versions of a learner, the published one and the default one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution

from mnas_moo.controller import Controller
from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.policy.front_learner import FrontLearner, normal_scores, scalarise
from mnas_moo.policy.learner import Learner
from mnas_moo.policy.paper import PaperLearner
from mnas_moo.ppo import PPOSettings
from mnas_moo.settings import DEFAULTS
from mnas_moo.surrogate.surrogate import Transfer

DECISIONS = [Decision(f"d{i}", CategoricalDistribution([0, 1, 2])) for i in range(4)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with cpu_threads(1):
        yield


def records(n: int, seed: int = 0) -> list[Record]:
    """Accuracy grows with the sum of the tokens, and so does latency."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        tokens = rng.integers(0, 3, 4).tolist()
        note: dict[str, Any] = {"log_probs": {d.name: -math.log(3) for d in DECISIONS}}
        genome = tuple(zip(DECISIONS, tokens, strict=True))
        places = tuple(map(float, tokens))
        values = (float(sum(tokens)), float(sum(tokens)))
        made.append(Record(number, genome, places, values, (), False, True, note))
    return made


def paper() -> PaperLearner:
    return PaperLearner(3, lambda values: values[0], PPOSettings(), 0.95, 20, 100, 32)


def default() -> FrontLearner:
    return FrontLearner(3, [-1.0, 1.0], Transfer(), np.full(2, np.nan), DEFAULTS)


def weights(controller: Controller | None) -> list[Any]:
    assert controller is not None
    return [parameter.tolist() for parameter in controller.parameters()]


@pytest.mark.parametrize("make", [paper, default])
def test_a_replay_gives_the_same_policy_to_the_last_digit(make: Any) -> None:
    history = records(100)
    unbroken: Learner = make()
    batch = unbroken.batch
    for version in range(6):
        unbroken.learn(history[: version * batch], version)
    replayed: Learner = make()
    replayed.learn(history, 5)
    assert weights(unbroken.policy(5)) == weights(replayed.policy(5))
    if isinstance(unbroken, FrontLearner) and isinstance(replayed, FrontLearner):
        assert unbroken.pool is not None and replayed.pool is not None
        assert np.array_equal(unbroken.pool.rows, replayed.pool.rows)


@pytest.mark.parametrize("make", [paper, default])
def test_a_policy_stays_as_it_was_while_learning_goes_on(make: Any) -> None:
    learner: Learner = make()
    learner.learn(records(40), 2)
    before = weights(learner.policy(2))
    learner.learn(records(60), 3)
    assert weights(learner.policy(2)) == before
    assert weights(learner.policy(3)) != before
    assert learner.newest == 3


def test_only_recent_versions_are_kept() -> None:
    learner = paper()
    for version in range(1, 6):
        learner.learn(records(100), version)
    assert [version for version in range(6) if learner.policy(version)] == [3, 4, 5]


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


def test_the_default_policy_follows_its_preference() -> None:
    learner = default()
    learner.learn(records(200), 20)
    policy = learner.policy(20)
    assert policy is not None
    uniforms = np.random.default_rng(0).random((200, 4))
    accurate, _ = policy.rollout(DECISIONS, uniforms, torch.tensor([[1.0, 0.0]]).expand(200, -1))
    fast, _ = policy.rollout(DECISIONS, uniforms, torch.tensor([[0.0, 1.0]]).expand(200, -1))
    assert accurate.mean() > 1.6
    assert fast.mean() < 0.4


def test_a_restart_replays_only_from_the_last_fresh_start() -> None:
    learner = default()
    assert learner.begin(0) == 0
    for version in range(1, 200):
        begin = learner.begin(version)
        assert begin < version <= max(DEFAULTS.fresh_ratio * (begin + 1), begin + 2)


def test_normal_scores_know_only_ranks_and_ties() -> None:
    scores = normal_scores(np.array([[1.0], [1e9], [2.0], [2.0]]), np.zeros(4))
    assert scores[0, 0] == pytest.approx(-1.1503, abs=1e-4)  # the normal quantile of 1/8
    assert scores[1, 0] == pytest.approx(1.1503, abs=1e-4)
    assert scores[2:, 0] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_infeasible_trials_rank_behind_all_others_by_violation() -> None:
    scores = normal_scores(np.array([[5.0], [1.0], [2.0]]), np.array([0.0, 3.0, 1.0]))[:, 0]
    assert scores[0] < scores[2] < scores[1]


def test_scalarisation_at_the_corners_is_one_objective_with_a_little_of_the_other() -> None:
    scores = np.array([[0.0, 2.0], [1.0, 0.0]])
    preferences = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    found = scalarise(scores, preferences, DEFAULTS.augmentation)
    assert found == pytest.approx(np.array([[0.0, 1.05], [2.1, 0.0], [1.05, 0.525]]), abs=1e-9)
