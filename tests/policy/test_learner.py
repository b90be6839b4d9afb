"""Versions of a learner, the published one and the default one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnas_moo.policy.front_learner import FrontLearner
from mnas_moo.policy.learner import Learner
from tests.policy.conftest import default, paper, records, weights


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
