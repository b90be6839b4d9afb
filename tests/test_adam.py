"""Tests of ``mnas_moo/adam.py``."""

from __future__ import annotations

import subprocess
import sys

import torch

from mnas_moo.adam import Adam


def test_steps_are_torchs_to_the_last_bit() -> None:
    start = torch.linspace(-1, 1, 12).reshape(4, 3)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    for optimiser, weight in (
        (Adam([ours], 0.03), ours),
        (torch.optim.Adam([theirs], 0.03, fused=True), theirs),
    ):
        for turn in range(20):
            optimiser.zero_grad()
            torch.autograd.backward((weight**3 * (turn + 1)).sum())
            optimiser.step()
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, start)


def test_new_rows_begin_without_a_past() -> None:
    weight = torch.zeros(1, 2, requires_grad=True)
    optimiser = Adam([weight], 0.1)
    torch.autograd.backward(weight.sum())
    optimiser.step()
    weight.data = torch.cat([weight.data, torch.zeros(3, 2)])
    optimiser.grow(weight, 3)
    optimiser.zero_grad()
    torch.autograd.backward(weight[0].sum())
    optimiser.step()
    assert (weight[0] < -0.1).all()
    assert (weight[1:] == 0).all()


def test_it_does_not_import_the_compiler() -> None:
    text = (
        "import sys, torch; from mnas_moo.adam import Adam; w = torch.zeros(1, requires_grad=True); o = Adam([w], 0.1);"
        "torch.autograd.backward(w.sum()); o.step(); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
