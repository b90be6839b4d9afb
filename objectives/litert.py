"""A specification written straight to a LiteRT flatbuffer (.tflite), as phones and the host's interpreter run it.

Packing the flatbuffer ourselves takes milliseconds, where converting a torch module takes seconds a network. The
format is TensorFlow Lite's schema.fbs, whose classes ship in ``ai-edge-litert``. Norms are folded into the
convolutions, activations fused, dropout is gone. Padding is torch's ``kernel // 2`` on every side: SAME where that
means the same, else an explicit PAD before a VALID convolution (XNNPACK merges the two).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.spaces.operations import (
    Add,
    AveragePool,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    Multiply,
    Operation,
)
from mnas_moo.spaces.spec import NetworkSpec, Node

_SCHEMA_VERSION = 3  # of schema.fbs: the only one that interpreters read
_ALIGNMENT = 16  # bytes, of weights in the file: what the kernels load them by


def write(spec: NetworkSpec, weights: Mapping[str, np.ndarray] | None = None) -> bytes:
    """Writes ``spec`` as a float32 LiteRT model of batch 1.

    Args:
        spec: the network; its input becomes (1, H, W, C), its output (1, classes), both float32.
        weights: by the names and in the layouts of ``torch_module.weights``; None: random ones, always the same,
            that keep activations in a common range (latency does not depend on them).

    Returns:
        The content of a .tflite file.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says.
        MissingExtraError: ai-edge-litert is not installed.
    """
    model = _Model(spec, _random_weights(spec) if weights is None else weights)
    height, width = spec.input_shape[1:]
    values = {-1: model.tensor("input", (1, height, width, spec.input_shape[0]))}
    for i, node in enumerate(spec.nodes):
        values[i] = EMITTERS[type(node.operation)](model, node.operation, node, *(values[j] for j in node.inputs))
    return model.finish(values[-1], values[len(spec.nodes) - 1])


class _Model:
    """Packs tensors, operators and, at last, the model; every method returns an index or an offset in the file."""

    def __init__(self, spec: NetworkSpec, weights: Mapping[str, np.ndarray]) -> None:
        self.schema = require("ai_edge_litert.schema_py_generated", extra="host")
        # Room for all weights from the start: growing would copy them over and over.
        self.builder = require("flatbuffers", extra="host").Builder(4 * spec.parameters + 2**16)
        self.name = spec.name
        self.weights = weights
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.codes: dict[str, int] = {}
        self.buffers = [self.table("Buffer")]  # buffer 0 is the empty one that all activations name
        self.constants: dict[tuple[int, ...], int] = {}

    def table(self, name: str, **fields: int | bool) -> int:
        """Packs one table of the schema: ``table("Conv2DOptions", StrideW=2)``."""
        getattr(self.schema, f"{name}Start")(self.builder)
        for field, value in fields.items():
            getattr(self.schema, f"{name}Add{field}")(self.builder, value)
        return int(getattr(self.schema, f"{name}End")(self.builder))

    def vector(self, values: Sequence[int]) -> int:
        """Packs integers."""
        return int(self.builder.CreateNumpyVector(np.array(values, dtype=np.int32)))

    def offsets(self, values: Sequence[int]) -> int:
        """Packs references to tables."""
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return int(self.builder.EndVector())

    def tensor(self, name: str, shape: Sequence[int], data: np.ndarray | None = None) -> int:
        """Adds an activation, or with ``data`` (float32 or int32) a constant; returns its index."""
        buffer = 0
        if data is not None:
            content = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            self.builder.Prep(_ALIGNMENT, content.size)
            self.buffers.append(self.table("Buffer", Data=self.builder.CreateNumpyVector(content)))
            buffer = len(self.buffers) - 1
        types = self.schema.TensorType
        fields = {
            "Shape": self.vector(shape),
            "Type": types.INT32 if data is not None and data.dtype == np.int32 else types.FLOAT32,
            "Buffer": buffer,
            "Name": self.builder.CreateString(name),
        }
        self.tensors.append(self.table("Tensor", **fields))
        return len(self.tensors) - 1

    def constant(self, name: str, *values: int, shape: Sequence[int]) -> int:
        """Adds integers (axes, paddings) that operators of the same settings share."""
        if values not in self.constants:
            self.constants[values] = self.tensor(name, shape, np.array(values, dtype=np.int32))
        return self.constants[values]

    def activation(self, name: str, shape: tuple[int, int, int]) -> int:
        """Adds the tensor of a (channels, height, width) result."""
        channels, height, width = shape
        return self.tensor(name, (1, height, width, channels))

    def operator(self, code: str, inputs: Sequence[int], output: int, options: str = "", **fields: int | bool) -> int:
        """Adds the builtin operator ``code`` with its options table; returns ``output``."""
        packed: dict[str, int] = {"Inputs": self.vector(inputs), "Outputs": self.vector([output])}
        if options:
            packed["BuiltinOptions"] = self.table(options, **fields)
            packed["BuiltinOptionsType"] = getattr(self.schema.BuiltinOptions, options)
        packed["OpcodeIndex"] = self.codes.setdefault(code, len(self.codes))
        self.operators.append(self.table("Operator", **packed))
        return output

    def pad(self, node: Node, x: int, margin: int) -> int:
        """Adds a PAD of ``margin`` zeros on every side of ``x``, the input of ``node``."""
        channels, height, width = node.input_shapes[0]
        sides = self.constant("paddings", 0, 0, margin, margin, margin, margin, 0, 0, shape=(4, 2))
        padded = self.activation(f"{node.name}.pad", (channels, height + 2 * margin, width + 2 * margin))
        return self.operator("PAD", [x, sides], padded, "PadOptions")

    def weight(self, name: str, *shape: int) -> np.ndarray:
        """The named weight, checked.

        Raises:
            ValueError: it is missing or has another shape.
        """
        if name not in self.weights:
            raise ValueError(f"weights lack {name!r}; pass torch_module.weights of a module of this specification")
        array = np.asarray(self.weights[name], dtype=np.float32)
        if array.shape != shape:
            raise ValueError(f"weight {name!r} has shape {array.shape}; the specification says {shape}")
        return array

    def finish(self, source: int, result: int) -> bytes:
        """Packs the model around what was added."""
        subgraph = self.table(
            "SubGraph",
            Tensors=self.offsets(self.tensors),
            Inputs=self.vector([source]),
            Outputs=self.vector([result]),
            Operators=self.offsets(self.operators),
            Name=self.builder.CreateString("main"),
        )
        codes = [getattr(self.schema.BuiltinOperator, name) for name in self.codes]
        # The deprecated field holds the code too, as all writers do: old interpreters read only that one.
        packed_codes = [
            self.table("OperatorCode", DeprecatedBuiltinCode=code, BuiltinCode=code, Version=1) for code in codes
        ]
        model = self.table(
            "Model",
            Version=_SCHEMA_VERSION,
            OperatorCodes=self.offsets(packed_codes),
            Subgraphs=self.offsets([subgraph]),
            Description=self.builder.CreateString(self.name or "mnas_moo"),
            Buffers=self.offsets(self.buffers),
        )
        self.builder.Finish(model, b"TFL3")
        return bytes(self.builder.Output())


def _conv(model: _Model, operation: Conv, node: Node, x: int) -> int:
    """CONV_2D, or DEPTHWISE_CONV_2D where every channel is a group of its own, with the norm folded in."""
    channels, kernel, groups = node.input_shapes[0][0], operation.kernel, operation.groups
    outputs = operation.out_channels
    weight = model.weight(f"{node.name}.weight", outputs, channels // groups, kernel, kernel)
    if operation.epsilon is None:
        bias = model.weight(f"{node.name}.bias", outputs)
    else:
        gamma, beta, mean, variance = (
            model.weight(f"{node.name}.{part}", outputs) for part in ("gamma", "beta", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + np.float32(operation.epsilon))
        weight, bias = weight * scale[:, None, None, None], beta - mean * scale
    functions = model.schema.ActivationFunctionType
    fused = {"none": functions.NONE, "relu": functions.RELU, "relu6": functions.RELU6, "sigmoid": functions.NONE}
    padding = model.schema.Padding.SAME
    # SAME pads as much as the outputs need: kernel // 2 a side exactly if the last window is centred on the border.
    if any((size - 1) % operation.stride for size in node.input_shapes[0][1:]):
        padding = model.schema.Padding.VALID
        x = model.pad(node, x, kernel // 2) if kernel > 1 else x
    fields = {
        "Padding": padding,
        "StrideW": operation.stride,
        "StrideH": operation.stride,
        "FusedActivationFunction": fused[operation.activation],
    }
    depthwise = groups == channels != 1
    if depthwise:
        weight = weight.transpose(1, 2, 3, 0)  # (1, k, k, out)
        fields["DepthMultiplier"] = outputs // channels
    else:
        weight = weight.transpose(0, 2, 3, 1)  # (out, k, k, in / groups)
    filters = model.tensor(f"{node.name}.weight", weight.shape, weight)
    inputs = [x, filters, model.tensor(f"{node.name}.bias", bias.shape, bias)]
    y = model.activation(node.name, node.shape)
    code, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    model.operator(code, inputs, y, options, **fields)
    if operation.activation == "sigmoid":  # has no fused form
        return model.operator("LOGISTIC", [y], model.activation(f"{node.name}.sigmoid", node.shape))
    return y


def _linear(model: _Model, operation: Linear, node: Node, x: int) -> int:
    """FULLY_CONNECTED over the (1, 1, 1, C) tensor, whose result is (1, out)."""
    outputs, features = operation.out_features, math.prod(node.input_shapes[0])
    weight = model.weight(f"{node.name}.weight", outputs, features)
    bias = model.weight(f"{node.name}.bias", outputs)
    inputs = [
        x,
        model.tensor(f"{node.name}.weight", weight.shape, weight),
        model.tensor(f"{node.name}.bias", bias.shape, bias),
    ]
    return model.operator("FULLY_CONNECTED", inputs, model.tensor(node.name, (1, outputs)), "FullyConnectedOptions")


def _average_pool(model: _Model, operation: AveragePool, node: Node, x: int) -> int:
    """AVERAGE_POOL_2D, always after a PAD: with SAME it would leave the zeros out of the mean."""
    kernel = operation.kernel
    padded = model.pad(node, x, kernel // 2)
    fields = {
        "Padding": model.schema.Padding.VALID,
        "StrideW": operation.stride,
        "StrideH": operation.stride,
        "FilterWidth": kernel,
        "FilterHeight": kernel,
    }
    return model.operator(
        "AVERAGE_POOL_2D", [padded], model.activation(node.name, node.shape), "Pool2DOptions", **fields
    )


def _global_average_pool(model: _Model, operation: GlobalAveragePool, node: Node, x: int) -> int:
    """MEAN over height and width."""
    del operation
    axes = model.constant("axes", 1, 2, shape=(2,))
    return model.operator("MEAN", [x, axes], model.activation(node.name, node.shape), "ReducerOptions", KeepDims=True)


def _add(model: _Model, operation: Add, node: Node, x: int, y: int) -> int:
    """ADD."""
    del operation
    return model.operator("ADD", [x, y], model.activation(node.name, node.shape), "AddOptions")


def _multiply(model: _Model, operation: Multiply, node: Node, x: int, gate: int) -> int:
    """MUL, which broadcasts the gate."""
    del operation
    return model.operator("MUL", [x, gate], model.activation(node.name, node.shape), "MulOptions")


def _dropout(model: _Model, operation: Dropout, node: Node, x: int) -> int:
    """Nothing: the tensor itself."""
    del model, operation, node
    return x


EMITTERS: dict[type[Operation], Callable[..., int]] = {
    Conv: _conv,
    Linear: _linear,
    AveragePool: _average_pool,
    GlobalAveragePool: _global_average_pool,
    Add: _add,
    Multiply: _multiply,
    Dropout: _dropout,
}


def _random_weights(spec: NetworkSpec) -> dict[str, np.ndarray]:
    """Weights for measuring: variance 1 / fan-in, twice that before a ReLU: activations stay in a common range.

    All are cut from one block of random numbers, repeated: drawing millions would take longer than all the rest.
    """
    block = np.random.default_rng(0).uniform(-1, 1, 2**14 - 1).astype(np.float32)  # odd: rows differ
    weights: dict[str, np.ndarray] = {}

    def draw(name: str, activation: str, *shape: int) -> None:
        bound = math.sqrt((6 if activation.startswith("relu") else 3) / math.prod(shape[1:]))
        weights[name] = np.resize(block * np.float32(bound), shape)

    for node in spec.nodes:
        operation = node.operation
        if isinstance(operation, Conv):
            outputs, kernel = operation.out_channels, operation.kernel
            groups = operation.groups
            draw(
                f"{node.name}.weight", operation.activation, outputs, node.input_shapes[0][0] // groups, kernel, kernel
            )
            zeros, ones = np.zeros(outputs, np.float32), np.ones(outputs, np.float32)
            if operation.epsilon is None:
                weights[f"{node.name}.bias"] = zeros
            else:
                statistics = {"gamma": ones, "beta": zeros, "running_mean": zeros, "running_var": ones}
                weights.update({f"{node.name}.{part}": array for part, array in statistics.items()})
        elif isinstance(operation, Linear):
            draw(f"{node.name}.weight", "none", operation.out_features, math.prod(node.input_shapes[0]))
            weights[f"{node.name}.bias"] = np.zeros(operation.out_features, np.float32)
    return weights
