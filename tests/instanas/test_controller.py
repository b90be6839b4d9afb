from __future__ import annotations

import pytest
import torch

from mnas_moo.instanas.controller import Controller, body_for, timed_graph


def made(side: int, **size: float) -> Controller:
    return Controller((3, side, side), (17, 5), torch.Generator().manual_seed(0), **size)  # type: ignore[arg-type]


def test_the_controller_for_cifar_has_the_published_size() -> None:
    assert sum(each.numel() for each in made(32).parameters()) == 80_165
    graph = timed_graph((3, 32, 32), (17, 5))
    assert graph.parameters == 80_165 and round(graph.multiply_adds / 1e6, 1) == 12.2


def test_the_controller_for_imagenet_sees_half_the_size() -> None:
    controller = made(224)
    assert controller.body.shrunk == 2 and controller.body.filters == (16, 32, 64, 128)
    shapes = []
    controller.blocks.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape)))
    with torch.no_grad():
        assert controller(torch.zeros(2, 3, 224, 224)).shape == (2, 17, 5)
    assert shapes == [(2, 128, 4, 4)]
    own = sum(each.numel() for each in controller.parameters())
    assert timed_graph((3, 224, 224), (17, 5)).parameters == own


@pytest.mark.parametrize("side", [16, 31, 33, 64, 96])
def test_other_sizes_and_widths_have_a_controller(side: int) -> None:
    with torch.no_grad():
        found = made(side, width=0.25)(torch.randn(3, 3, side, side))
    assert found.shape == (3, 17, 5) and ((found > 0) & (found < 1)).all()


def test_it_may_see_images_that_are_averaged() -> None:
    controller = made(32, width=0.5, shrink=4).eval()
    images = torch.randn(2, 3, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    noise = torch.randn(2, 3, 8, 8, 16)
    noise = (noise - noise.mean(-1, keepdim=True)).reshape(2, 3, 8, 8, 4, 4).permute(0, 1, 2, 4, 3, 5)
    with torch.no_grad():
        torch.testing.assert_close(controller(images + noise.reshape(2, 3, 32, 32)), controller(images))


def test_images_of_another_size_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"the controller is for images of 3x32x32 .* these have 3x64x64"):
        made(32)(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="controller_shrink is 8, which leaves 4 of 32 pixels; at most 4 is allowed"):
        body_for(32, 1.0, 8)
