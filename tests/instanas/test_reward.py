"""Hand-worked cases of the reward, and the gradient of the policy's loss against finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from mnas_moo.instanas.reward import Band, explored, latency_reward, policy_loss, reward, shuffled


def test_the_reward_of_latency_is_a_parabola_over_the_band() -> None:
    latency = torch.tensor([0.5, 1.0, 1.5, 2.0, 3.0, 3.5], dtype=torch.float64)
    # -(lat - 3)(lat - 1) / ((3 - 1)^2 / 4): at 1.5, 0.75; at 2, 1
    assert latency_reward(latency, Band(1.0, 3.0)).tolist() == [0, 0, 0.75, 1, 0, 0]
    assert latency_reward(latency, Band(1.0, 3.0), 2.0).tolist() == [0, 0, 0.5625, 1, 0, 0]


def test_only_right_answers_are_paid_for_latency() -> None:
    correct, latency = torch.tensor([True, False, True]), torch.tensor([2.0, 2.0, 9.0])
    assert reward(correct, latency, Band(1.0, 3.0), right=30, wrong=-10).tolist() == [30, -10, 0]


def test_exploration_keeps_probabilities_from_both_ends() -> None:
    p = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    assert explored(p, 0.8).tolist() == pytest.approx([0.2, 0.35, 0.5, 0.8])
    assert explored(p, 1.0).tolist() == p.tolist()


def test_the_band_narrows_linearly() -> None:
    first, last = Band(1.0, 7.0), Band(1.0, 2.0)
    assert [first.towards(last, share) for share in (0, 0.2, 1)] == [first, Band(1.0, 6.0), last]


@pytest.mark.parametrize(("lower", "upper"), [(2.0, 2.0), (3.0, 2.0), (-1.0, 2.0), (1.0, math.inf), (1.0, math.nan)])
def test_an_empty_band_is_one_line(lower: float, upper: float) -> None:
    with pytest.raises(ValueError, match=r"the band of latencies is from .* ms; its upper end must be above its lower"):
        Band(lower, upper)


def test_the_loss_by_hand() -> None:
    # one image, two modules, p' = (0.25, 0.5), u = (1, 0), advantage 2, beta 0.5
    p = torch.tensor([[[0.25, 0.5]]], dtype=torch.float64)
    found = policy_loss(p, torch.tensor([[[True, False]]]), torch.tensor([2.0], dtype=torch.float64), 0.5)
    entropy = -0.25 * math.log(0.25) - 0.5 * math.log(0.5)
    assert float(found.entropy) == pytest.approx(entropy)
    assert float(found.loss) == pytest.approx(-2 * (math.log(0.25) + math.log(0.5)) - 0.5 * entropy)


def test_the_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    drawn = torch.rand(4, 3, 5, generator=generator) < 0.5
    advantage = torch.randn(4, generator=generator, dtype=torch.float64)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return policy_loss(explored(torch.sigmoid(x), 0.8), drawn, advantage, 0.8).loss

    assert torch.autograd.gradcheck(loss, (logits,))
    (gradient,) = torch.autograd.grad(loss(logits), logits)
    step = torch.zeros_like(logits)
    step[1, 2, 3] = 1e-6
    with torch.no_grad():
        slope = (loss(logits + step) - loss(logits - step)) / 2e-6
    assert float(slope) == pytest.approx(float(gradient[1, 2, 3]), rel=1e-5)


def test_drawn_decisions_of_a_positive_advantage_become_more_probable() -> None:
    p = torch.full((2, 1, 2), 0.5, dtype=torch.float64, requires_grad=True)
    drawn = torch.tensor([[[True, False]], [[True, False]]])
    policy_loss(p, drawn, torch.tensor([1.0, -1.0], dtype=torch.float64), 0.0).loss.backward()
    assert p.grad is not None
    assert (p.grad[0] * torch.tensor([-1, 1]) > 0).all() and (p.grad[1] * torch.tensor([1, -1]) > 0).all()


def test_sure_decisions_against_the_draw_have_a_finite_loss() -> None:
    sure = torch.ones(1, 1, 1, dtype=torch.float64)
    assert math.isfinite(float(policy_loss(sure, torch.tensor([[[False]]]), torch.ones(1), 0.8).loss))


def test_a_shuffle_gives_each_image_the_decisions_of_one() -> None:
    decisions = torch.arange(6).reshape(6, 1, 1)
    found = shuffled(decisions, torch.Generator().manual_seed(0))
    assert sorted(found.flatten().tolist()) == list(range(6)) and found.flatten().tolist() != list(range(6))
