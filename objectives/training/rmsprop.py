"""RMSProp as TensorFlow computes it, which is what MnasNet was trained with (Tan et al. 2019, sec. 5).

It differs from ``torch.optim.RMSprop``: epsilon stands under the root, the mean of squares begins at 1 and not at 0,
and the learning rate is part of what the momentum gathers (tf.compat.v1.train.RMSPropOptimizer). With torch's form the
first steps are up to thirty times as large.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class RMSProp(torch.optim.Optimizer):
    """ms = decay ms + (1 - decay) g²; buffer = momentum buffer + lr g / sqrt(ms + epsilon); w = w - buffer.

    Args:
        parameters: parameters, or groups of them.
        lr: learning rate.
        decay: share that the mean of squares keeps in a step.
        momentum: share that the buffer keeps in a step.
        epsilon: what is added under the root.
        weight_decay: share of a weight that is added to its gradient (L2 as part of the loss).
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        decay: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "decay": decay, "momentum": momentum, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # a closure has no use here
        """One step with the gradients that are there."""
        del closure
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients: list[Tensor] = [weight.grad for weight in weights]
            squares: list[Tensor] = []
            buffers: list[Tensor] = []
            for weight in weights:
                state = self.state[weight]
                if not state:
                    state["mean_square"] = torch.ones_like(weight)
                    state["buffer"] = torch.zeros_like(weight)
                squares.append(state["mean_square"])
                buffers.append(state["buffer"])
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["epsilon"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_addcdiv_(buffers, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, buffers)
