"""What the controller of InstaNAS is rewarded for, and the gradient that it follows (Cheng et al. 2020, sec. 3.2).

A reward is that of latency, a parabola over a band that narrows, if the answer is right (search/search.py of the
official code). REINFORCE with the reward of the greedy decision as its baseline (self-critical; Rennie et al. 2017).
The entropy term is the official one, -p log p alone, whose maximum is p = 1/e; Bernoulli's has -(1-p) log(1-p) too.
All are functions of tensors; the band is an argument, not a global as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1e-12
"""Least probability of a decision whose logarithm is taken."""


@dataclass(frozen=True)
class Band:
    """Latencies that are rewarded, in milliseconds.

    Raises:
        ValueError: the upper end is not above the lower one.
    """

    lower_ms: float
    upper_ms: float

    def __post_init__(self) -> None:
        if not 0 <= self.lower_ms < self.upper_ms < float("inf"):
            raise ValueError(
                f"instanas: the band of latencies is from {self.lower_ms:.4g} to {self.upper_ms:.4g} ms; its upper end "
                "must be above its lower one: raise upper_last (and upper_first), or lower lower"
            )

    def towards(self, last: Band, progress: float) -> Band:
        """The band between this one and the last, at ``progress`` in [0, 1].

        >>> Band(1.0, 9.0).towards(Band(1.0, 5.0), 0.25)
        Band(lower_ms=1.0, upper_ms=8.0)
        """
        return Band(
            self.lower_ms + progress * (last.lower_ms - self.lower_ms),
            self.upper_ms + progress * (last.upper_ms - self.upper_ms),
        )


def explored(probabilities: Tensor, alpha: float) -> Tensor:
    """Gives alpha p + (1 - alpha)(1 - p): no probability is nearer to 0 or 1 than 1 - alpha.

    >>> explored(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), 0.75).tolist()
    [0.25, 0.5, 0.75]
    """
    return alpha * probabilities + (1 - alpha) * (1 - probabilities)


def latency_reward(latency_ms: Tensor, band: Band, exponent: float = 1.0) -> Tensor:
    """Is max(0, -(lat - upper)(lat - lower) / ((upper - lower)^2 / 4)) ^ exponent: 1 in the middle, 0 at the ends.

    >>> latency_reward(torch.tensor([1.0, 2.0, 3.0, 5.0, 6.0]), Band(1.0, 5.0)).tolist()
    [0.0, 0.75, 1.0, 0.0, 0.0]
    """
    lower, upper = band.lower_ms, band.upper_ms
    parabola = -(latency_ms - upper) * (latency_ms - lower) / ((upper - lower) ** 2 / 4)
    return parabola.clamp(min=0) ** exponent


def reward(
    correct: Tensor, latency_ms: Tensor, band: Band, right: float, wrong: float, exponent: float = 1.0
) -> Tensor:
    """(B,) right * latency_reward where the answer is right, else wrong.

    Args:
        correct: (B,) booleans.
        latency_ms: (B,) of the modules of each image.
        band: the latencies that are rewarded.
        right: reward of a right answer in the middle of the band.
        wrong: reward of a wrong answer.
        exponent: exponent of the reward of latency.
    """
    rewards = right * latency_reward(latency_ms, band, exponent)
    return torch.where(correct, rewards, torch.full_like(rewards, wrong))


@dataclass(frozen=True)
class PolicyLoss:
    """The loss of a batch, to be minimised, and what it consists of.

    Attributes:
        loss: scalar with gradient.
        entropy: mean over images of the sum of -p log p, in nats, detached.
    """

    loss: Tensor
    entropy: Tensor


def policy_loss(probabilities: Tensor, decisions: Tensor, advantage: Tensor, beta: float) -> PolicyLoss:
    """Is mean_b[-advantage sum log Bernoulli(u; p) - beta sum(-p log p)].

    Args:
        probabilities: (B, ...) ``explored`` probabilities that the decisions were drawn with, with gradient.
        decisions: (B, ...) booleans u, drawn.
        advantage: (B,) reward of u minus that of the greedy decisions, no gradient.
        beta: weight of the entropy term.
    """
    p = probabilities.flatten(1)
    u = decisions.flatten(1)
    log_probability = torch.where(u, p, 1 - p).clamp(min=LEAST).log().sum(1)  # (B,)
    entropy = -torch.special.xlogy(p, p).sum(1)  # (B,)
    loss = (-advantage * log_probability - beta * entropy).mean()
    return PolicyLoss(loss, entropy.detach().mean())


def shuffled(decisions: Tensor, generator: torch.Generator) -> Tensor:
    """The decisions of a batch, each given to an image drawn at random: no path is tied to its image.

    Args:
        decisions: (B, L, M).
        generator: random generator on the CPU.
    """
    order = torch.randperm(len(decisions), generator=generator)
    return decisions[order.to(decisions.device)]
