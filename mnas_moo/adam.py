"""Adam for parameters that may gain rows, without the second that ``torch.optim.Adam`` takes to be made.

The steps are those of torch's functional Adam (Kingma & Ba 2015, algorithm 1), bit by bit. torch's class is not used
because making the first one imports torch's compiler: a second and 160 MB for each process of a search.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Adam over parameters that all have a gradient at each step.

    >>> weight = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimiser = Adam([weight], 0.1)
    >>> optimiser.zero_grad()
    >>> torch.autograd.backward((weight**2).sum())
    >>> optimiser.step()
    >>> weight.detach()
    tensor([0.9000, 1.9000])

    Args:
        parameters: tensors of one type on the CPU.
        learning_rate: step size, > 0.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self._parameters = list(parameters)
        self._first = [torch.zeros_like(parameter) for parameter in self._parameters]  # running means of g
        self._second = [torch.zeros_like(parameter) for parameter in self._parameters]  # running means of g^2
        self._steps = [torch.zeros(()) for _ in self._parameters]

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Moves all parameters by their gradients."""
        adam(
            self._parameters,
            [parameter.grad for parameter in self._parameters if parameter.grad is not None],
            self._first,
            self._second,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def grow(self, parameter: Tensor, rows: int) -> None:
        """Gives the rows that a parameter has gained at its end running means of 0."""
        i = next(i for i, each in enumerate(self._parameters) if each is parameter)
        for moments in (self._first, self._second):
            moments[i] = torch.cat([moments[i], moments[i].new_zeros(rows, *moments[i].shape[1:])])
