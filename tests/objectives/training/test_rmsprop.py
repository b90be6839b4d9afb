from __future__ import annotations

import math

import pytest
import torch

from mnas_moo.objectives.training.rmsprop import RMSProp


def test_two_steps_are_those_worked_by_hand() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    still = torch.nn.Parameter(torch.tensor([3.0]))  # has no gradient
    optimizer = RMSProp([weight, still], lr=0.1, weight_decay=0.5)
    square, buffer, value = 1.0, 0.0, 1.0
    for gradient in (2.0, -1.0):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        total = gradient + 0.5 * value
        square = 0.9 * square + 0.1 * total**2
        buffer = 0.9 * buffer + 0.1 * total / math.sqrt(square + 1e-3)
        value -= buffer
        assert weight.item() == pytest.approx(value, rel=1e-6)
    assert still.item() == 3.0


def test_the_state_goes_into_a_checkpoint_and_back() -> None:
    def fresh() -> tuple[torch.nn.Parameter, RMSProp]:
        weight = torch.nn.Parameter(torch.ones(3))
        return weight, RMSProp([weight], lr=0.1)

    def steps(weight: torch.nn.Parameter, optimizer: RMSProp, n: int) -> None:
        for _ in range(n):
            weight.grad = weight.detach() * torch.tensor([1.0, 2.0, -3.0])
            optimizer.step()

    whole, optimizer = fresh()
    steps(whole, optimizer, 4)
    half, first = fresh()
    steps(half, first, 2)
    other, second = fresh()
    other.data.copy_(half.data)
    second.load_state_dict(first.state_dict())
    steps(other, second, 2)
    assert torch.equal(whole, other)
