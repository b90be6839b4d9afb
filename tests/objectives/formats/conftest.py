"""Networks and checks that tests of several writers of model files share."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces.operations import (
    ACTIVATIONS,
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
    Shape,
    Shift,
    Widen,
)
from mnas_moo.spaces.spec import Layer, NetworkSpec, Node


def trained(spec: NetworkSpec) -> torch_module.Network:
    """A module whose norms fit their inputs, as after training, and are not neutral."""
    generator = torch.Generator().manual_seed(0)
    module = torch_module.build(spec, generator, norm_momentum=1.0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("gamma", "beta", "bias")):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        module(torch.randn(16, *spec.input_shape, generator=generator))
    return module.eval()


def small(*layers: Layer, shape: Shape = (3, 12, 12), **settings: object) -> NetworkSpec:
    stem = Layer("conv", shape[0], 8, 3, 1, skip="none")
    return dataclasses.replace(NetworkSpec(shape, stem, layers, 16, 5), **settings)  # type: ignore[arg-type]


def of_nodes(shape: Shape, *operations: tuple[Operation, tuple[int, ...]]) -> NetworkSpec:
    """A specification lowered to just these operations, for what no layer contains."""
    nodes: list[Node] = []
    for operation, inputs in operations:
        shapes = tuple(shape if i < 0 else nodes[i].shape for i in inputs)
        nodes.append(Node(f"node{len(nodes)}", operation, inputs, shapes, operation.output_shape(*shapes)))
    spec = small(shape=shape)
    vars(spec)["nodes"] = tuple(nodes)  # where the cached property keeps them
    return spec


SINGLE: dict[type[Operation], list[NetworkSpec]] = {
    Conv: [
        of_nodes((4, height, width), (Conv(outputs, kernel, stride, groups, epsilon, activation), (-1,)))
        for height, width, outputs, kernel, stride, groups, epsilon, activation in (
            (9, 9, 6, 3, 1, 1, 1e-3, "relu"),
            (8, 8, 6, 3, 2, 1, 1e-3, "relu6"),
            (8, 9, 6, 5, 2, 1, None, "none"),
            (9, 9, 6, 3, 2, 1, None, "sigmoid"),
            (7, 10, 6, 7, 3, 1, 1e-5, "none"),
            (8, 8, 6, 1, 1, 1, 1e-3, "none"),
            (8, 8, 6, 1, 2, 1, None, "none"),  # skips every other pixel
            (8, 7, 4, 3, 1, 4, 1e-3, "relu"),  # depthwise
            (8, 7, 4, 5, 2, 4, 1e-3, "relu"),
            (8, 7, 8, 3, 2, 4, None, "none"),  # two outputs a channel
            (8, 7, 6, 3, 1, 2, None, "none"),  # grouped
            (8, 7, 6, 1, 1, 2, 1e-5, "relu"),
            (1, 1, 6, 5, 1, 1, None, "none"),  # larger than the image
            (2, 2, 4, 5, 2, 4, None, "none"),
            (8, 7, 6, 1, 1, 1, 1e-3, "hardswish"),
            (8, 7, 6, 3, 1, 1, None, "hardsigmoid"),
        )
    ]
    + [
        of_nodes((4, 8, 9), (Conv(4, kernel, 2, groups, padding=padding, bias=False), (-1,)))
        for kernel, groups, padding in ((3, 1, "same"), (5, 4, "same"), (3, 1, "valid"), (7, 4, "same"))
    ],
    Linear: [of_nodes((6, 1, 1), (Linear(4), (-1,)))],
    AveragePool: [
        of_nodes((4, height, width), (AveragePool(kernel, stride), (-1,)))
        for height, width, kernel, stride in ((8, 8, 3, 1), (8, 8, 3, 2), (9, 8, 3, 2), (7, 7, 5, 3), (1, 1, 3, 1))
    ]
    + [
        of_nodes((4, height, width), (AveragePool(kernel, stride, "same"), (-1,)))
        for height, width, kernel, stride in ((8, 8, 3, 1), (8, 9, 3, 2), (10, 10, 5, 2))
    ],
    MaxPool: [
        of_nodes((4, height, width), (MaxPool(kernel, stride, padding), (-1,)))
        for height, width, kernel, stride, padding in (
            (8, 8, 3, 2, "centred"),
            (9, 7, 3, 2, "centred"),
            (8, 9, 3, 2, "same"),
            (8, 8, 3, 1, "same"),
            (8, 8, 2, 2, "valid"),
        )
    ],
    GlobalAveragePool: [of_nodes((4, 7, 5), (GlobalAveragePool(), (-1,)))],
    Add: [
        of_nodes((4, 5, 5), (AveragePool(3, 1), (-1,)), (Add(activation), (0, -1)))
        for activation in ("none", "relu", "hardswish")
    ],
    Concat: [
        of_nodes((4, 5, 5), (Conv(6, 1), (-1,)), (Activation("relu"), (-1,)), (Concat(), (0, -1, 1))),
        of_nodes((4, 5, 5), (AveragePool(3, 1), (-1,)), (Concat(), (0, 0))),
    ],
    Activation: [
        of_nodes((4, 5, 5), (Activation(activation), (-1,)), (Add(), (-1, 0)))
        for activation in ACTIVATIONS  # none leaves what it reads as it is
    ],
    Norm: [of_nodes((4, 5, 6), (Norm(1e-3, activation), (-1,))) for activation in ("none", "relu", "hardswish")],
    Select: [of_nodes((6, 5, 4), (AveragePool(3, 1), (-1,)), (Select(channels), (0,))) for channels in (4, 6, 9)],
    Shift: [of_nodes(shape, (Shift(), (-1,)), (Conv(6, 1, 2), (0,))) for shape in ((4, 7, 7), (4, 8, 5))],
    Widen: [of_nodes((4, 5, 6), (AveragePool(2, 2, "same"), (-1,)), (Widen(7), (0,)), (Conv(5, 1), (1,)))],
    Multiply: [of_nodes((4, 5, 5), (GlobalAveragePool(), (-1,)), (Multiply(), (-1, 0)))],
    ChannelShuffle: [
        of_nodes(shape, (AveragePool(3, 1), (-1,)), (ChannelShuffle(groups), (0,)))
        for shape, groups in (((6, 5, 4), 2), ((6, 1, 1), 3), ((8, 3, 3), 8))
    ],
    Dropout: [of_nodes((4, 5, 5), (AveragePool(3, 1), (-1,)), (Dropout(0.5), (0,)))],
}

every_case = pytest.mark.parametrize(
    "spec", [spec for specs in SINGLE.values() for spec in specs], ids=lambda spec: repr(spec.nodes[-1].operation)
)

LAYERS = (
    Layer("conv", 8, 8, 3),
    Layer("conv", 8, 8, 5, 2, se_ratio=0.25, skip="pooling"),
    Layer("conv", 8, 12, 3, 2, skip="none"),
    Layer("mbconv", 8, 8, 3, skip="pooling"),
    Layer("mbconv", 8, 8, 5, 1, 3, 0.25),
    Layer("mbconv", 8, 12, 5, 2, 6, 0.25),
    Layer("mbconv", 8, 8, 3, 2, 6, skip="pooling"),
    Layer("mbconv", 8, 12, 3, 2, 3, groups=2),
    Layer("mbconv", 8, 8, 5, groups=4),
    Layer("bare", 8, 12, 3, 2, skip="none"),
    Layer("cell", 8, 16, 3, 2, 2, skip="dense", groups=4, cell=("bnrelu", "learned1x1", "bnrelu", "group3x3")),
    Layer("cell", 8, 12, 5, 1, skip="none", cell=("bn", "conv3x3", "identity", "depthwise3x3", "bnrelu")),
)


def runs_in_xnnpack_alone(interpreter: Interpreter) -> bool:
    """Whether one delegate takes the model's input, with constants, to its output: no operator is left outside."""
    *_, last = interpreter._get_ops_details()
    if last["op_name"] != "DELEGATE":
        return False
    constants = set(range(len(interpreter.get_tensor_details()))) - _computed(interpreter)
    sources = {detail["index"] for detail in interpreter.get_input_details()}
    results = {detail["index"] for detail in interpreter.get_output_details()}
    return set(last["inputs"]) - constants == sources and set(last["outputs"]) == results


def _computed(interpreter: Interpreter) -> set[int]:
    outputs = [operator["outputs"] for operator in interpreter._get_ops_details()]
    sources: list[Any] = [detail["index"] for detail in interpreter.get_input_details()]
    return {int(index) for indices in outputs for index in indices} | set(sources)
