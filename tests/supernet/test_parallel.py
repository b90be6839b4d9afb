from __future__ import annotations

import threading

import pytest
import torch

from mnas_moo.supernet.parallel import Gradients, cores


@pytest.mark.parametrize("threads", [1, 2, None])
def test_the_gradient_is_that_of_the_sum(threads: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, unused = (torch.nn.Parameter(torch.randn(5, generator=generator)) for _ in range(3))
    losses = [lambda: (a * b).sum(), lambda: (a**2).sum(), lambda: b.exp().sum()]
    total = Gradients([a, b, unused], threads)(losses)
    expected = sum(loss() for loss in losses)
    by_a, by_b = torch.autograd.grad(expected, [a, b])  # type: ignore[arg-type]
    torch.testing.assert_close(total, expected.detach())  # type: ignore[union-attr]
    torch.testing.assert_close((a.grad, b.grad), (by_a, by_b))
    assert unused.grad is None and not total.requires_grad


def test_what_is_there_is_replaced_or_added_to() -> None:
    a = torch.nn.Parameter(torch.ones(2))
    gradients = Gradients([a], 1)
    gradients([lambda: a.sum()])
    gradients([lambda: 2 * a.sum()])
    assert torch.equal(a.grad, torch.full((2,), 2.0))  # type: ignore[arg-type]
    gradients([lambda: 3 * a.sum()], add=True)
    assert torch.equal(a.grad, torch.full((2,), 5.0))  # type: ignore[arg-type]


def test_losses_are_computed_at_the_same_time() -> None:
    """Each waits for the other: one after the other they would wait for ever."""
    a = torch.nn.Parameter(torch.ones(2))
    together = threading.Barrier(2, timeout=20)
    Gradients([a], 2)([lambda: a.sum() * (together.wait() >= 0), lambda: a.sum() * (together.wait() >= 0)])
    assert cores() >= 1
