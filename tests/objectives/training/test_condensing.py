"""Learned group convolutions: what is dropped when, and that the condensed network is the trained one."""

from __future__ import annotations

import pytest
import torch

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.condensing import Condensing, dense, learns, stage_of
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.train import TrainSettings, train
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.spec import NetworkSpec

CELL = ("bnrelu", "learned1x1", "bnrelu", "group3x3")


def member(cell: tuple[str, ...] = CELL, **settings: object) -> NetworkSpec:
    space = DppNetSpace(preset="digits", resolution=8, stem_stride=1, **settings)
    return space.spec(space.genome(cell))


def trained(spec: NetworkSpec, steps: int = 30) -> Condensing:
    """A dense network after some steps of random gradients, whose norms are not neutral."""
    generator = torch.Generator().manual_seed(0)
    model = build(dense(spec), generator, norm_momentum=0.5)
    condensing = Condensing(spec, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(steps):
        optimizer.zero_grad()
        images = torch.randn(8, *spec.input_shape, generator=generator)
        condensing.criterion(0.0)(images, torch.randint(spec.classes, (8,), generator=generator), step)
        optimizer.step()
        condensing.at((step + 1) / steps)
        condensing.drop()
    return condensing


@pytest.mark.parametrize("features", [1.0, 0.5])
@pytest.mark.parametrize("cell", [CELL, ("bn", "learned1x1", "identity", "learned1x1")])
def test_outputs_are_the_same_before_and_after_condensing(cell: tuple[str, ...], features: float) -> None:
    condensing = trained(member(cell, features=features))
    network = condensing.condensed().eval()
    images = torch.randn(16, *network.spec.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(images), condensing.model.eval()(images), rtol=0, atol=1e-5)


def test_a_condensed_network_has_the_parameters_and_multiply_adds_of_its_group_form() -> None:
    learned, grouped = member(), member(("bnrelu", "group1x1", "bnrelu", "group3x3"))
    network = trained(learned).condensed()
    assert sum(parameter.numel() for parameter in network.parameters()) == learned.parameters == grouped.parameters
    assert learned.multiply_adds == grouped.multiply_adds < dense(learned).multiply_adds


def test_a_quarter_of_the_inputs_is_dropped_at_each_of_three_times_in_the_first_half() -> None:
    spec = member()
    model = build(dense(spec))
    condensing = Condensing(spec, model)
    weight = model.get_parameter("layers.1.1.conv.weight")
    before = weight.detach().clone()
    for progress, share in ((0.1, 0.0), (0.2, 0.25), (0.4, 0.5), (0.5, 0.75), (1.0, 0.75)):
        condensing.at(progress)
        condensing.drop()
        assert float((weight == 0).float().mean()) == share
    for i in range(4):  # outputs i, i + 4, ... are a group: they keep the inputs of the largest sums
        sums = before[i::4].abs().sum((0, 2, 3))
        kept = weight[i::4].abs().sum((0, 2, 3)) > 0
        assert sums[kept].min() > sums[~kept].max()


def test_an_interrupted_training_knows_from_the_weights_what_was_dropped() -> None:
    condensing = trained(member(), steps=7)
    again = Condensing(condensing.spec, condensing.model)
    weight = condensing.model.get_parameter("layers.0.1.conv.weight")
    zeros = weight == 0
    again.at(1.0)
    with torch.no_grad():
        weight.add_(1.0)  # as an optimizer with momentum
    again.drop()
    assert torch.equal(weight == 0, zeros)


def test_what_is_not_condensed_yet_is_refused() -> None:
    spec = member()
    with pytest.raises(ValueError, match="not condensed yet"):
        Condensing(spec, build(dense(spec))).condensed()


def test_only_networks_with_learned_groups_or_features_learn_them() -> None:
    assert learns(member()) and learns(member(("bn", "conv1x1"), features=0.5))
    assert not learns(member(("bn", "conv1x1"), shortest=2)) and dense(member(("bn", "conv1x1"))) == member(
        ("bn", "conv1x1")
    )
    assert [stage_of(0.0, 2), stage_of(0.49, 2), stage_of(0.5, 2)] == [0, 0, 1]


def test_a_training_condenses_and_judges_the_condensed_network() -> None:
    settings = TrainSettings(epochs=3, batch_size=64, threads=1, device="cpu")
    result = train(member(), load_data("digits", resolution=8), settings, seed=0)
    assert result.accuracy > 0.4  # a tenth by chance
