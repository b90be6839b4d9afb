"""The RNN controller."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution

from mnas_moo.adam import Adam
from mnas_moo.controller import Controller, RollOut, choose
from mnas_moo.genomes.tokens import Decision

SIZES = (2, 3, 4, 3)
DECISIONS = [Decision(f"d{i}", CategoricalDistribution(list(range(size)))) for i, size in enumerate(SIZES)]


@pytest.fixture
def controller() -> Controller:
    controller = Controller(seed=1, condition=2)
    controller.grow(DECISIONS)
    return controller


def condition(n: int) -> torch.Tensor:
    return torch.tensor([[0.3, 0.7]]).expand(n, -1)


def test_weights_are_within_a_tenth_and_head_biases_zero(controller: Controller) -> None:
    assert all(parameter.abs().max() <= 0.1 for parameter in controller.parameters())
    assert controller.lstm.weight_hh_l0.std().item() == pytest.approx(0.2 / math.sqrt(12), rel=0.05)
    assert (controller.bias == 0).all()


def test_entropy_of_a_fresh_controller_is_near_the_sum_of_logs_of_choices(controller: Controller) -> None:
    uniforms = np.random.default_rng(0).random((500, 4))
    tokens, log_probs = controller.rollout(DECISIONS, uniforms, condition(500))
    genomes = controller.genomes([list(zip(DECISIONS, row, strict=True)) for row in tokens.tolist()])
    _, entropy = controller.evaluate(genomes, condition(500))
    expected = sum(math.log(size) for size in SIZES)
    assert entropy.sum(1).mean().item() == pytest.approx(expected, abs=0.02)
    assert -log_probs.sum(1).mean() == pytest.approx(expected, abs=0.05)


def test_zero_weights_give_uniform_log_probabilities(controller: Controller) -> None:
    for parameter in controller.parameters():
        parameter.data.zero_()
    _, log_probs = controller.rollout(DECISIONS, np.full((1, 4), 0.5), condition(1))
    assert log_probs[0] == pytest.approx([-math.log(size) for size in SIZES])


def test_teacher_forcing_gives_the_log_probabilities_of_the_rollout(controller: Controller) -> None:
    tokens, log_probs = controller.rollout(DECISIONS, np.random.default_rng(1).random((20, 4)), condition(20))
    genomes = controller.genomes([list(zip(DECISIONS, row, strict=True)) for row in tokens.tolist()])
    evaluated, _ = controller.evaluate(genomes, condition(20))
    assert evaluated.detach().numpy() == pytest.approx(log_probs, abs=1e-6)


def test_sequences_of_other_lengths_and_orders_do_not_touch_each_other(controller: Controller) -> None:
    long = [(DECISIONS[0], 1), (DECISIONS[2], 3), (DECISIONS[1], 0)]
    short = [(DECISIONS[3], 2)]
    both, _ = controller.evaluate(controller.genomes([long, short]), condition(2))
    alone, _ = controller.evaluate(controller.genomes([short]), condition(1))
    assert both[1, 0].item() == pytest.approx(alone[0, 0].item(), abs=1e-6)
    assert both[1, 1:].tolist() == [0.0, 0.0]
    both.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in controller.parameters())


def test_weights_do_not_depend_on_the_order_in_which_decisions_were_met(controller: Controller) -> None:
    other = Controller(seed=1, condition=2)
    for decision in reversed(DECISIONS):
        other.grow([decision])
    uniforms = np.random.default_rng(2).random((5, 4))
    ours, theirs = (c.rollout(DECISIONS, uniforms, condition(5)) for c in (controller, other))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1].tolist() == theirs[1].tolist()


def test_growing_keeps_what_was_learnt(controller: Controller) -> None:
    optimiser = Adam(controller.parameters(), 0.01)
    genomes = controller.genomes([[(DECISIONS[0], 1)]])
    (-controller.evaluate(genomes, condition(1))[0].sum()).backward()
    optimiser.step()
    before = controller.evaluate(genomes, condition(1))[0].item()
    controller.grow([Decision("new", CategoricalDistribution([0, 1, 2]))], optimiser)
    assert controller.evaluate(genomes, condition(1))[0].item() == before
    (-controller.evaluate(genomes, condition(1))[0].sum()).backward()
    optimiser.step()
    assert controller.evaluate(genomes, condition(1))[0].item() > before


def test_choose_inverts_the_distribution() -> None:
    log_prob = torch.log(torch.tensor([[0.25, 0.0, 0.75]]))
    assert [choose(log_prob, torch.tensor([u])).item() for u in (0.0, 0.2499, 0.2501, 0.999999)] == [0, 0, 2, 2]


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    controller = Controller(seed=0)
    controller.grow(DECISIONS)
    controller.rollout(DECISIONS, np.full((1, 4), 0.5))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.get_default_dtype())


def test_a_genome_decided_step_by_step_is_that_of_the_whole_roll_out(controller: Controller) -> None:
    uniforms = np.random.default_rng(3).random((6, 4))
    tokens, log_probs = controller.rollout(DECISIONS, uniforms, condition(6))
    roll = RollOut(controller, 6, condition(6))
    for t, decision in enumerate(DECISIONS):
        token, log_prob = roll.decide(decision, torch.from_numpy(uniforms[:, t]))
        assert token.tolist() == tokens[:, t].tolist()
        assert log_prob.tolist() == pytest.approx(log_probs[:, t])


def test_a_decision_made_elsewhere_is_followed_as_if_it_had_been_sampled(controller: Controller) -> None:
    uniforms = np.random.default_rng(4).random((1, 4))
    tokens, log_probs = controller.rollout(DECISIONS, uniforms, condition(1))
    roll = RollOut(controller, 1, condition(1))
    for decision, token in zip(DECISIONS[:3], tokens[0], strict=False):
        roll.follow(decision, int(token))
    last, log_prob = roll.decide(DECISIONS[3], torch.from_numpy(uniforms[:, 3]))
    assert int(last) == tokens[0, 3]
    assert float(log_prob) == pytest.approx(log_probs[0, 3])


def test_tokens_that_are_not_allowed_are_never_chosen_and_do_not_change_the_log_probability(
    controller: Controller,
) -> None:
    uniform = torch.linspace(0, 0.999, 50)
    free = RollOut(controller, 50, condition(50)).decide(DECISIONS[2], uniform)
    allowed = torch.tensor([[False, True, False, True]]).expand(50, -1)
    token, log_prob = RollOut(controller, 50, condition(50)).decide(DECISIONS[2], uniform, allowed=allowed)
    assert set(token.tolist()) == {1, 3}
    of_token = dict(zip(free[0].tolist(), free[1].tolist(), strict=True))
    assert log_prob.tolist() == pytest.approx([of_token[each] for each in token.tolist()])


def test_genomes_without_a_decision_stand_where_they_stood(controller: Controller) -> None:
    roll, without = RollOut(controller, 2, condition(2)), RollOut(controller, 1, condition(1))
    half = torch.full((2,), 0.5)
    roll.decide(DECISIONS[0], half)
    without.decide(DECISIONS[0], half[:1])
    _, absent = roll.decide(DECISIONS[1], half, exists=torch.tensor([False, True]))
    assert absent[0] == 0.0
    assert absent[1] < 0.0
    _, after = roll.decide(DECISIONS[2], half)
    _, alone = without.decide(DECISIONS[2], half[:1])
    assert float(after[0]) == pytest.approx(float(alone[0]))
    assert float(after[1]) != pytest.approx(float(alone[0]), abs=1e-6)
