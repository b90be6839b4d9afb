from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch

from mnas_moo.fbnet import gumbel
from mnas_moo.fbnet.gumbel import ConditionedDistributions, Distributions, latency_of, loss_of, relaxed_sample

TABLE = torch.tensor([[1.0, 5.0, 2.0], [0.5, 0.0, 3.0]], dtype=torch.float64)


def test_examples() -> None:
    assert doctest.testmod(gumbel).failed == 0


def test_the_gradient_of_the_expected_latency_is_the_table_s_differences() -> None:
    theta = torch.tensor([[0.3, -1.0, 0.7], [0.0, 2.0, -0.5]], dtype=torch.float64, requires_grad=True)

    def expected(theta: torch.Tensor) -> torch.Tensor:
        return latency_of(torch.softmax(theta, 1), TABLE, 4.0)

    (gradient,) = torch.autograd.grad(expected(theta), theta)
    for layer in range(2):
        for i in range(3):
            step = torch.zeros_like(theta)
            step[layer, i] = 1e-6
            with torch.no_grad():
                difference = float(expected(theta + step) - expected(theta - step)) / 2e-6
            # by hand: p_i (LAT_i - mean LAT)
            p = np.exp(theta[layer].detach().numpy())
            p /= p.sum()
            by_hand = p[i] * (TABLE[layer, i].item() - float(p @ TABLE[layer].numpy()))
            assert float(gradient[layer, i]) == pytest.approx(difference, rel=1e-6, abs=1e-10)
            assert float(gradient[layer, i]) == pytest.approx(by_hand, rel=1e-9)


def test_the_loss_is_the_paper_s_and_not_that_of_its_reimplementations() -> None:
    cross_entropy, latency_ms, alpha, beta = 1.7, 12.0, 0.2, 0.6
    loss = float(loss_of(torch.tensor(cross_entropy).double(), torch.tensor(latency_ms).double(), alpha, beta))
    assert loss == pytest.approx(cross_entropy * alpha * math.log(12_000) ** beta)
    assert loss != pytest.approx(alpha * cross_entropy * math.log(12_000**beta))
    assert loss != pytest.approx(cross_entropy + alpha * 12_000**beta)


def test_a_relaxed_sample_is_one_of_the_distribution_as_the_temperature_falls() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([relaxed_sample(logits, 1e-4, generator) for _ in range(4000)])
    torch.testing.assert_close(drawn.sum(2), torch.ones(4000, 2))
    assert float((drawn.max(2).values > 0.999).float().mean()) > 0.99
    np.testing.assert_allclose(drawn.mean(0), torch.exp(logits), atol=0.03)
    warm = relaxed_sample(logits, 1e4, generator)
    torch.testing.assert_close(warm, torch.full((2, 3), 1 / 3), atol=0.01, rtol=0)


def test_at_first_all_candidates_are_as_likely() -> None:
    for distributions in (Distributions(2, 4, 3), ConditionedDistributions(4, 3, torch.Generator().manual_seed(0))):
        torch.testing.assert_close(torch.softmax(distributions.logits(1, 0.6), 1), torch.full((4, 3), 1 / 3))


def test_conditioned_distributions_differ_by_the_exponent_alone() -> None:
    distributions = ConditionedDistributions(4, 3, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(distributions.parameters(), 0.05)
    for _ in range(200):  # candidate 0 is to be likely where the exponent is small, candidate 2 where it is large
        loss = -distributions.logits(0, 0.1).log_softmax(1)[:, 0].sum()
        loss = loss - distributions.logits(0, 2.0).log_softmax(1)[:, 2].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert distributions.logits(0, 0.1).argmax(1).tolist() == [0] * 4
    assert distributions.logits(5, 2.0).argmax(1).tolist() == [2] * 4
