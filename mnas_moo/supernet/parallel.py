"""Gradients of several losses at the same time, each in a thread with one core.

Layers of small networks are too small to be shared among cores: on two, torch's own threads more than doubled the time
of a step. Paths, or shares of a batch, are independent, and torch frees the interpreter's lock while it computes. The
gradients are added in the losses' order, so that the sum does not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


class Gradients:
    """Computes gradients of the same weights again and again.

    Args:
        parameters: the weights; where none of the losses depends on one, its gradient becomes None.
        threads: threads at the same time; None: one a core. On a GPU one is used.
    """

    def __init__(self, parameters: Iterable[Tensor], threads: int | None = None) -> None:
        self.parameters = list(parameters)
        on_gpu = any(each.device.type != "cpu" for each in self.parameters)
        self._pool = None if on_gpu else ThreadPoolExecutor(threads or cores())

    def __call__(self, losses: Sequence[Callable[[], Tensor]], *, add: bool = False) -> Tensor:
        """Sets ``grad`` of the weights to that of the sum of the losses.

        Args:
            losses: functions, each of which computes one loss; called in threads.
            add: whether it is added to what stands there.

        Returns:
            The sum, detached.
        """

        def one(loss: Callable[[], Tensor]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
            value = loss()
            return value.detach(), torch.autograd.grad(value, self.parameters, allow_unused=True)

        results = list(map(one, losses) if self._pool is None or len(losses) == 1 else self._pool.map(one, losses))
        for parameter, *gradients in zip(self.parameters, *(found for _, found in results), strict=True):
            before = [parameter.grad] if add else []
            used = [gradient for gradient in (*before, *gradients) if gradient is not None]
            parameter.grad = sum(used[1:], start=used[0]) if used else None
        return torch.stack([value for value, _ in results]).sum()


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
