"""Every operation through every reader: of specifications, and of graphs for operations that no layer has."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import InferenceSession

from mnas_moo.objectives.formats import litert, onnx, torch_module
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.operations import (
    OPERATIONS,
    Activation,
    Add,
    AveragePool,
    ChannelShuffle,
    Concat,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Multiply,
    Norm,
    Operation,
    Select,
    Shift,
    Widen,
)
from mnas_moo.spaces.picture import picture
from mnas_moo.spaces.spec import LAYERS, Layer, NetworkSpec, NodeList
from mnas_moo.spaces.text import from_text, to_text


def network(*layers: Layer, dropout: float = 0.2) -> NetworkSpec:
    return NetworkSpec((3, 13, 10), Layer("conv", 3, 8, 3, 2, skip="none"), layers, 24, 5, dropout)


EXAMPLES: dict[type[Operation], NetworkSpec] = {
    Conv: network(Layer("conv", 8, 16, 5, 2), Layer("mbconv", 16, 24, 3, 1, 6)),
    Linear: network(),
    AveragePool: network(Layer("conv", 8, 8, 3, 1, skip="pooling"), Layer("mbconv", 8, 8, 5, 2, 3, skip="pooling")),
    GlobalAveragePool: network(dropout=0.0),
    Add: network(
        Layer("mbconv", 8, 8, 3), Layer("conv", 8, 8, 3, beside=(Layer("mbconv", 8, 8, 5), Layer("basic", 8, 8, 3)))
    ),
    Multiply: network(Layer("mbconv", 8, 16, 3, 2, 3, 0.25), Layer("conv", 16, 16, 3, 1, 1, 0.5)),
    ChannelShuffle: network(Layer("mbconv", 8, 16, 3, 2, 3, groups=2), Layer("mbconv", 16, 16, 5, groups=2)),
    Dropout: network(dropout=0.5),
}
CELLS = (
    Layer("cell", 8, 16, 3, 1, 4, skip="dense", groups=4, cell=("bnrelu", "learned1x1", "bnrelu", "group3x3")),
    Layer("cell", 16, 24, 3, 2, 2, skip="dense", groups=2, cell=("identity", "group1x1", "bn", "depthwise3x3", "bn")),
    Layer("cell", 24, 32, 5, 1, skip="dense", groups=2, cell=("bn", "depthwise3x3", "identity", "conv3x3")),
    Layer("cell", 32, 12, 1, 1, skip="none", cell=("bnrelu", "select")),
)
EXAMPLES |= {
    Norm: network(CELLS[0], CELLS[0].again),
    Select: NetworkSpec((3, 13, 10), Layer("bare", 3, 8, 3, 2, skip="none"), CELLS, 0, 5),
}


def graph(*operations: tuple[Operation, tuple[int, ...]]) -> Fragment:
    """A network of a convolution with 8 channels, node 0, what is given, and a classifier of 5 classes."""
    nodes = NodeList((3, 13, 10))
    nodes.add("stem", Conv(8, 3, 2, epsilon=1e-3), -1)
    for operation, inputs in operations:
        nodes.add("node", operation, *inputs)
    nodes.add("pool", GlobalAveragePool(), len(nodes.nodes) - 1)
    nodes.add("classifier", Linear(5), len(nodes.nodes) - 1)
    return Fragment(nodes.input_shape, tuple(nodes.nodes), "example")


GRAPHS: dict[type[Operation], Fragment] = {
    MaxPool: graph((MaxPool(3, 2), (0,)), (MaxPool(3, 1, "same"), (1,))),
    Concat: graph((Conv(4, 1), (0,)), (Concat(), (0, 1, 0))),
    Activation: graph((Activation("hardswish"), (0,)), (Add("relu"), (0, 1))),
    Widen: graph((AveragePool(2, 2, "same"), (0,)), (Widen(12), (1,))),
    Shift: graph((Shift(), (0,)), (Conv(4, 1, 2, padding="same", bias=False), (1,))),
}
every_spec = pytest.mark.parametrize(
    ("operation", "spec"), EXAMPLES.items(), ids=[operation.__name__ for operation in EXAMPLES]
)
BOTH: dict[type[Operation], NetworkSpec | Fragment] = {**EXAMPLES, **GRAPHS}
every_operation = pytest.mark.parametrize(
    ("operation", "spec"), BOTH.items(), ids=[operation.__name__ for operation in BOTH]
)


def test_every_operation_has_an_example() -> None:
    assert set(BOTH) == set(OPERATIONS)
    for operation, spec in BOTH.items():
        assert operation in {type(node.operation) for node in spec.nodes}
    layers = [module for spec in EXAMPLES.values() for layer in (spec.stem, *spec.layers) for module in layer.modules]
    assert {layer.operation for layer in layers} == set(LAYERS)


@every_operation
def test_torch_gives_the_shapes_and_parameters_of_the_nodes(
    operation: type[Operation], spec: NetworkSpec | Fragment
) -> None:
    module = torch_module.build(spec)
    shapes: dict[str, tuple[int, ...]] = {}
    for node in spec.nodes:
        part = module.get_submodule(node.name)
        part.register_forward_hook(lambda _, __, y, name=node.name: shapes.update({name: tuple(y.shape)}))
        counted = sum(parameter.numel() for parameter in part.parameters())
        assert counted == node.operation.parameters(*node.input_shapes), node.name
    module(torch.zeros(2, *spec.input_shape))
    flat = spec.nodes[-1].name
    assert shapes == {node.name: (2, *(node.shape[:1] if node.name == flat else node.shape)) for node in spec.nodes}


@every_operation
def test_litert_gives_the_shapes_of_the_nodes(operation: type[Operation], spec: NetworkSpec | Fragment) -> None:
    details = Interpreter(model_content=litert.write(spec)).get_tensor_details()
    shapes = {detail["name"]: tuple(detail["shape"]) for detail in details}
    for node in spec.nodes[:-1]:
        if not isinstance(node.operation, Dropout):
            channels, height, width = node.shape
            assert shapes[node.name] == (1, height, width, channels), node.name


@every_operation
def test_litert_computes_what_torch_computes(operation: type[Operation], spec: NetworkSpec | Fragment) -> None:
    module = torch_module.build(spec, norm_momentum=1.0)
    images = torch.randn(16, *spec.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        module(images)  # so that the norms fit
        expected = module.eval()(images[:1])
    interpreter = Interpreter(model_content=litert.write(spec, torch_module.weights(module)))
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], images[:1].permute(0, 2, 3, 1).contiguous().numpy()
    )
    interpreter.invoke()
    got = torch.from_numpy(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert expected.std() > 1e-3
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


@every_operation
def test_int8_litert_gives_the_shapes_of_the_nodes(operation: type[Operation], spec: NetworkSpec | Fragment) -> None:
    details = Interpreter(model_content=litert.write(spec, data_type="int8")).get_tensor_details()
    shapes = {detail["name"]: tuple(detail["shape"]) for detail in details if detail["dtype"] is np.int8}
    for node in spec.nodes[:-1]:
        if not isinstance(node.operation, Dropout):
            channels, height, width = node.shape
            assert shapes[node.name] == (1, height, width, channels), node.name


@every_operation
def test_onnx_computes_what_torch_computes(operation: type[Operation], spec: NetworkSpec | Fragment) -> None:
    module = torch_module.build(spec, norm_momentum=1.0)
    images = torch.randn(16, *spec.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        module(images)  # so that the norms fit
        expected = module.eval()(images[:1])
    session = InferenceSession(onnx.write(spec, torch_module.weights(module)), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"input": images[:1].numpy()})
    assert expected.std() > 1e-3
    torch.testing.assert_close(torch.from_numpy(got), expected, rtol=0, atol=1e-4)


@every_operation
def test_counts_add_up_over_the_nodes(operation: type[Operation], spec: NetworkSpec | Fragment) -> None:
    module = torch_module.build(spec)
    assert spec.parameters == sum(parameter.numel() for parameter in module.parameters())
    weighted = 0  # multiply-adds: every weight of convolutions and the classifier once an output position
    for node in spec.nodes:
        for name, parameter in module.get_submodule(node.name).named_parameters():
            weighted += (name == "weight") * parameter.numel() * node.shape[1] * node.shape[2]
    assert spec.multiply_adds == weighted
    largest = max(node.shape[0] * node.shape[1] * node.shape[2] for node in spec.nodes)
    if isinstance(spec, NetworkSpec):
        assert spec.peak_memory_bytes >= 4 * largest


@every_spec
def test_text_gives_the_network_back(operation: type[Operation], spec: NetworkSpec) -> None:
    assert from_text(to_text(spec)).canonical() == spec.canonical()


@every_spec
def test_picture_is_svg(operation: type[Operation], spec: NetworkSpec) -> None:
    assert ElementTree.fromstring(picture(spec)).tag.endswith("svg")
