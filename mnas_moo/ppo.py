"""Proximal policy optimisation of a controller (Schulman et al. 2017, eq. 7), for episodes with one reward.

An episode is a genome: T decisions, then one reward. So there is no value network, and all decisions of a genome share
one advantage, the reward minus a baseline; the ratio is clipped decision by decision. Two learners call ``update``: the
published one with the rewards of trials (``policy/paper.py``, to be read next), the default one with rewards that a
model predicts (``policy/front_learner.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from mnas_moo.adam import Adam
from mnas_moo.controller import Controller, Genomes


@dataclass(frozen=True)
class PPOSettings:
    """How a controller is updated.

    Attributes:
        learning_rate: Adam's step size. Published (Zoph et al. 2018, appendix A.2): 3.5e-4.
        entropy: weight of the entropy bonus. Published: 1e-5.
        clip: half-width of the interval that the ratio is clipped to. 0.2 is ours, as in Schulman et al.
        epochs: passes over a batch. 3 is ours.
    """

    learning_rate: float = 3.5e-4
    entropy: float = 1e-5
    clip: float = 0.2
    epochs: int = 3

    def __post_init__(self) -> None:
        if not self.learning_rate > 0 or not self.entropy >= 0 or not 0 < self.clip < 1 or self.epochs < 1:
            raise ValueError(f"{self}: allowed are learning_rate > 0, entropy >= 0, 0 < clip < 1, epochs >= 1")


@dataclass(frozen=True)
class Diagnostics:
    """How an update went, over the D decisions of its batch: in its last pass, before that pass's step.

    With one epoch that pass is the first: the policy has not moved yet, ``approx_kl`` and ``clip_fraction`` are 0.

    Attributes:
        approx_kl: how far the policy has moved from the one that sampled, in nats a decision. Healthy: below 0.05.
        clip_fraction: share of the decisions whose ratio is outside of the interval. Healthy: below 0.3.
        entropy: mean entropy of a decision, in nats. Falls as the policy becomes certain; 0: it is deterministic.
        gradient_norm: Euclidean norm of the loss's gradient over all parameters.
        explained_variance: share of the rewards' variance that the baseline explains; 1: all, 0: none, below 0: the
            baseline is worse than a constant; None: all rewards are equal.
    """

    approx_kl: float
    clip_fraction: float
    entropy: float
    gradient_norm: float
    explained_variance: float | None


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    """PPO's policy objective, to be maximised (Schulman et al. 2017, eq. 7), before any mean.

    Args:
        log_prob: log pi(a|s) now, in nats, with gradient; any shape.
        old_log_prob: the same at sampling time, without gradient; that shape.
        advantage: reward minus baseline; broadcasts to that shape.
        clip: half-width epsilon of the interval that the ratio is clipped to, > 0.

    Returns:
        min(ratio x advantage, clipped ratio x advantage), elementwise.

    Raises:
        ValueError: log_prob and old_log_prob differ in shape.
    """
    if log_prob.shape != old_log_prob.shape:
        raise ValueError(
            f"log_prob is {tuple(log_prob.shape)}, old_log_prob {tuple(old_log_prob.shape)}; must be equal"
        )
    # r = pi(a|s) / pi_old(a|s)  (sec. 3)
    ratio = (log_prob - old_log_prob).exp()
    # min(r A, clip(r, 1 - eps, 1 + eps) A)  (eq. 7)
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def update(
    controller: Controller,
    optimiser: Adam,
    settings: PPOSettings,
    genomes: Genomes,
    old_log_prob: Tensor,
    advantage: Tensor,
    condition: Tensor | None = None,
    *,
    reward: Tensor | None = None,
    baseline: Tensor | None = None,
) -> Diagnostics:
    """One update of the controller on a batch, in place.

    Args:
        controller: policy to be updated.
        optimiser: optimiser that holds its parameters.
        settings: clip, entropy weight and epochs; the learning rate is the optimiser's.
        genomes: B sequences of T decisions.
        old_log_prob: (B, T) log-probability of each decision when it was sampled; 0 where there is none.
        advantage: (B,) reward minus baseline, on any scale.
        condition: (B, C) what the policy was conditioned on, or None.
        reward: (B,) rewards, for the diagnostics alone; None: the advantages.
        baseline: (B,) baselines of these rewards, for the diagnostics alone; None: 0.

    Returns:
        How the update went.
    """
    decisions = (genomes.size > 0).sum()  # D, over the whole batch
    for epoch in range(settings.epochs):
        log_prob, entropy = controller.evaluate(genomes, condition)  # (B, T), (B, T)
        # sum_bt L^CLIP_bt; where there is no decision r is the constant 1, which has no gradient
        gain = clipped_surrogate(log_prob, old_log_prob, advantage[:, None], settings.clip).sum()
        # loss = -(1/D) sum_bt [ L^CLIP + c H ]  (Schulman et al. 2017, eq. 9, without its value term)
        loss = -(gain + settings.entropy * entropy.sum()) / decisions
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if epoch == settings.epochs - 1:
            log_ratio = (log_prob - old_log_prob).detach()  # (B, T), 0 where there is no decision
            ratio = log_ratio.exp()
            diagnostics = Diagnostics(
                # KL(pi_old || pi) ~ (1/D) sum_bt [ (r - 1) - log r ]  (Schulman 2020, "Approximating KL divergence")
                approx_kl=float(((ratio - 1) - log_ratio).sum() / decisions),
                # (1/D) sum_bt 1[ |r - 1| > eps ]
                clip_fraction=float(((ratio - 1).abs() > settings.clip).sum() / decisions),
                # (1/D) sum_bt H(pi(.|s_bt))
                entropy=float(entropy.detach().sum() / decisions),
                # sqrt( sum_k |d loss / d theta_k|^2 )
                gradient_norm=float(get_total_norm(p.grad for p in controller.parameters() if p.grad is not None)),
                explained_variance=_explained(advantage if reward is None else reward, baseline),
            )
        optimiser.step()
    return diagnostics


def _explained(reward: Tensor, baseline: Tensor | None) -> float | None:
    """1 - Var[R - b] / Var[R] over the batch, for rewards (B,) and baselines (B,); None where Var[R] is 0."""
    variance = float(reward.double().var(correction=0))
    if not variance > 1e-12 * float(reward.double().square().mean()):  # rounding, in whatever unit
        return None
    residual = reward if baseline is None else reward - baseline  # (B,), R - b
    return 1.0 - float(residual.double().var(correction=0)) / variance  # 1 - Var[R - b] / Var[R]
