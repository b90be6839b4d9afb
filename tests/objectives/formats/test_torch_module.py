from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import weakref

import pytest
import torch
import torchvision

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces import network
from mnas_moo.spaces.operations import OPERATIONS, ChannelShuffle
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.objectives.formats.conftest import of_nodes

SPEC = NetworkSpec(
    (3, 16, 16),
    Layer("conv", 3, 8, 3, 1, skip="none"),
    (
        Layer("mbconv", 8, 16, 5, 2, 3, 0.25),
        Layer("mbconv", 16, 16, 3, 1, 6, 0.25),
        Layer("conv", 16, 16, 3, 2, skip="pooling"),
    ),
    64,
    10,
)


def build(seed: int = 0, **settings: float) -> torch_module.Network:
    return torch_module.build(SPEC, torch.Generator().manual_seed(seed), **settings)


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias.data):
                tensor.normal_(0, 0.3, generator=generator)
            for tensor in (part.running_var, part.weight.data):
                tensor.uniform_(0.5, 1.5, generator=generator)
        elif isinstance(part, torch.nn.Linear):
            part.bias.data.normal_(0, 1, generator=generator)
    return module.eval()


def test_every_operation_has_a_module() -> None:
    assert set(torch_module.MODULES) == set(OPERATIONS)


def test_parameters_are_as_counted() -> None:
    assert sum(parameter.numel() for parameter in build().parameters()) == SPEC.parameters


def test_logits_have_one_row_an_image() -> None:
    assert build()(torch.zeros(5, 3, 16, 16)).shape == (5, 10)


def test_weights_are_named_after_their_nodes() -> None:
    weights = torch_module.weights(build())
    norm = ("weight", "gamma", "beta", "running_mean", "running_var")
    assert {f"layers.0.expand.{part}" for part in norm} < set(weights)
    assert {"layers.0.se.reduce.bias", "stem.conv.weight", "head.beta", "classifier.bias"} < set(weights)
    assert weights["layers.0.depthwise.weight"].shape == (24, 1, 5, 5)


def test_weights_are_copies() -> None:
    module = build()
    weights = torch_module.weights(module)
    weights["stem.conv.weight"][:] = 0
    assert module.get_parameter("stem.conv.weight").abs().sum() > 0


def test_the_generator_decides_the_initial_weights() -> None:
    one, same, other = (torch_module.weights(build(seed)) for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["stem.conv.weight"] != other["stem.conv.weight"]).all()


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    torch_module.build(SPEC)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("head.weight", math.sqrt(2 / 1280)),  # 1x1: fan-out is the output channels
        ("stem.conv.weight", math.sqrt(2 / (9 * 32))),
        ("layers.3.depthwise.weight", math.sqrt(2 / 25)),  # depthwise: the official kernel is (k, k, C, 1)
        ("classifier.weight", 1 / math.sqrt(3 * 1000)),  # uniform within 1 / sqrt(1000)
    ],
)
def test_initial_weights_are_those_of_the_official_code(name: str, deviation: float) -> None:
    weight = torch_module.build(network("mnasnet-a1")).get_parameter(name)
    standard_error = deviation / math.sqrt(2 * weight.numel())
    assert weight.std().item() == pytest.approx(deviation, abs=5 * standard_error)
    assert weight.mean().item() == pytest.approx(0, abs=5 * deviation / math.sqrt(weight.numel()))


def test_classifier_weights_are_uniform_within_the_bound() -> None:
    weight = build().get_parameter("classifier.weight").abs()
    assert 0.95 / math.sqrt(10) < weight.max() <= 1 / math.sqrt(10)


def test_biases_and_norms_start_neutral() -> None:
    for name, array in torch_module.weights(build()).items():
        part = name.rpartition(".")[2]
        if part != "weight":
            assert (array == (1 if part in ("gamma", "running_var") else 0)).all(), name


def test_norm_momentum_is_the_share_of_the_new_batch() -> None:
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    published, whole = build(), build(norm_momentum=1.0)
    published(images)
    whole(images)
    mean = whole.get_buffer("stem.conv.running_mean")
    torch.testing.assert_close(published.get_buffer("stem.conv.running_mean"), 0.01 * mean)


@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.5])
def test_norm_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match=r"norm_momentum is .*above 0"):
        build(norm_momentum=momentum)


def test_every_parameter_gets_a_gradient() -> None:
    module = build()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.nn.functional.cross_entropy(module(images), torch.arange(4)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_dropout_is_there_in_training_only() -> None:
    module = build()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(module(images), module(images))
    module.eval()
    assert torch.equal(module(images), module(images))


def test_pooling_counts_the_zeros_of_the_border() -> None:
    pooling = build().get_submodule("layers.2.pooling")
    pooled = pooling(torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(pooled[0, 0], torch.tensor([[4 / 9, 6 / 9], [6 / 9, 1.0]]))


def test_a_shuffle_takes_the_channels_of_all_groups_in_turn() -> None:
    module = torch_module.build(of_nodes((6, 1, 2), (ChannelShuffle(2), (-1,))))
    image = torch.arange(12.0).reshape(1, 6, 1, 2)
    torch.testing.assert_close(module(image), image[:, [0, 3, 1, 4, 2, 5]])


def test_tensors_are_freed_after_their_last_reader() -> None:
    module = build().eval()
    alive: list[weakref.ref[torch.Tensor]] = []
    dead_at_the_end: list[bool] = []
    for name in ("layers.0.expand", "layers.1.project", "head"):
        module.get_submodule(name).register_forward_hook(lambda _, __, y: alive.append(weakref.ref(y)))
    module.get_submodule("classifier").register_forward_pre_hook(
        lambda _, __: dead_at_the_end.extend(reference() is None for reference in alive)
    )
    with torch.no_grad():
        module(torch.zeros(1, 3, 16, 16))
    assert dead_at_the_end == [True, True, True]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_runs_its_own_weights(copied: object) -> None:
    module = build().eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = module(images)
        twin = copied(module)  # type: ignore[operator]
        for parameter in module.parameters():
            parameter.zero_()
        assert torch.equal(twin(images), before)


@pytest.mark.parametrize(
    ("name", "published"),
    [("mnasnet-b1", torchvision.models.mnasnet1_0), ("mobilenetv2", torchvision.models.mobilenet_v2)],
)
def test_torchvisions_weights_give_torchvisions_logits(name: str, published: object) -> None:
    theirs = randomised(published(weights=None))  # type: ignore[operator]
    ours = torch_module.build(dataclasses.replace(network(name, resolution=64), epsilon=1e-5))
    torch_module.load_torchvision(ours, theirs.state_dict())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs(images), rtol=0, atol=1e-5)


def test_weights_of_another_network_are_refused() -> None:
    state = torchvision.models.mnasnet1_0(weights=None).state_dict()
    module = torch_module.build(network("mnasnet-b1", classes=10))
    before = torch_module.weights(module)
    with pytest.raises(ValueError, match=r"classifier.1.weight .*\(1000, 1280\), but classifier.weight has \(10, 12"):
        torch_module.load_torchvision(module, state)
    assert all((array == before[name]).all() for name, array in torch_module.weights(module).items())
    with pytest.raises(ValueError, match="the state dict has 262 weights and statistics, but"):
        torch_module.load_torchvision(torch_module.build(network("mnasnet-a1")), state)
