from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
import torch

from mnas_moo.objectives.formats.torch_module import DropoutModule, build
from mnas_moo.spaces import get
from mnas_moo.spaces.space import Space
from mnas_moo.supernet import module
from mnas_moo.supernet.module import SharedWeights, Supernet, calibrate

SPACES = ("mnasnet", "mnasnet-flat", "fbnet")


def small(name: str) -> Space:
    return get(name, preset="digits")


def supernet_of(space: Space) -> Supernet:
    return Supernet(space, torch.Generator().manual_seed(0)).eval()


def images(n: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def genomes(space: Space, n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {key: each.choices[int(rng.integers(len(each.choices)))] for key, each in space.distributions.items()}  # type: ignore[attr-defined]
        for _ in range(n)
    ]


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", SPACES)
def test_a_network_that_is_cut_out_gives_the_logits_of_its_path(name: str) -> None:
    space = small(name)
    supernet = supernet_of(space).double()
    for params in genomes(space, 12):
        cut = supernet.cut(params).double().train()
        for each in cut.modules():
            if isinstance(each, DropoutModule):
                each.eval()
        with torch.no_grad():
            path, own = supernet(images().double(), supernet.path(params)), cut(images().double())
        assert float(path.abs().max()) > 1e-3
        torch.testing.assert_close(path, own, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SPACES)
def test_every_weight_is_of_some_network_and_as_large_as_the_largest_needs(name: str) -> None:
    space = small(name)
    supernet = supernet_of(space)
    used: dict[str, torch.Tensor] = {}
    for params in [*genomes(space, 400), *(space.params(spec) for spec in space.covering())]:
        for step in (step for section in supernet.path(params) for step in section if step.owner):
            owner = supernet.owners[step.owner]
            assert isinstance(owner, SharedWeights)
            mark = used.setdefault(step.owner, torch.zeros_like(owner.weight))
            whole = owner.weight.data
            owner.weight.data = mark
            owner.part(step.node)["weight"].data.fill_(1)
            owner.weight.data = whole
    assert used.keys() == set(supernet.owners)
    # every corner of each weight is used: its last channels, inputs and rim
    assert all(bool(mark[-1].any() and mark[:, -1].any() and mark.reshape(-1)[-1] >= 0) for mark in used.values())


def test_narrow_layers_are_the_first_channels_and_small_kernels_the_middle() -> None:
    space = small("mnasnet")
    supernet = supernet_of(space)
    base = {key: each.choices[0] for key, each in space.distributions.items()}  # type: ignore[attr-defined]
    like = {"operation": "mbconv6", "kernel": 5, "skip": "none", "filters": 1.25, "layers": 0}
    large = {key: like.get(key.rpartition(".")[2], value) for key, value in base.items()}
    less = {"operation": "mbconv3", "kernel": 3, "filters": 0.75}
    small_one = {key: less.get(key.rpartition(".")[2], value) for key, value in large.items()}

    def parts(params: dict[str, Any]) -> dict[str, torch.Tensor]:
        steps = (step for section in supernet.path(params) for step in section if step.owner)
        return {step.owner: supernet.owners[step.owner].part(step.node)["weight"] for step in steps}  # type: ignore[operator,union-attr]

    wide, narrow = parts(large), parts(small_one)
    assert wide.keys() == narrow.keys()
    depthwise = "block2_layer1_mbconv_wide_depthwise"
    channels = narrow[depthwise].shape[0]
    assert channels < wide[depthwise].shape[0] and narrow[depthwise].shape[2:] == (3, 3)
    assert torch.equal(narrow[depthwise], wide[depthwise][:channels, :, 1:4, 1:4])
    expand = "block2_layer1_mbconv_wide_expand"
    rows, columns = narrow[expand].shape[:2]
    assert torch.equal(narrow[expand], wide[expand][:rows, :columns])


def test_candidates_of_fbnet_share_nothing() -> None:
    space = small("fbnet")
    supernet = supernet_of(space)
    choices = next(iter(space.distributions.values())).choices  # type: ignore[attr-defined]
    owners = [
        {step.owner for section in supernet.path(dict.fromkeys(space.distributions, choice))[1:-1] for step in section}
        for choice in choices
    ]
    for i, one in enumerate(owners):
        assert all(one & other <= {""} for other in owners[i + 1 :])


def test_only_what_a_path_uses_has_a_gradient() -> None:
    space = small("mnasnet")
    supernet = supernet_of(space)
    (params,) = genomes(space, 1)
    path = supernet.path(params)
    supernet(images(), path).square().sum().backward()
    used = {step.owner for section in path for step in section if step.owner}
    for name, owner in supernet.owners.items():
        assert isinstance(owner, SharedWeights)
        assert (owner.weight.grad is not None) == (name in used)


def test_dropout_is_done_where_there_is_a_generator_and_by_it() -> None:
    space = small("mnasnet")
    supernet = supernet_of(space)
    path = supernet.path(genomes(space, 1)[0])

    def logits(seed: int) -> torch.Tensor:
        with torch.no_grad():
            return supernet(images(), path, torch.Generator().manual_seed(seed))  # type: ignore[no-any-return]

    assert torch.equal(logits(1), logits(1)) and not torch.equal(logits(1), logits(2))
    with torch.no_grad():
        assert torch.equal(supernet(images(), path), supernet(images(), path))


def test_calibrated_statistics_are_the_means_of_the_batches() -> None:
    space = small("mnasnet")
    network = build(space.spec(genomes(space, 1)[0]))
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    stem = network.get_submodule("stem.conv")
    batches = [images(16, seed) for seed in range(3)]
    calibrate(network, batches)
    with torch.no_grad():
        outputs = [torch.nn.functional.conv2d(batch, stem.weight, None, stem.operation.stride, 1) for batch in batches]  # type: ignore[arg-type,union-attr]
    expected = torch.stack([each.mean((0, 2, 3)) for each in outputs]).mean(0)
    torch.testing.assert_close(stem.running_mean, expected, rtol=1e-4, atol=1e-5)
    variance = torch.stack([each.var((0, 2, 3)) for each in outputs]).mean(0)
    torch.testing.assert_close(stem.running_var, variance, rtol=1e-4, atol=1e-5)
    assert not network.training and stem.norm_momentum == 0.01
    assert all(torch.equal(before[name], tensor) for name, tensor in network.named_parameters())


def test_a_space_that_does_not_say_where_its_layers_stand_is_refused() -> None:
    class Other:
        name = "other"

    with pytest.raises(ValueError, match="networks of space 'other' share no weights; allowed: mnasnet, mnasnet-flat"):
        Supernet(Other(), torch.Generator())  # type: ignore[arg-type]
