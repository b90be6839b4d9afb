"""A specification written directly as an ONNX file, without a converter, as ``litert`` does for LiteRT.

Operators of opset 17 (onnx.ai/onnx/operators; ONNX Runtime since 1.12), in torch's layout (NCHW) with torch's explicit
padding. Norms are folded into the convolutions here, as runtimes would do: the file is then the same at every level of
their optimisation. Activations are operators of their own, which ONNX Runtime fuses with the convolution before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.formats.weights import convolution, fully_connected, norm, random_weights, selection
from mnas_moo.objectives.objective import Graph
from mnas_moo.spaces.operations import (
    Activation,
    Add,
    AveragePool,
    ChannelShuffle,
    Concat,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    Margins,
    MaxPool,
    Multiply,
    Norm,
    Operation,
    Select,
    Shift,
    Widen,
)
from mnas_moo.spaces.spec import Node

OPSET = 17
_IR_VERSION = 8  # of the file format: that of opset 17's release


def write(
    spec: Graph, weights: Mapping[str, np.ndarray] | None = None, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Writes ``spec`` as a float32 ONNX model of batch 1.

    Args:
        spec: the network; its input "input" becomes (1, C, H, W), its output (1, classes).
        weights: weights by the names and in the layouts of ``torch_module.weights``; None: random ones, always the
            same, that keep activations in a common range (latency does not depend on them).
        metadata: what the model says of itself, its ``metadata_props``; None: nothing.

    Returns:
        The content of an .onnx file.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says.
        MissingExtraError: onnx is not installed.
    """
    model = _Model(random_weights(spec) if weights is None else weights)
    values = {-1: "input"}
    for i, node in enumerate(spec.nodes):
        values[i] = EMITTERS[type(node.operation)](model, node.operation, node, *(values[j] for j in node.inputs))
    last = spec.nodes[-1]
    shape = last.shape[:1] if isinstance(last.operation, Linear) else last.shape
    return model.finish(spec.name, spec.input_shape, values[len(spec.nodes) - 1], shape, metadata or {})


class _Model:
    """Collects nodes and weights; values have the names of the nodes that give them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.onnx = require("onnx", extra="onnx")
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, array: np.ndarray) -> str:
        """Adds a weight or a setting; returns ``name``."""
        self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def operator(self, code: str, inputs: Sequence[str], output: str, **attributes: float | Sequence[int]) -> str:
        """Adds the operator ``code``; returns ``output``."""
        self.nodes.append(self.onnx.helper.make_node(code, inputs, [output], output, **attributes))
        return output

    def finish(
        self, name: str, source: Sequence[int], output: str, result: Sequence[int], metadata: Mapping[str, str]
    ) -> bytes:
        """Packs the model around what was added."""
        helper, number = self.onnx.helper, self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            name or "mnas_moo",
            [helper.make_tensor_value_info("input", number, [1, *source])],
            [helper.make_tensor_value_info(output, number, [1, *result])],
            list(self.constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="mnas_moo")
        helper.set_model_props(model, metadata)
        return bytes(model.SerializeToString())


def _conv(model: _Model, operation: Conv, node: Node, x: str) -> str:
    """Conv with the norm folded in, then the activation."""
    weight, bias = convolution(model.weights, node)
    inputs = [x, model.constant(f"{node.name}.weight", weight), model.constant(f"{node.name}.bias", bias)]
    y = model.operator(
        "Conv",
        inputs,
        node.name,
        kernel_shape=[operation.kernel] * 2,
        strides=[operation.stride] * 2,
        pads=_pads(operation.margins(*node.input_shapes)),
        group=operation.groups,
    )
    return _activate(model, operation.activation, y, node.name)


def _activate(model: _Model, activation: str, y: str, name: str) -> str:
    """Relu, Clip, Sigmoid, HardSwish or HardSigmoid."""
    if activation == "none":
        return y
    result = f"{name}.{activation}"
    if activation == "relu6":
        limits = [model.constant(f"relu6.{limit}", np.array(limit, np.float32)) for limit in (0, 6)]
        return model.operator("Clip", [y, *limits], result)
    if activation == "hardsigmoid":
        return model.operator("HardSigmoid", [y], result, alpha=1 / 6, beta=0.5)
    return model.operator("HardSwish" if activation == "hardswish" else activation.capitalize(), [y], result)


def _pads(margins: Margins) -> list[int]:
    """Above, left, below, right."""
    return [side[i] for i in (0, 1) for side in margins]


def _linear(model: _Model, operation: Linear, node: Node, x: str) -> str:
    """Gemm over the flattened (1, C, 1, 1) tensor."""
    del operation
    weight, bias = fully_connected(model.weights, node)
    flat = model.operator("Flatten", [x], f"{node.name}.flat")
    inputs = [flat, model.constant(f"{node.name}.weight", weight), model.constant(f"{node.name}.bias", bias)]
    return model.operator("Gemm", inputs, node.name, transB=1)


def _average_pool(model: _Model, operation: AveragePool, node: Node, x: str) -> str:
    """AveragePool, whose mean counts the zeros of a centred padding."""
    return model.operator(
        "AveragePool",
        [x],
        node.name,
        kernel_shape=[operation.kernel] * 2,
        strides=[operation.stride] * 2,
        pads=_pads(operation.margins(*node.input_shapes)),
        count_include_pad=int(operation.padding != "same"),
    )


def _max_pool(model: _Model, operation: MaxPool, node: Node, x: str) -> str:
    """MaxPool, which ignores what lies beyond the image: the zeros of a centred padding come from a Pad."""
    pads = _pads(operation.margins(*node.input_shapes))
    if operation.padding == "centred":
        x, pads = _pad(model, x, pads, f"{node.name}.pad"), [0, 0, 0, 0]
    size = {"kernel_shape": [operation.kernel] * 2, "strides": [operation.stride] * 2}
    return model.operator("MaxPool", [x], node.name, pads=pads, **size)


def _pad(model: _Model, x: str, pads: Sequence[int], name: str) -> str:
    """Pad of zeros: above, left, below, right."""
    above, left, below, right = pads
    sides = np.array([0, 0, above, left, 0, 0, below, right], np.int64)
    return model.operator("Pad", [x, model.constant(f"{name}.sides", sides)], name)


def _global_average_pool(model: _Model, operation: GlobalAveragePool, node: Node, x: str) -> str:
    """GlobalAveragePool."""
    del operation
    return model.operator("GlobalAveragePool", [x], node.name)


def _add(model: _Model, operation: Add, node: Node, x: str, y: str) -> str:
    """Add, then the activation."""
    return _activate(model, operation.activation, model.operator("Add", [x, y], node.name), node.name)


def _concat(model: _Model, operation: Concat, node: Node, *inputs: str) -> str:
    """Concat."""
    del operation
    return model.operator("Concat", inputs, node.name, axis=1)


def _activation(model: _Model, operation: Activation, node: Node, x: str) -> str:
    """The activation alone."""
    return _activate(model, operation.activation, x, node.name)


def _norm(model: _Model, operation: Norm, node: Node, x: str) -> str:
    """Mul and Add with a number a channel, then the activation."""
    for code, each in zip(("Mul", "Add"), norm(model.weights, node), strict=True):
        constant = model.constant(f"{node.name}.{code.lower()}.value", each.reshape(1, -1, 1, 1))
        x = model.operator(code, [x, constant], node.name if code == "Add" else f"{node.name}.mul")
    return _activate(model, operation.activation, x, node.name)


def _select(model: _Model, operation: Select, node: Node, x: str) -> str:
    """Gather of channels."""
    del operation
    index = model.constant(f"{node.name}.index", selection(model.weights, node))
    return model.operator("Gather", [x, index], node.name, axis=1)


def _shift(model: _Model, operation: Shift, node: Node, x: str) -> str:
    """Slice from the second row and column on, then Pad."""
    del operation
    bounds = {"starts": [1, 1], "ends": node.shape[1:], "axes": [2, 3]}
    inputs = [model.constant(f"{node.name}.{key}", np.array(value, np.int64)) for key, value in bounds.items()]
    return _pad(model, model.operator("Slice", [x, *inputs], f"{node.name}.slice"), [0, 0, 1, 1], node.name)


def _widen(model: _Model, operation: Widen, node: Node, x: str) -> str:
    """Pad of the channels."""
    more = operation.channels - node.input_shapes[0][0]
    sides = model.constant(f"{node.name}.sides", np.array([0, 0, 0, 0, 0, more, 0, 0], np.int64))
    return model.operator("Pad", [x, sides], node.name)


def _multiply(model: _Model, operation: Multiply, node: Node, x: str, gate: str) -> str:
    """Mul, which broadcasts the gate."""
    del operation
    return model.operator("Mul", [x, gate], node.name)


def _channel_shuffle(model: _Model, operation: ChannelShuffle, node: Node, x: str) -> str:
    """Reshape to (1, groups, channels of a group, H, W), Transpose, Reshape."""
    channels, height, width = node.shape
    split = np.array([1, operation.groups, channels // operation.groups, height, width], np.int64)
    whole = np.array([1, channels, height, width], np.int64)
    x = model.operator("Reshape", [x, model.constant(f"{node.name}.split", split)], f"{node.name}.groups")
    x = model.operator("Transpose", [x], f"{node.name}.transposed", perm=[0, 2, 1, 3, 4])
    return model.operator("Reshape", [x, model.constant(f"{node.name}.whole", whole)], node.name)


def _dropout(model: _Model, operation: Dropout, node: Node, x: str) -> str:
    """No operator: the input is the output."""
    del model, operation, node
    return x


EMITTERS: dict[type[Operation], Callable[..., str]] = {
    Conv: _conv,
    Linear: _linear,
    AveragePool: _average_pool,
    MaxPool: _max_pool,
    GlobalAveragePool: _global_average_pool,
    Add: _add,
    Concat: _concat,
    Multiply: _multiply,
    Activation: _activation,
    Norm: _norm,
    Select: _select,
    Shift: _shift,
    Widen: _widen,
    ChannelShuffle: _channel_shuffle,
    Dropout: _dropout,
}
