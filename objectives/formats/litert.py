"""A specification written directly as a LiteRT flatbuffer (.tflite), as phones and the host's interpreter run it.

Packing the flatbuffer ourselves takes milliseconds; converting a torch module takes seconds for each network. The
format is TensorFlow Lite's schema.fbs, whose classes ship in ``ai-edge-litert``. Norms are folded into the
convolutions, activations fused, dropout left out. Padding is SAME where that means what the specification says, else an
explicit PAD before a VALID convolution (XNNPACK merges the two). An int8 model has the same operators;
``quantization`` says what its integers mean. Input and output are int8 too, as converters write models "for
integer-only devices": a camera's bytes are the input but for an offset, and nothing is left to a float unit. A float16
model computes in float32: its weights are stored as float16 with a DEQUANTIZE behind each, as TensorFlow's converter
writes them, which the runtime executes once, when it loads the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.formats import quantization
from mnas_moo.objectives.formats.litert_operators import (
    FLOAT_VERSIONS,
    INT8_VERSIONS,
    activate,
    activation,
    channel_shuffle,
    concat,
    fused,
    multiply,
    norm,
    select,
    shift,
    widen,
)
from mnas_moo.objectives.formats.quantization import Quantization, of_range, of_weights
from mnas_moo.objectives.formats.weights import convolution, fully_connected, random_weights
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
    Shape,
    Shift,
    Widen,
    margins,
)
from mnas_moo.spaces.spec import Node

DATA_TYPES = ("float32", "int8", "float16")

_SCHEMA_VERSION = 3  # the version of schema.fbs that interpreters read; there is no other
_ALIGNMENT = 16  # bytes to which weights are aligned in the file, as the kernels load them
METADATA_NAME = "TFLITE_METADATA"  # by which readers find the metadata in a model


def write(
    spec: Graph,
    weights: Mapping[str, np.ndarray] | None = None,
    data_type: str = "float32",
    calibration: np.ndarray | None = None,
    metadata: bytes | None = None,
) -> bytes:
    """Writes ``spec`` as a LiteRT model of batch 1.

    Args:
        spec: the network; its input becomes (1, H, W, C), its output (1, classes), both int8 in an int8 model, else
            float32.
        weights: weights by the names and in the layouts of ``torch_module.weights``; None: random ones, always the
            same, that keep activations in a common range (latency does not depend on them).
        data_type: "float32", "int8" or "float16".
        calibration: (N, H, W, C) float32 images for an int8 model, some 100 of those that the network is trained on;
            they give the ranges of the activations. None, only without weights: all ranges are [-4, 4] (latency
            does not depend on them either).
        metadata: what the model says of itself (``export.metadata``); None: nothing.

    Returns:
        The content of a .tflite file. A float32 image becomes an int8 model's input by the scale and zero point
        that its input tensor names.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says; calibration images are
            missing, of another shape, or not needed; the data type is unknown; a weight is too large for float16.
        MissingExtraError: ai-edge-litert is not installed.
    """
    if data_type not in DATA_TYPES:
        raise ValueError(f"data_type is {data_type!r}; allowed: {', '.join(DATA_TYPES)}")
    if data_type != "int8" and calibration is not None:
        raise ValueError(
            f"calibration images are given, but a {data_type} model has no use for them; pass data_type='int8'"
        )
    if data_type == "int8" and weights is not None and calibration is None:
        raise ValueError("an int8 model with weights needs calibration images; pass some 100 of the training set")
    weights = random_weights(spec) if weights is None else weights
    if data_type != "int8":
        return _pack(_Model(spec, weights, half=data_type == "float16"), spec, metadata)
    if calibration is None:
        return _pack(_Model(spec, weights, lambda name: (-4.0, 4.0)), spec, metadata)
    ranges = quantization.ranges_of(_pack(_Model(spec, weights), spec), calibration)
    return _pack(_Model(spec, weights, ranges.__getitem__), spec, metadata)


def _pack(model: _Model, spec: Graph, metadata: bytes | None = None) -> bytes:
    """Emits all nodes; tensors have the same names in all data types, by which ranges are looked up."""
    values = {-1: model.activation("input", spec.input_shape)}
    for i, node in enumerate(spec.nodes):
        values[i] = EMITTERS[type(node.operation)](model, node.operation, node, *(values[j] for j in node.inputs))
    return model.finish(values[-1], values[len(spec.nodes) - 1], metadata)


class _Model:
    """Packs tensors, operators and, at last, the model; every method returns an index or an offset in the file.

    Args:
        spec: the network.
        weights: weights by name, as ``write`` takes them.
        ranges: activation's name -> its smallest and largest value, for an int8 model; None: float32.
        half: whether weights are stored as float16.
    """

    def __init__(
        self,
        spec: Graph,
        weights: Mapping[str, np.ndarray],
        ranges: Callable[[str], tuple[float, float]] | None = None,
        *,
        half: bool = False,
    ) -> None:
        self.half = half
        self.schema = require("ai_edge_litert.schema_py_generated", extra="host")
        # Room for all weights from the start: growing would copy them over and over.
        self.builder = require("flatbuffers", extra="host").Builder(4 * spec.parameters + 2**16)
        self.name = spec.name
        self.weights = weights
        self.ranges = ranges
        self.quantizations: dict[int, Quantization] = {}  # of int8 activations, by tensor
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.codes: dict[tuple[str, int], int] = {}
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

    def buffer(self, content: np.ndarray) -> int:
        """Adds bytes; returns the buffer's index."""
        self.builder.Prep(_ALIGNMENT, content.size)
        self.buffers.append(self.table("Buffer", Data=self.builder.CreateNumpyVector(content)))
        return len(self.buffers) - 1

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        data: np.ndarray | None = None,
        quantization: Quantization | None = None,
    ) -> int:
        """Adds an activation, or with ``data`` (floats, int32 or int8) a constant; returns its index."""
        buffer = 0 if data is None else self.buffer(np.ascontiguousarray(data).reshape(-1).view(np.uint8))
        number = np.dtype(np.float32 if quantization is None else np.int8) if data is None else data.dtype
        fields = {
            "Shape": self.vector(shape),
            "Type": getattr(self.schema.TensorType, number.name.upper()),
            "Buffer": buffer,
            "Name": self.builder.CreateString(name),
        }
        if quantization is not None:
            scales = np.array(quantization.scales, dtype=np.float32)
            fields["Quantization"] = self.table(
                "QuantizationParameters",
                Scale=self.builder.CreateNumpyVector(scales),
                ZeroPoint=self.builder.CreateNumpyVector(np.full(len(scales), quantization.zero_point, np.int64)),
                QuantizedDimension=quantization.axis,
            )
        self.tensors.append(self.table("Tensor", **fields))
        return len(self.tensors) - 1

    def constant(self, name: str, *values: int, shape: Sequence[int]) -> int:
        """Adds integers (axes, paddings) that operators of the same settings share."""
        if values not in self.constants:
            self.constants[values] = self.tensor(name, shape, np.array(values, dtype=np.int32))
        return self.constants[values]

    def activation(self, name: str, shape: Shape, quantization: Quantization | None = None) -> int:
        """Adds the tensor of a (channels, height, width) result.

        In an int8 model it gets ``quantization``, if the operator requires a certain one, or that of its own range.
        """
        channels, height, width = shape
        return self._result(name, (1, height, width, channels), quantization)

    def logits(self, name: str, size: int) -> int:
        """Adds the tensor of a fully connected layer's result."""
        return self._result(name, (1, size), None)

    def _result(self, name: str, shape: Sequence[int], quantization: Quantization | None) -> int:
        if self.ranges is None:
            return self.tensor(name, shape)
        quantization = quantization or of_range(*self.ranges(name))
        index = self.tensor(name, shape, quantization=quantization)
        self.quantizations[index] = quantization
        return index

    def filters(self, name: str, x: int, weight: np.ndarray, bias: np.ndarray, axis: int) -> list[int]:
        """Adds weights (output channels in dimension ``axis``) and bias of a layer over ``x``; returns its inputs."""
        if self.half:
            return [x, self.halved(f"{name}.weight", weight), self.halved(f"{name}.bias", bias)]
        of_weight = of_bias = None
        if self.ranges is not None:
            weight, bias, of_weight, of_bias = of_weights(weight, bias, axis, self.quantizations[x].scales[0])
        filters = self.tensor(f"{name}.weight", weight.shape, weight, of_weight)
        return [x, filters, self.tensor(f"{name}.bias", bias.shape, bias, of_bias)]

    def halved(self, name: str, values: np.ndarray) -> int:
        """Adds a constant as float16 and the operator that makes float32 of it; returns the latter's output."""
        with np.errstate(over="ignore"):
            stored = values.astype(np.float16)
        if not np.isfinite(stored).all():
            raise ValueError(f"{name} reaches {np.abs(values).max():g}, but float16 ends at 65504")
        half = self.tensor(f"{name}.float16", values.shape, stored)
        return self.operator("DEQUANTIZE", [half], self.tensor(name, values.shape), "DequantizeOptions")

    def operator(self, code: str, inputs: Sequence[int], output: int, options: str = "", **fields: int | bool) -> int:
        """Adds the builtin operator ``code`` with its options table; returns ``output``."""
        version = FLOAT_VERSIONS.get(code, 1) if self.ranges is None else INT8_VERSIONS[code]
        packed: dict[str, int] = {"Inputs": self.vector(inputs), "Outputs": self.vector([output])}
        if options:
            packed["BuiltinOptions"] = self.table(options, **fields)
            packed["BuiltinOptionsType"] = getattr(self.schema.BuiltinOptions, options)
        packed["OpcodeIndex"] = self.codes.setdefault((code, version), len(self.codes))
        self.operators.append(self.table("Operator", **packed))
        return output

    def pad(self, name: str, x: int, shape: Shape, margins: Margins) -> int:
        """Adds a PAD of zeros around ``x``, an image of ``shape``; none where there are no margins."""
        ((above, below), (left, right)), (channels, height, width) = margins, shape
        if not any((above, below, left, right)):
            return x
        sides = self.constant("paddings", 0, 0, above, below, left, right, 0, 0, shape=(4, 2))
        padded = (channels, above + height + below, left + width + right)
        y = self.activation(name, padded, self.quantizations.get(x))  # copied integers: one scale
        return self.operator("PAD", [x, sides], y, "PadOptions")

    def rearrange(self, code: str, values: Sequence[int], x: int, name: str, shape: Sequence[int]) -> int:
        """Adds a RESHAPE or a TRANSPOSE of ``x`` with its ``values``, the new shape or the order of dimensions."""
        constant = self.constant(f"{code.lower()} {tuple(values)}", *values, shape=(len(values),))
        y = self._result(name, shape, self.quantizations.get(x))  # copied integers: one scale
        return self.operator(code, [x, constant], y, f"{code.capitalize()}Options")

    def finish(self, source: int, result: int, metadata: bytes | None) -> bytes:
        """Packs the model around what was added."""
        described: dict[str, int] = {}
        if metadata is not None:
            buffer, name = self.buffer(np.frombuffer(metadata, np.uint8)), self.builder.CreateString(METADATA_NAME)
            described["Metadata"] = self.offsets([self.table("Metadata", Name=name, Buffer=buffer)])
        subgraph = self.table(
            "SubGraph",
            Tensors=self.offsets(self.tensors),
            Inputs=self.vector([source]),
            Outputs=self.vector([result]),
            Operators=self.offsets(self.operators),
            Name=self.builder.CreateString("main"),
        )
        codes = [(getattr(self.schema.BuiltinOperator, name), version) for name, version in self.codes]
        # The deprecated field holds the code too, as all writers do: old interpreters read only that one.
        packed_codes = [
            self.table("OperatorCode", DeprecatedBuiltinCode=code, BuiltinCode=code, Version=version)
            for code, version in codes
        ]
        model = self.table(
            "Model",
            Version=_SCHEMA_VERSION,
            OperatorCodes=self.offsets(packed_codes),
            Subgraphs=self.offsets([subgraph]),
            Description=self.builder.CreateString(self.name or "mnas_moo"),
            Buffers=self.offsets(self.buffers),
            **described,
        )
        self.builder.Finish(model, b"TFL3")
        return bytes(self.builder.Output())


def _conv(model: _Model, operation: Conv, node: Node, x: int) -> int:
    """CONV_2D, or DEPTHWISE_CONV_2D where every channel is a group of its own, with the norm folded in."""
    channels, kernel, groups = node.input_shapes[0][0], operation.kernel, operation.groups
    outputs = operation.out_channels
    weight, bias = convolution(model.weights, node)
    padding = model.schema.Padding.SAME
    around = operation.margins(*node.input_shapes)
    if around != margins(node.input_shapes[0], kernel, operation.stride, "same"):
        padding = model.schema.Padding.VALID
        x = model.pad(f"{node.name}.pad", x, node.input_shapes[0], around)
    fields = {
        "Padding": padding,
        "StrideW": operation.stride,
        "StrideH": operation.stride,
        "FusedActivationFunction": fused(model, operation.activation),
    }
    depthwise = groups == channels != 1
    if depthwise:
        weight, axis = weight.transpose(1, 2, 3, 0), 3  # (1, k, k, out)
        fields["DepthMultiplier"] = outputs // channels
    else:
        weight, axis = weight.transpose(0, 2, 3, 1), 0  # (out, k, k, in / groups)
    inputs = model.filters(node.name, x, weight, bias, axis)
    y = model.activation(node.name, node.shape)
    code, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    return activate(model, operation.activation, model.operator(code, inputs, y, options, **fields), node)


def _linear(model: _Model, operation: Linear, node: Node, x: int) -> int:
    """FULLY_CONNECTED over the (1, 1, 1, C) tensor, whose result is (1, out)."""
    inputs = model.filters(node.name, x, *fully_connected(model.weights, node), axis=0)
    y = model.logits(node.name, operation.out_features)
    return model.operator("FULLY_CONNECTED", inputs, y, "FullyConnectedOptions")


def _pool(model: _Model, operation: AveragePool | MaxPool, node: Node, x: int) -> int:
    """AVERAGE_POOL_2D or MAX_POOL_2D, centred always after a PAD: with SAME they would leave the zeros out."""
    schema, shape = model.schema, node.input_shapes[0]
    same = operation.padding == "same"
    fields = {
        "Padding": schema.Padding.SAME if same else schema.Padding.VALID,
        "StrideW": operation.stride,
        "StrideH": operation.stride,
        "FilterWidth": operation.kernel,
        "FilterHeight": operation.kernel,
    }
    padded = x if same else model.pad(f"{node.name}.pad", x, shape, operation.margins(shape))
    y = model.activation(node.name, node.shape, model.quantizations.get(x))  # the kernels average the integers
    code = "AVERAGE_POOL_2D" if isinstance(operation, AveragePool) else "MAX_POOL_2D"
    return model.operator(code, [padded], y, "Pool2DOptions", **fields)


def _global_average_pool(model: _Model, operation: GlobalAveragePool, node: Node, x: int) -> int:
    """MEAN over height and width."""
    del operation
    axes = model.constant("axes", 1, 2, shape=(2,))
    return model.operator("MEAN", [x, axes], model.activation(node.name, node.shape), "ReducerOptions", KeepDims=True)


def _add(model: _Model, operation: Add, node: Node, x: int, y: int) -> int:
    """ADD."""
    function = fused(model, operation.activation)
    z = model.activation(node.name, node.shape)
    model.operator("ADD", [x, y], z, "AddOptions", FusedActivationFunction=function)
    return activate(model, operation.activation, z, node)


def _dropout(model: _Model, operation: Dropout, node: Node, x: int) -> int:
    """No operator: the input is the output."""
    del model, operation, node
    return x


EMITTERS: dict[type[Operation], Callable[..., int]] = {
    Conv: _conv,
    Linear: _linear,
    AveragePool: _pool,
    MaxPool: _pool,
    GlobalAveragePool: _global_average_pool,
    Add: _add,
    Concat: concat,
    Multiply: multiply,
    Activation: activation,
    Norm: norm,
    Select: select,
    Shift: shift,
    Widen: widen,
    ChannelShuffle: channel_shuffle,
    Dropout: _dropout,
}
