from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mnas_moo.instanas.learning import Learner
from mnas_moo.instanas.reward import Band
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.spaces.instanas import InstaNASSpace

SPACE = InstaNASSpace(preset="digits")
TABLE = ModuleTable(np.ones((SPACE.cells, 5)), 0.5, 0.25, SPACE)
SETTINGS = InstaNASSettings(controller_learning_rate=0.01, entropy=0.0)
IMAGES = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(64) % 10


def learner(**changes: float) -> Learner:
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return Learner(SPACE, TABLE, settings, torch.Generator().manual_seed(0), torch.device("cpu"))


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_one_learns_while_the_other_stays_as_it_is() -> None:
    one = learner()
    graph, controller = state(one.graph), state(one.controller)
    one.teach_controller(IMAGES, LABELS, 0.0, 1, Band(1.0, 30.0))
    assert same(graph, state(one.graph)) and not same(controller, state(one.controller))
    controller = state(one.controller)
    for step in (one.pretrain, one.teach_graph, one.finetune):
        step(IMAGES, LABELS, 0.0, 1)
        assert same(controller, state(one.controller)) and not same(graph, state(one.graph))
        graph = state(one.graph)


@pytest.mark.parametrize(("band", "more"), [(Band(0.0, 12.0), False), (Band(18.0, 30.0), True)])
def test_the_controller_moves_into_the_band(band: Band, more: bool) -> None:
    """All answers are made right, so that latency alone decides."""
    one = learner(wrong=0.0)
    one.graph.forward = lambda images, masks: torch.eye(10)[LABELS]  # type: ignore[method-assign,assignment]
    one.controller.eval()
    with torch.no_grad():
        before = float(one.controller(IMAGES).mean())
    for step in range(60):
        one.teach_controller(IMAGES, LABELS, 0.0, step, band)
    one.controller.eval()
    with torch.no_grad():
        after = float(one.controller(IMAGES).mean())
    assert (after > before + 0.05) if more else (after < before - 0.05)


def test_rates_follow_their_schedules() -> None:
    one = learner(search_epochs=10, decay_epochs=4)
    rates = []
    for progress in (0.0, 5.0):
        one.teach_graph(IMAGES, LABELS, progress, 0)
        one.teach_controller(IMAGES, LABELS, progress, 0, Band(1.0, 30.0))
        rates.append((one.sgd.param_groups[0]["lr"], one.adam.param_groups[0]["lr"]))
    assert rates[0] == (0.01, 0.01) and rates[1] == pytest.approx((0.005, 0.001))


def test_the_controller_learns_classes_before_it_decides_and_its_decisions_begin_as_the_pretraining_ends() -> None:
    one = learner(controller_pretraining=True, keep=0.9)
    decide, body = state(one.controller.decide), state(one.controller.blocks)
    told = [float(one.pretrain(IMAGES, LABELS, 0.0, step)["controller_loss"]) for step in range(30)]
    assert told[0] == pytest.approx(np.log(10)) and told[-1] < 0.8 * told[0]
    assert same(decide, state(one.controller.decide)) and not same(body, state(one.controller.blocks))
    fresh = learner(keep=0.9)
    with torch.no_grad():
        assert float(fresh.controller(IMAGES).mean()) == pytest.approx(0.9, abs=0.04)
