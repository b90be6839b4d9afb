"""The default learner: imitation, practice, and the scores that both use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnas_moo.policy.front_learner import DOUBLINGS, normal_scores, scalarise
from mnas_moo.settings import DEFAULTS
from tests.policy.conftest import DECISIONS, default, records


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
        assert begin < version <= (2 * begin + 2 if version <= DOUBLINGS else begin + DEFAULTS.fresh_versions)


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
