"""Scalarised rewards against the paper's tables."""

from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.reward import AbsoluteReward, MnasReward

# accuracy %, ms, reward at T = 75: computed from the paper's table 1 by eq. 2
SOFT = [
    ("MnasNet-A1", 75.2, 78.0, 0.7499),
    ("MnasNet-A2", 75.6, 84.0, 0.7500),
    ("MnasNet-A3", 76.7, 103.0, 0.7502),
    ("MnasNet-B1", 74.5, 77.0, 0.7436),
    ("MobileNetV2", 72.0, 75.0, 0.7200),
    ("MobileNetV2 1.4", 74.7, 143.0, 0.7140),
    ("NASNet-A", 74.0, 183.0, 0.6952),
    ("AmoebaNet-A", 74.5, 190.0, 0.6981),
    ("MobileNetV1", 70.6, 113.0, 0.6860),
]
HARD = [(75.2, 78.0, 0.7231), (75.6, 84.0, 0.6750), (76.7, 103.0, 0.5585), (72.0, 75.0, 0.7200)]


@pytest.mark.parametrize(("name", "accuracy", "latency", "reward"), SOFT)
def test_soft_reward_of_the_published_networks(name: str, accuracy: float, latency: float, reward: float) -> None:
    assert MnasReward(target=75.0)(accuracy / 100, latency) == pytest.approx(reward, abs=5e-5)
    assert MnasReward(target=75.0)(accuracy, latency) == pytest.approx(reward, abs=5e-5)


@pytest.mark.parametrize(("accuracy", "latency", "reward"), HARD)
def test_hard_reward_of_the_published_networks(accuracy: float, latency: float, reward: float) -> None:
    assert MnasReward(75.0, alpha=0.0, beta=-1.0)(accuracy, latency) == pytest.approx(reward, abs=5e-5)


def test_low_latency_search_of_the_paper() -> None:
    reward = MnasReward(target=22.0)
    assert reward(0.649, 22.0) == pytest.approx(0.6490, abs=5e-5)
    assert reward(0.660, 23.2) == pytest.approx(0.6576, abs=5e-5)


def test_absolute_reward_falls_on_both_sides_of_the_target() -> None:
    reward = AbsoluteReward(target=84.0, beta=-0.1)
    assert reward(0.75, 84.0) == pytest.approx(0.75)
    assert reward(0.75, 84.0 * 1.2) == pytest.approx(0.73)
    assert reward(0.75, 84.0 * 0.8) == pytest.approx(0.73)


def test_arrays_give_arrays() -> None:
    rewards = MnasReward(target=10.0)(np.array([0.5, 0.6]), np.array([10.0, 20.0]))
    assert rewards == pytest.approx([0.5, 0.6 * 2**-0.07])


@pytest.mark.parametrize("latency", [0.0, -1.0, float("nan")])
def test_a_latency_that_is_not_above_zero_is_refused(latency: float) -> None:
    with pytest.raises(ValueError, match="latency is"):
        MnasReward(target=75.0)(0.5, latency)


@pytest.mark.parametrize("accuracy", [-0.1, 101.0, float("nan")])
def test_an_accuracy_that_is_none_is_refused(accuracy: float) -> None:
    with pytest.raises(ValueError, match="accuracy is"):
        MnasReward(target=75.0)(accuracy, 10.0)


@pytest.mark.parametrize("target", [0.0, -1.0, float("inf"), float("nan")])
def test_a_target_that_is_not_above_zero_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="target is"):
        MnasReward(target=target)


def test_rewards_that_would_prefer_slower_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="beta is 1"):
        MnasReward(target=75.0, beta=1.0)
    with pytest.raises(ValueError, match=r"beta is 0\.1"):
        AbsoluteReward(target=75.0, beta=0.1)


def test_objectives_are_bound_by_position_and_by_name() -> None:
    assert MnasReward(75.0).bind(None, ["maximize", "minimize"]) == (0, 1)
    names = ["latency_ms", "parameters_m", "accuracy"]
    reward = MnasReward(75.0, accuracy="accuracy", latency="latency_ms")
    assert reward.bind(names, ["minimize", "minimize", "maximize"]) == (2, 0)


@pytest.mark.parametrize(
    ("names", "directions", "message"),
    [
        (None, ["maximize"], "study has 1"),
        (None, ["minimize", "minimize"], "not maximize"),
        (None, ["maximize", "minimize", "minimize"], "name them"),
        (["top1", "ms"], ["maximize", "minimize"], "'accuracy'"),
    ],
)
def test_a_study_that_the_reward_cannot_mean_is_refused(
    names: list[str] | None, directions: list[str], message: str
) -> None:
    reward = MnasReward(75.0, accuracy="accuracy", latency="latency_ms") if names else MnasReward(75.0)
    with pytest.raises(ValueError, match=message):
        reward.bind(names, directions)
