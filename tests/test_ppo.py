"""The clipped surrogate and one update."""

from __future__ import annotations

import math

import pytest
import torch
from optuna.distributions import CategoricalDistribution

from mnas_moo import ppo
from mnas_moo.controller import Controller
from mnas_moo.genomes.tokens import Decision


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.1, 2.0, 2.2, 2.2),
        (1.5, 2.0, 2.4, 0.0),  # clipped at 1.2: no more gain from a likelier action
        (1.5, -2.0, -3.0, -3.0),  # the pessimistic side is not clipped
        (0.5, -2.0, -1.6, 0.0),  # clipped at 0.8
        (0.5, 2.0, 1.0, 1.0),
    ],
)
def test_surrogate_and_gradient_of_a_hand_worked_ratio(
    ratio: float, advantage: float, expected: float, slope: float
) -> None:
    log_prob = torch.tensor([math.log(ratio)], requires_grad=True)
    gain = ppo.clipped_surrogate(log_prob, torch.zeros(1), torch.tensor([advantage]), clip=0.2)
    gain.sum().backward()
    assert gain.item() == pytest.approx(expected)
    assert log_prob.grad is not None
    assert log_prob.grad.item() == pytest.approx(slope)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        ppo.clipped_surrogate(torch.zeros(2), torch.zeros(3), torch.ones(1))


def test_an_update_makes_the_better_genome_likelier() -> None:
    decisions = [Decision(f"d{i}", CategoricalDistribution([0, 1])) for i in range(3)]
    controller = Controller(seed=0)
    controller.grow(decisions)
    genomes = controller.genomes([[(d, 0) for d in decisions], [(d, 1) for d in decisions]])
    old, _ = controller.evaluate(genomes)
    optimiser = torch.optim.Adam(controller.parameters(), 1e-3)
    ppo.update(controller, optimiser, ppo.PPOSettings(), genomes, old.detach(), torch.tensor([1.0, -1.0]))
    new, _ = controller.evaluate(genomes)
    assert (new[0] > old[0]).all()
    assert (new[1] < old[1]).all()


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"entropy": -1.0}, {"clip": 1.0}, {"epochs": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ppo.PPOSettings(**wrong)  # type: ignore[arg-type]
