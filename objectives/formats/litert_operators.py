"""Operators of a LiteRT model beyond convolutions, pools and sums: activations, joins, norms, selections, shuffles.

An activation is fused into the operator before it where LiteRT can; else it is an operator of its own, and the hard
sigmoid, which has none, is computed as MobileNetV3's authors do: an addition, a ReLU6 and a multiplication.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.formats import quantization, weights
from mnas_moo.spaces.operations import Activation, ChannelShuffle, Concat, Multiply, Norm, Select, Shape, Shift, Widen
from mnas_moo.spaces.spec import Node

INT8_VERSIONS = {  # each operator's first version that takes int8, which old interpreters check
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "PAD": 2,
    "AVERAGE_POOL_2D": 2,
    "MEAN": 2,
    "ADD": 2,
    "MUL": 2,
    "LOGISTIC": 2,
    "RESHAPE": 1,
    "TRANSPOSE": 2,
    "RELU": 2,
    "RELU6": 2,
    "HARD_SWISH": 1,
    "MAX_POOL_2D": 2,
    "CONCATENATION": 2,
    "QUANTIZE": 2,
    "SLICE": 2,
    "GATHER": 2,
}
FLOAT_VERSIONS = {"DEQUANTIZE": 3}  # the first that takes float16; of all other operators the first takes float32

_FUSED = {"none": "NONE", "relu": "RELU", "relu6": "RELU6"}
_OWN = {"relu": "RELU", "relu6": "RELU6", "sigmoid": "LOGISTIC", "hardswish": "HARD_SWISH"}


def fused(model: Any, activation: str) -> int:
    """The activation that an operator can do itself, as its options name it; none for those that it cannot."""
    return int(getattr(model.schema.ActivationFunctionType, _FUSED.get(activation, "NONE")))


def activate(model: Any, activation: str, y: int, node: Node) -> int:
    """Adds the operators of an activation of ``y`` that is not fused; returns the tensor of the result."""
    return y if activation in _FUSED else _apply(model, activation, y, f"{node.name}.{activation}", node.shape)


def activation(model: Any, operation: Activation, node: Node, x: int) -> int:
    """The operators of an activation by itself."""
    return x if operation.activation == "none" else _apply(model, operation.activation, x, node.name, node.shape)


def _apply(model: Any, activation: str, x: int, name: str, shape: Shape) -> int:
    if activation == "hardsigmoid":
        moved = model.activation(f"{name}.moved", shape)
        function = fused(model, "relu6")
        three, sixth = (_number(model, f"{name}.{key}", value) for key, value in (("three", 3), ("sixth", 1 / 6)))
        model.operator("ADD", [x, three], moved, "AddOptions", FusedActivationFunction=function)
        return int(model.operator("MUL", [moved, sixth], model.activation(name, shape), "MulOptions"))
    fixed = quantization.SIGMOID if activation == "sigmoid" else None
    options = "HardSwishOptions" if activation == "hardswish" else ""
    return int(model.operator(_OWN[activation], [x], model.activation(name, shape, fixed), options))


def _number(model: Any, name: str, value: float) -> int:
    """Adds a constant number; an int8 model has it exactly, as 127 times its scale."""
    if model.ranges is None:
        return int(model.tensor(name, (1,), np.array([value], np.float32)))
    scale = quantization.Quantization((float(np.float32(value / 127)),))
    index = int(model.tensor(name, (1,), np.array([127], np.int8), scale))
    model.quantizations[index] = scale
    return index


def concat(model: Any, operation: Concat, node: Node, *inputs: int) -> int:
    """CONCATENATION of the channels; in int8 all must have the result's scale, and QUANTIZE gives it to them."""
    del operation
    y = model.activation(node.name, node.shape)
    inputs = _rescaled(model, node, inputs, y)
    return int(model.operator("CONCATENATION", inputs, y, "ConcatenationOptions", Axis=3))


def _rescaled(model: Any, node: Node, inputs: Sequence[int], y: int) -> tuple[int, ...]:
    wanted = model.quantizations.get(y)
    if wanted is None:
        return tuple(inputs)
    same = []
    for i, (x, shape) in enumerate(zip(inputs, node.input_shapes, strict=True)):
        if model.quantizations[x] != wanted:
            x = model.operator("QUANTIZE", [x], model.activation(f"{node.name}.{i}", shape, wanted), "QuantizeOptions")
        same.append(x)
    return tuple(same)


def norm(model: Any, operation: Norm, node: Node, x: int) -> int:
    """DEPTHWISE_CONV_2D of 1x1: scale, offset and ReLU in one pass, and in int8 a scale of its own a channel."""
    scale, offset = weights.norm(model.weights, node)
    inputs = model.filters(node.name, x, scale.reshape(1, 1, 1, -1), offset, axis=3)
    fields = {
        "Padding": model.schema.Padding.VALID,
        "StrideW": 1,
        "StrideH": 1,
        "DepthMultiplier": 1,
        "FusedActivationFunction": fused(model, operation.activation),
    }
    y = model.activation(node.name, node.shape)
    model.operator("DEPTHWISE_CONV_2D", inputs, y, "DepthwiseConv2DOptions", **fields)
    return activate(model, operation.activation, y, node)


def select(model: Any, operation: Select, node: Node, x: int) -> int:
    """GATHER of channels."""
    del operation
    index = weights.selection(model.weights, node).astype(np.int32)
    y = model.activation(node.name, node.shape, model.quantizations.get(x))  # copied integers: one scale
    inputs = [x, model.tensor(f"{node.name}.index", index.shape, index)]
    return int(model.operator("GATHER", inputs, y, "GatherOptions", Axis=3))


def shift(model: Any, operation: Shift, node: Node, x: int) -> int:
    """SLICE from the second row and column on, then PAD."""
    del operation
    channels, height, width = node.shape
    cut = (channels, height - 1, width - 1)
    begin = model.constant("begin", 0, 1, 1, 0, shape=(4,))
    size = model.constant(f"{node.name}.size", 1, height - 1, width - 1, channels, shape=(4,))
    y = model.activation(f"{node.name}.slice", cut, model.quantizations.get(x))  # copied integers: one scale
    y = model.operator("SLICE", [x, begin, size], y, "SliceOptions")
    return int(model.pad(node.name, y, cut, ((0, 1), (0, 1))))


def widen(model: Any, operation: Widen, node: Node, x: int) -> int:
    """PAD of the channels."""
    more = operation.channels - node.input_shapes[0][0]
    sides = model.constant("paddings", 0, 0, 0, 0, 0, 0, 0, more, shape=(4, 2))
    y = model.activation(node.name, node.shape, model.quantizations.get(x))  # copied integers: one scale
    return int(model.operator("PAD", [x, sides], y, "PadOptions"))


def channel_shuffle(model: Any, operation: ChannelShuffle, node: Node, x: int) -> int:
    """RESHAPE to (1, H * W, groups, channels of a group), TRANSPOSE, RESHAPE: 4 dimensions, as accelerators want."""
    channels, height, width = node.shape
    pixels, groups, size = height * width, operation.groups, channels // operation.groups
    x = model.rearrange("RESHAPE", (1, pixels, groups, size), x, f"{node.name}.groups", (1, pixels, groups, size))
    x = model.rearrange("TRANSPOSE", (0, 1, 3, 2), x, f"{node.name}.transposed", (1, pixels, size, groups))
    shape = 1, height, width, channels
    return int(model.rearrange("RESHAPE", shape, x, node.name, shape))


def multiply(model: Any, operation: Multiply, node: Node, x: int, gate: int) -> int:
    """MUL, which broadcasts the gate."""
    del operation
    return int(model.operator("MUL", [x, gate], model.activation(node.name, node.shape), "MulOptions"))
