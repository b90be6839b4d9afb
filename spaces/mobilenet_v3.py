"""MobileNetV3, large and small, as graphs of operations (Howard et al. 2019, tables 1 and 2), as torchvision has them.

A space's layers cannot say them: the activation changes from layer to layer, and squeeze-and-excite is a share of the
expanded channels.
"""

from __future__ import annotations

from typing import NamedTuple

from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.operations import Add, Conv, Dropout, GlobalAveragePool, Linear, Multiply
from mnas_moo.spaces.spec import NodeList

_EPSILON = 1e-3


class _Layer(NamedTuple):
    """One row of the papers' tables."""

    kernel: int
    expanded: int
    channels: int
    squeezed: bool
    activation: str
    stride: int


_LARGE = (
    _Layer(3, 16, 16, False, "relu", 1),
    _Layer(3, 64, 24, False, "relu", 2),
    _Layer(3, 72, 24, False, "relu", 1),
    _Layer(5, 72, 40, True, "relu", 2),
    _Layer(5, 120, 40, True, "relu", 1),
    _Layer(5, 120, 40, True, "relu", 1),
    _Layer(3, 240, 80, False, "hardswish", 2),
    _Layer(3, 200, 80, False, "hardswish", 1),
    _Layer(3, 184, 80, False, "hardswish", 1),
    _Layer(3, 184, 80, False, "hardswish", 1),
    _Layer(3, 480, 112, True, "hardswish", 1),
    _Layer(3, 672, 112, True, "hardswish", 1),
    _Layer(5, 672, 160, True, "hardswish", 2),
    _Layer(5, 960, 160, True, "hardswish", 1),
    _Layer(5, 960, 160, True, "hardswish", 1),
)
_SMALL = (
    _Layer(3, 16, 16, True, "relu", 2),
    _Layer(3, 72, 24, False, "relu", 2),
    _Layer(3, 88, 24, False, "relu", 1),
    _Layer(5, 96, 40, True, "hardswish", 2),
    _Layer(5, 240, 40, True, "hardswish", 1),
    _Layer(5, 240, 40, True, "hardswish", 1),
    _Layer(5, 120, 48, True, "hardswish", 1),
    _Layer(5, 144, 48, True, "hardswish", 1),
    _Layer(5, 288, 96, True, "hardswish", 2),
    _Layer(5, 576, 96, True, "hardswish", 1),
    _Layer(5, 576, 96, True, "hardswish", 1),
)


def mobilenet_v3_large() -> Fragment:
    """MobileNetV3-Large for images of 224 x 224 pixels and 1,000 classes.

    >>> from mnas_moo.spaces.mobilenet_v3 import mobilenet_v3_large
    >>> mobilenet_v3_large().parameters, mobilenet_v3_large().multiply_adds
    (5483032, 216589760)
    """
    return _network("MobileNetV3-Large", _LARGE, 1280)


def mobilenet_v3_small() -> Fragment:
    """MobileNetV3-Small for images of 224 x 224 pixels and 1,000 classes."""
    return _network("MobileNetV3-Small", _SMALL, 1024)


def _network(name: str, layers: tuple[_Layer, ...], head: int) -> Fragment:
    graph = NodeList((3, 224, 224))

    def conv(x: int, channels: int, activation: str = "none", kernel: int = 1, stride: int = 1, groups: int = 1) -> int:
        return graph.add("conv", Conv(channels, kernel, stride, groups, _EPSILON, activation), x)

    x = conv(-1, 16, "hardswish", 3, 2)
    for layer in layers:
        y, width = x, layer.expanded
        if width != graph.shape(x)[0]:
            y = conv(y, width, layer.activation)
        y = conv(y, width, layer.activation, layer.kernel, layer.stride, groups=width)
        if layer.squeezed:
            gate = graph.add("squeeze", GlobalAveragePool(), y)
            gate = graph.add("reduce", Conv(round_filters(width // 4), 1, activation="relu"), gate)
            gate = graph.add("expand", Conv(width, 1, activation="hardsigmoid"), gate)
            y = graph.add("scale", Multiply(), y, gate)
        y = conv(y, layer.channels)
        x = graph.add("add", Add(), y, x) if graph.shape(x) == graph.shape(y) else y
    x = conv(x, 6 * graph.shape(x)[0], "hardswish")
    x = graph.add("pool", GlobalAveragePool(), x)
    x = graph.add("head", Conv(head, 1, activation="hardswish"), x)
    x = graph.add("dropout", Dropout(0.2), x)
    graph.add("classifier", Linear(1000), x)
    return Fragment(graph.input_shape, tuple(graph.nodes), name)
