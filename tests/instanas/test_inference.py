from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from mnas_moo.instanas.controller import Controller
from mnas_moo.instanas.inference import Runner
from mnas_moo.instanas.metagraph import filled
from mnas_moo.spaces.instanas import NAMES
from tests.instanas.test_metagraph import SPACE, graph

GENERATOR = torch.Generator().manual_seed(3)
IMAGES = torch.randn(12, 1, 16, 16, generator=GENERATOR)


@pytest.fixture
def runner() -> Runner:
    controller = Controller((1, 16, 16), (SPACE.cells, len(NAMES)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        controller.decide.weight.mul_(20)  # so that images differ in their decisions
        controller.decide.bias.sub_(0.5)
    return Runner(graph(), controller)


def test_a_batch_has_the_logits_of_its_images_one_by_one(runner: Runner) -> None:
    whole = runner(IMAGES)
    assert len(torch.unique(whole.masks, dim=0)) > 1
    for i in range(len(IMAGES)):
        alone = runner(IMAGES[i : i + 1])
        assert alone.masks.equal(whole.masks[i : i + 1])
        torch.testing.assert_close(alone.logits, whole.logits[i : i + 1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 12])
def test_a_module_runs_once_for_the_images_that_use_it_and_else_never(count: int, runner: Runner) -> None:
    ran: Counter[tuple[int, int]] = Counter()
    seen: Counter[tuple[int, int]] = Counter()
    for c, cell in enumerate(runner.graph.cells):
        assert isinstance(cell, nn.ModuleList)
        for m, module in enumerate(cell):

            def note(_: nn.Module, given: tuple[torch.Tensor], key: tuple[int, int] = (c, m)) -> None:
                ran[key] += 1
                seen[key] += len(given[0])

            module.register_forward_pre_hook(note)
    masks = runner(IMAGES[:count]).masks
    used = filled(masks, SPACE).sum(0)
    assert set(ran.values()) == {1}
    assert dict(seen) == {(c, m): int(used[c, m]) for c, m in used.nonzero().tolist()}
    assert len(ran) < SPACE.cells * len(NAMES)


def test_images_of_another_size_are_refused(runner: Runner) -> None:
    with pytest.raises(ValueError, match="the controller is for images of 1x16x16"):
        runner(torch.zeros(1, 1, 32, 32))
