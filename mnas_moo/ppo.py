"""Proximal policy optimisation of a controller (Schulman et al. 2017, eq. 7), for one-step episodes.

A genome is one episode and its reward comes at the end, so there is no value network: an advantage is the reward
minus a baseline, and every decision of the genome shares it. The ratio is clipped decision by decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mnas_moo.controller import Controller, Genomes


@dataclass(frozen=True)
class PPOSettings:
    """How a controller is updated.

    Attributes:
        learning_rate: of Adam. 3.5e-4 published (Zoph et al. 2018, appendix A.2).
        entropy: weight of the entropy bonus. 1e-5 published.
        clip: half-width of the trust interval on the ratio. 0.2 is ours, as in Schulman et al.
        epochs: passes over a batch. 3 is ours.
    """

    learning_rate: float = 3.5e-4
    entropy: float = 1e-5
    clip: float = 0.2
    epochs: int = 3

    def __post_init__(self) -> None:
        if not self.learning_rate > 0 or not self.entropy >= 0 or not 0 < self.clip < 1 or self.epochs < 1:
            raise ValueError(f"{self}: allowed are learning_rate > 0, entropy >= 0, 0 < clip < 1, epochs >= 1")


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    """PPO's policy objective, to be maximised (Schulman et al. 2017, eq. 7), before any mean.

    Args:
        log_prob: log pi(a|s) now, in nats, with gradient; any shape.
        old_log_prob: the same at sampling time, without gradient; that shape.
        advantage: reward minus baseline; broadcasts to that shape.
        clip: half-width of the trust interval on the ratio, > 0.

    Returns:
        min(ratio x advantage, clipped ratio x advantage), elementwise.

    Raises:
        ValueError: log_prob and old_log_prob differ in shape.
    """
    if log_prob.shape != old_log_prob.shape:
        raise ValueError(
            f"log_prob is {tuple(log_prob.shape)}, old_log_prob {tuple(old_log_prob.shape)}; must be equal"
        )
    ratio = (log_prob - old_log_prob).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def update(
    controller: Controller,
    optimiser: torch.optim.Optimizer,
    settings: PPOSettings,
    genomes: Genomes,
    old_log_prob: Tensor,
    advantage: Tensor,
    condition: Tensor | None = None,
) -> None:
    """One update of the controller on a batch, in place.

    Args:
        controller: the policy.
        optimiser: holds its parameters.
        settings: clip, entropy weight and epochs; the learning rate is the optimiser's.
        genomes: B sequences of T decisions.
        old_log_prob: (B, T) log-probability of each decision when it was sampled; 0 where there is none.
        advantage: (B,) reward minus baseline.
        condition: (B, C) what the policy was conditioned on, or None.
    """
    decisions = (genomes.size > 0).sum()
    for _ in range(settings.epochs):
        log_prob, entropy = controller.evaluate(genomes, condition)
        gain = clipped_surrogate(log_prob, old_log_prob, advantage[:, None], settings.clip).sum()
        loss = -(gain + settings.entropy * entropy.sum()) / decisions
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
