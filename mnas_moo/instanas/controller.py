"""The controller of InstaNAS: a small ResNet that looks at an image and gives each module of each cell a probability.

Two bodies as in the official code (search/models/controller.py, after BlockDrop's): ``Policy32`` for small images and
``Policy224``, which sees the image at half its size. A residual that changes the shape is averaged over 2x2 pixels and
has zeros for its new channels. Ours: bodies take images of other sizes too (the nearest one in ratio), and for graphs
that are not much larger than the controller there are a width and images that are shrunk more. Where a side is odd the
last average is of the pixels that are left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.operations import (
    Add,
    AveragePool,
    Conv,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Operation,
    Shape,
    Widen,
)
from mnas_moo.spaces.spec import Node

EPSILON = 1e-5
_NORM = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}
"""Part of a norm by the names of ``formats.weights`` -> by torch's."""


@dataclass(frozen=True)
class Body:
    """A ResNet.

    Attributes:
        shrunk: the image is averaged over so many pixels a side first.
        kernel: of the first convolution.
        stride: of the first convolution.
        pooled: whether the 3x3 maximum at stride 2 follows it.
        filters: channels of the blocks; each but the first has stride 2.
    """

    shrunk: int
    kernel: int
    stride: int
    pooled: bool
    filters: tuple[int, ...]


BODIES = {32: Body(1, 3, 1, False, (16, 32, 64)), 224: Body(2, 7, 2, True, (16, 32, 64, 128))}
"""By the resolution that they are made for."""


def body_for(resolution: int, width: float = 1.0, shrink: int = 1) -> Body:
    """The body for images of so many pixels a side, with its channels times ``width``, at least 4.

    >>> body_for(32).filters, body_for(96, 0.5).filters
    ((16, 32, 64), (8, 16, 32, 64))
    """
    if shrink > resolution // 8:
        raise ValueError(
            f"instanas: controller_shrink is {shrink}, which leaves {resolution // shrink} of {resolution} pixels; at "
            f"most {resolution // 8} is allowed"
        )
    body = BODIES[min(BODIES, key=lambda made: abs(math.log(resolution / shrink / made)))]
    filters = tuple(max(4, round(each * width)) for each in body.filters)
    return Body(shrink * body.shrunk, body.kernel, body.stride, body.pooled, filters)


class _Normed(nn.Module):
    """Convolution and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, generator: torch.Generator) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        nn.init.normal_(self.conv.weight, 0, math.sqrt(2 / (kernel**2 * outputs)), generator=generator)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.norm(self.conv(x)))


class _Block(nn.Module):
    """Two convolutions and their residual."""

    def __init__(self, inputs: int, outputs: int, stride: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _Normed(inputs, outputs, 3, stride, generator)
        self.second = _Normed(outputs, outputs, 3, 1, generator)
        self.stride, self.new = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True)
        if self.new:
            x = F.pad(x, (0, 0, 0, 0, 0, self.new))
        return F.relu(x + y)


class Controller(nn.Module):
    """Images to probabilities of decisions.

    >>> controller = Controller((3, 32, 32), (17, 5), torch.Generator().manual_seed(0))
    >>> sum(each.numel() for each in controller.parameters())
    80165

    Args:
        input_shape: (channels, height, width) of an image.
        decisions: (cells, modules).
        generator: random generator of the initial weights.
        width: factor on the channels.
        shrink: images are averaged over so many pixels a side before the body sees them.
        begins: probability of a decision where the last layer's weights give 0.

    Raises:
        ValueError: ``shrink`` leaves too few pixels.
    """

    def __init__(
        self,
        input_shape: Shape,
        decisions: tuple[int, int],
        generator: torch.Generator,
        width: float = 1.0,
        shrink: int = 1,
        begins: float = 0.5,
    ) -> None:
        super().__init__()
        self.input_shape, self.decisions, self.size = input_shape, decisions, (width, shrink)
        body = self.body = body_for(input_shape[1], width, shrink)
        self.stem = _Normed(input_shape[0], body.filters[0], body.kernel, body.stride, generator)
        blocks = [
            _Block(body.filters[max(i - 1, 0)], filters, 2 if i else 1, generator)
            for i, filters in enumerate(body.filters)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.decide = nn.Linear(body.filters[-1], math.prod(decisions))
        bound = 1 / math.sqrt(body.filters[-1])
        with torch.no_grad():
            for parameter in self.decide.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
            self.decide.bias.add_(math.log(begins / (1 - begins)))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, L, M) probabilities.

        Raises:
            ValueError: the images have another shape than the controller was made for.
        """
        return torch.sigmoid(self.decide(self.features(images))).reshape(-1, *self.decisions)

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, F) what the decisions are made of.

        Raises:
            ValueError: the images have another shape than the controller was made for.
        """
        if tuple(images.shape[1:]) != self.input_shape:
            ours, theirs = ("x".join(map(str, shape)) for shape in (self.input_shape, images.shape[1:]))
            raise ValueError(f"instanas: the controller is for images of {ours} (channels first); these have {theirs}")
        x = F.avg_pool2d(images, self.body.shrunk) if self.body.shrunk > 1 else images
        x = F.relu(self.stem(x))
        if self.body.pooled:
            x = F.max_pool2d(x, 3, 2, 1)
        return cast("Tensor", self.blocks(x).mean((2, 3)))


def controller_graph(input_shape: Shape, decisions: tuple[int, int], width: float = 1.0, shrink: int = 1) -> Fragment:
    """The controller as a graph, for files of other programs, sources of latency, and counts.

    Its output is that of the last layer: a probability is the sigmoid of it, and 1/2 or more where it is 0 or more.

    >>> graph = controller_graph((3, 32, 32), (17, 5))
    >>> graph.parameters, graph.multiply_adds
    (80165, 12244288)
    """
    body = body_for(input_shape[1], width, shrink)
    nodes: list[Node] = []

    def add(operation: Operation, *inputs: int) -> int:
        shapes = tuple(nodes[i].shape if i >= 0 else input_shape for i in inputs)
        nodes.append(Node("", operation, inputs, shapes, operation.output_shape(*shapes)))
        return len(nodes) - 1

    def conv(x: int, filters: int, kernel: int, stride: int, activation: str) -> int:
        return add(Conv(filters, kernel, stride, 1, EPSILON, activation), x)

    x = add(AveragePool(body.shrunk, body.shrunk, "valid"), -1) if body.shrunk > 1 else -1
    x = conv(x, body.filters[0], body.kernel, body.stride, "relu")
    if body.pooled:
        x = add(MaxPool(3, 2), x)
    for i, filters in enumerate(body.filters):
        y = conv(conv(x, filters, 3, 2 if i else 1, "relu"), filters, 3, 1, "none")
        if i:
            x = add(AveragePool(2, 2, "same"), x)
        if nodes[x].shape[0] < filters:
            x = add(Widen(filters), x)
        x = add(Add("relu"), x, y)
    add(Linear(math.prod(decisions)), add(GlobalAveragePool(), x))
    size = "x".join(map(str, input_shape))
    return Fragment(input_shape, tuple(nodes), f"controller {size} {body.filters[0]}-{math.prod(decisions)}")


def controller_weights(controller: Controller, graph: Fragment) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of a controller by the names of its graph, as ``formats.torch_module.weights`` has those of others.

    Args:
        controller: the controller.
        graph: the graph of one of its size (``controller_graph``).
    """
    found: dict[str, Tensor] = {}
    normed = (module for module in controller.modules() if isinstance(module, _Normed))
    for node in graph.nodes:
        if isinstance(node.operation, Conv):
            module = next(normed)
            state = module.norm.state_dict()
            owned = {ours: state[theirs] for ours, theirs in _NORM.items()} | {"weight": module.conv.weight}
        elif isinstance(node.operation, Linear):
            owned = {"weight": controller.decide.weight, "bias": controller.decide.bias}
        else:
            continue
        found |= {f"{node.name}.{part}": tensor for part, tensor in owned.items()}
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in found.items()}
