"""The distributions of architectures that FBNet learns, and its loss (Wu et al. 2019, sec. 3.1 to 3.3).

Candidate i of layer l has probability softmax(theta_l)_i (eq. 5). The supernet is given a relaxed sample, m_{l,i} =
softmax_i((theta_{l,i} + g_{l,i}) / tau) with Gumbel noise g (eq. 6); its latency is sum_l sum_i m_{l,i} LAT(b_{l,i})
(eq. 8), and the loss CE * alpha * (log LAT)^beta (eq. 2). Reimplementations on GitHub take alpha * CE * log(LAT^beta),
which is alpha * beta * CE * log LAT, or CE + alpha * LAT^beta; neither is the paper's. The unit of LAT is not said
there; here it is the microsecond, so that the logarithm is above 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MICROSECONDS = 1000.0
"""In a millisecond."""


class Distributions(nn.Module):
    """K distributions over architectures: a table of logits each.

    Args:
        points: number K of distributions.
        layers: number L of layers.
        candidates: number C of candidates of each layer.
    """

    def __init__(self, points: int, layers: int, candidates: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(points, layers, candidates))

    def logits(self, point: int, beta: float) -> Tensor:
        """(L, C) logits of one distribution."""
        del beta
        return self.theta[point]


class ConditionedDistributions(nn.Module):
    """One function from the exponent of the loss to logits, so that one search gives the whole front (as in MODNAS).

    Args:
        layers: number L of layers.
        candidates: number C of candidates of each layer.
        generator: random generator of the initial weights.
        hidden: units between.
    """

    def __init__(self, layers: int, candidates: int, generator: torch.Generator, hidden: int = 32) -> None:
        super().__init__()
        self.shape = layers, candidates
        self.theta = nn.Parameter(torch.zeros(layers, candidates))
        self.first = nn.Parameter(torch.empty(hidden, 2).uniform_(-1, 1, generator=generator))
        self.second = nn.Parameter(torch.zeros(layers * candidates, hidden))  # at first, all are uniform

    def logits(self, point: int, beta: float) -> Tensor:
        """(L, C) logits for an exponent; ``point`` decides nothing."""
        del point
        preference = torch.tensor([1.0, 1.0], device=self.theta.device)
        preference[1] = torch.log(torch.tensor(beta))
        return self.theta + (self.second @ torch.relu(self.first @ preference)).reshape(self.shape)


def relaxed_sample(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """(L, C) weights of the candidates, by the Gumbel softmax.

    Args:
        logits: (L, C).
        temperature: above 0; near 0 the weights are those of one drawn architecture.
        generator: random generator on the CPU.
    """
    uniform = torch.rand(logits.shape, generator=generator).clamp_(1e-20, 1 - 1e-7)
    noise = -torch.log(-torch.log(uniform))
    return torch.softmax((logits + noise.to(logits)) / temperature, 1)


def latency_of(weights: Tensor, table_ms: Tensor, rest_ms: float) -> Tensor:
    """Latency of a relaxed sample, or expected latency of a distribution, in milliseconds (eq. 8).

    Args:
        weights: (L, C) weights of the candidates.
        table_ms: (L, C) their latencies.
        rest_ms: latency of all that is the same in every network.
    """
    return rest_ms + (weights * table_ms).sum()


def loss_of(cross_entropy: Tensor, latency_ms: Tensor, alpha: float, beta: float) -> Tensor:
    """CE * alpha * (log LAT)^beta, LAT in microseconds (eq. 2).

    >>> import math
    >>> loss = loss_of(torch.tensor(2.0), torch.tensor(math.e / 1000), alpha=0.2, beta=0.6)  # log LAT is 1
    >>> round(float(loss), 6)
    0.4
    """
    return cross_entropy * alpha * torch.log(latency_ms * MICROSECONDS) ** beta
