"""The clipped surrogate and one update."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution

from mnas_moo import ppo
from mnas_moo.adam import Adam
from mnas_moo.controller import Controller
from mnas_moo.genomes.tokens import Decision


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.1, 2.0, 2.2, 2.2),
        (1.5, 2.0, 2.4, 0.0),  # clipped at 1.2: no more gain from a likelier action
        (1.5, -2.0, -3.0, -3.0),  # the pessimistic side is not clipped
        (0.5, -2.0, -1.6, 0.0),  # clipped at 0.8
        (0.5, 2.0, 1.0, 1.0),
    ],
)
def test_surrogate_and_gradient_of_a_hand_worked_ratio(
    ratio: float, advantage: float, expected: float, slope: float
) -> None:
    log_prob = torch.tensor([math.log(ratio)], requires_grad=True)
    gain = ppo.clipped_surrogate(log_prob, torch.zeros(1), torch.tensor([advantage]), clip=0.2)
    gain.sum().backward()
    assert gain.item() == pytest.approx(expected)
    assert log_prob.grad is not None
    assert log_prob.grad.item() == pytest.approx(slope)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        ppo.clipped_surrogate(torch.zeros(2), torch.zeros(3), torch.ones(1))


def test_an_update_makes_the_better_genome_likelier() -> None:
    decisions = [Decision(f"d{i}", CategoricalDistribution([0, 1])) for i in range(3)]
    controller = Controller(seed=0)
    controller.grow(decisions)
    genomes = controller.genomes([[(d, 0) for d in decisions], [(d, 1) for d in decisions]])
    old, _ = controller.evaluate(genomes)
    optimiser = Adam(controller.parameters(), 1e-3)
    ppo.update(controller, optimiser, ppo.PPOSettings(), genomes, old.detach(), torch.tensor([1.0, -1.0]))
    new, _ = controller.evaluate(genomes)
    assert (new[0] > old[0]).all()
    assert (new[1] < old[1]).all()


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"entropy": -1.0}, {"clip": 1.0}, {"epochs": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        ppo.PPOSettings(**wrong)  # type: ignore[arg-type]


DECISIONS = [Decision(f"d{i}", CategoricalDistribution([0, 1, 2])) for i in range(4)]


def learn(
    settings: ppo.PPOSettings, updates: int = 5, reward: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> list[ppo.Diagnostics]:
    """A controller that learns to prefer large tokens: 20 genomes an update, the mean of the rewards as baseline."""
    controller = Controller(seed=0)
    controller.grow(DECISIONS)
    optimiser = Adam(controller.parameters(), settings.learning_rate)
    rng, found = np.random.default_rng(0), []
    for _ in range(updates):
        tokens, log_probs = controller.rollout(DECISIONS, rng.random((20, 4)))
        genomes = controller.genomes([list(zip(DECISIONS, row, strict=True)) for row in tokens.tolist()])
        rewards = torch.from_numpy(tokens.mean(axis=1)).float() if reward is None else reward(torch.from_numpy(tokens))
        baseline = torch.full((20,), float(rewards.mean()))
        old, advantage = torch.from_numpy(log_probs).float(), rewards - baseline
        found.append(
            ppo.update(controller, optimiser, settings, genomes, old, advantage, reward=rewards, baseline=baseline)
        )
    return found


def test_a_healthy_learner_moves_little_and_stays_uncertain() -> None:
    for found in learn(ppo.PPOSettings()):
        assert 0 <= found.approx_kl < 1e-3
        assert found.clip_fraction == 0.0
        assert found.entropy == pytest.approx(math.log(3), abs=0.02)
        assert found.gradient_norm > 0
        assert found.explained_variance == pytest.approx(0.0, abs=1e-6)  # a constant explains nothing


def test_a_learning_rate_a_hundred_times_too_large_shows_in_kl_and_clipping() -> None:
    healthy = learn(ppo.PPOSettings())
    sick = learn(ppo.PPOSettings(learning_rate=100 * 3.5e-4))
    assert max(found.approx_kl for found in sick) > 0.05 > 50 * max(found.approx_kl for found in healthy)
    assert max(found.clip_fraction for found in sick) > 0.3
    assert sick[-1].entropy < healthy[-1].entropy


def test_without_an_entropy_bonus_a_fast_learner_becomes_certain_and_the_entropy_says_so() -> None:
    sick = learn(ppo.PPOSettings(learning_rate=0.03, entropy=0.0), updates=40)
    kept = learn(ppo.PPOSettings(learning_rate=0.03, entropy=0.5), updates=40)
    assert sick[-1].entropy < 0.05
    assert kept[-1].entropy > 0.5


def test_a_constant_reward_has_no_variance_to_explain_and_moves_nothing() -> None:
    for found in learn(ppo.PPOSettings(entropy=0.0), reward=lambda tokens: torch.ones(20)):
        assert found.explained_variance is None
        assert found.approx_kl == pytest.approx(0.0, abs=1e-6)
        assert found.gradient_norm == pytest.approx(0.0, abs=1e-6)


def test_a_baseline_that_knows_the_reward_explains_all_of_it_and_a_wrong_one_less_than_nothing() -> None:
    controller = Controller(seed=0)
    controller.grow(DECISIONS)
    genomes = controller.genomes([[(d, k) for d in DECISIONS] for k in range(3)])
    old = controller.evaluate(genomes)[0].detach()
    rewards = torch.tensor([1.0, 2.0, 3.0])
    optimiser = Adam(controller.parameters(), 1e-4)

    def explained(baseline: torch.Tensor) -> float | None:
        settings, advantage = ppo.PPOSettings(), rewards - baseline
        found = ppo.update(controller, optimiser, settings, genomes, old, advantage, reward=rewards, baseline=baseline)
        return found.explained_variance

    assert explained(rewards + 5.0) == pytest.approx(1.0)
    assert explained(torch.tensor([1.5, 2.0, 2.5])) == pytest.approx(0.75)  # 1 - (1/2)^2
    assert explained(-rewards) == pytest.approx(-3.0)
    rewards = 1e-7 * rewards  # seconds of a small network: the unit does not matter
    assert explained(1e-7 * torch.tensor([1.5, 2.0, 2.5])) == pytest.approx(0.75)


def test_divergence_and_clipping_of_a_hand_worked_ratio() -> None:
    """One decision in three was sampled twice as rarely as it is now: r = 2, elsewhere r = 1."""
    controller = Controller(seed=0)
    controller.grow(DECISIONS[:3])
    genomes = controller.genomes([[(d, 0) for d in DECISIONS[:3]]])
    old = controller.evaluate(genomes)[0].detach() - torch.tensor([[math.log(2.0), 0.0, 0.0]])
    optimiser = Adam(controller.parameters(), 1e-3)
    found = ppo.update(controller, optimiser, ppo.PPOSettings(epochs=1), genomes, old, torch.zeros(1))
    assert found.approx_kl == pytest.approx((2.0 - 1.0 - math.log(2.0)) / 3, abs=1e-6)
    assert found.clip_fraction == pytest.approx(1 / 3)


def test_the_gradient_norm_is_that_of_the_last_pass() -> None:
    controller = Controller(seed=0)
    controller.grow(DECISIONS)
    genomes = controller.genomes([[(d, 1) for d in DECISIONS]])
    old = controller.evaluate(genomes)[0].detach()
    optimiser = Adam(controller.parameters(), 1e-3)
    found = ppo.update(controller, optimiser, ppo.PPOSettings(), genomes, old, torch.ones(1))
    left = [parameter.grad.square().sum() for parameter in controller.parameters() if parameter.grad is not None]
    assert found.gradient_norm == pytest.approx(math.sqrt(float(sum(left))), rel=1e-5)
