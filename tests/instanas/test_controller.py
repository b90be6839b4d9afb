from __future__ import annotations

import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mnas_moo.instanas.controller import Controller, body_for, controller_graph, controller_weights
from mnas_moo.objectives.formats import litert


def made(side: int, **size: float) -> Controller:
    return Controller((3, side, side), (17, 5), torch.Generator().manual_seed(0), **size)  # type: ignore[arg-type]


def test_the_controller_for_cifar_has_the_published_size() -> None:
    assert sum(each.numel() for each in made(32).parameters()) == 80_165
    graph = controller_graph((3, 32, 32), (17, 5))
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
    assert controller_graph((3, 224, 224), (17, 5)).parameters == own


@pytest.mark.parametrize(
    ("side", "size"), [(16, {"width": 0.25}), (32, {}), (33, {"width": 0.5}), (36, {"shrink": 3}), (96, {"width": 0.5})]
)
def test_its_graph_computes_the_same_in_other_programs(side: int, size: dict[str, float]) -> None:
    controller = made(side, **size)
    images = torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for _ in range(30):
            controller(images)  # so that the norms fit
        expected = torch.logit(controller.eval()(images[:1])).flatten(1)
    graph = controller_graph((3, side, side), (17, 5), **size)  # type: ignore[arg-type]
    interpreter = Interpreter(model_content=litert.write(graph, controller_weights(controller, graph)))
    interpreter.allocate_tensors()
    image = images[:1].permute(0, 2, 3, 1).contiguous().numpy()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found = torch.from_numpy(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


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
