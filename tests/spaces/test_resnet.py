from __future__ import annotations

import torch
from torchvision import models

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces.resnet import resnet50


def test_counts_equal_the_published_ones() -> None:
    published = models.ResNet50_Weights.IMAGENET1K_V1.meta
    graph = resnet50()
    assert graph.parameters == published["num_params"] == 25_557_032
    assert round(graph.multiply_adds / 1e9, 3) == published["_ops"] == 4.089


def test_it_computes_what_torchvisions_computes() -> None:
    torch.manual_seed(0)
    theirs = models.resnet50(weights=None)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        theirs(images)  # norms that are not neutral
        module = torch_module.build(resnet50())
        torch_module.load_torchvision(module, theirs.state_dict())
        expected = theirs.eval()(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(module.eval()(images), expected, rtol=0, atol=1e-4)
