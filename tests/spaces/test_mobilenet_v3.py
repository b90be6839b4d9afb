from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision import models

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small

both = pytest.mark.parametrize(
    ("make", "theirs", "published"),
    [
        (mobilenet_v3_large, models.mobilenet_v3_large, models.MobileNet_V3_Large_Weights.IMAGENET1K_V1.meta),
        (mobilenet_v3_small, models.mobilenet_v3_small, models.MobileNet_V3_Small_Weights.IMAGENET1K_V1.meta),
    ],
    ids=["large", "small"],
)


@both
def test_counts_equal_the_published_ones(
    make: Callable[[], Fragment], theirs: Callable[..., nn.Module], published: dict[str, float]
) -> None:
    assert make().parameters == published["num_params"]
    assert round(make().multiply_adds / 1e9, 3) == published["_ops"]


@both
def test_it_computes_what_torchvisions_computes(
    make: Callable[[], Fragment], theirs: Callable[..., nn.Module], published: dict[str, float]
) -> None:
    torch.manual_seed(0)
    their_module = theirs(weights=None)
    for part in their_module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
        if isinstance(part, nn.Linear):
            part.weight.data *= 10  # which begin so small that all logits are alike
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        their_module(images)  # norms that are not neutral
        state = dict(their_module.state_dict())
        state["classifier.0.weight"] = state["classifier.0.weight"][:, :, None, None]  # a 1x1 convolution, as published
        module = torch_module.build(make())
        torch_module.load_torchvision(module, state)
        expected = their_module.eval()(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(module.eval()(images), expected, rtol=0, atol=1e-4)
