"""The weights of a network as writers of model files take them: checked, norms folded in, or random ones.

Weights are float32 arrays by the names and in the layouts of ``torch_module.weights``. In inference a batch norm is a
scale and an offset a channel (Ioffe and Szegedy 2015, sec. 3.1), which go into the convolution before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mnas_moo.objectives.objective import Graph
from mnas_moo.spaces.operations import Conv, Linear, Norm, Select
from mnas_moo.spaces.spec import Node


def convolution(weights: Mapping[str, np.ndarray], node: Node) -> tuple[np.ndarray, np.ndarray]:
    """The convolution of ``node``, its norm folded in.

    Returns:
        Weights (out, in / groups, k, k) and bias (out,), float32.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says.
    """
    operation = node.operation
    assert isinstance(operation, Conv)
    outputs, kernel = operation.out_channels, operation.kernel
    weight = _weight(
        weights, f"{node.name}.weight", outputs, node.input_shapes[0][0] // operation.groups, kernel, kernel
    )
    if operation.epsilon is None:
        zeros = np.zeros(outputs, np.float32)
        return weight, _weight(weights, f"{node.name}.bias", outputs) if operation.bias else zeros
    scale, offset = norm(weights, node)
    return weight * scale[:, None, None, None], offset


def norm(weights: Mapping[str, np.ndarray], node: Node) -> tuple[np.ndarray, np.ndarray]:
    """The batch norm of ``node``.

    Returns:
        Scale and offset (channels,), float32.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says.
    """
    operation, channels = node.operation, node.shape[0]
    assert isinstance(operation, Conv | Norm)
    gamma, beta, mean, variance = (
        _weight(weights, f"{node.name}.{part}", channels) for part in ("gamma", "beta", "running_mean", "running_var")
    )
    assert operation.epsilon is not None
    scale = gamma / np.sqrt(variance + np.float32(operation.epsilon))
    return scale, beta - mean * scale


def selection(weights: Mapping[str, np.ndarray], node: Node) -> np.ndarray:
    """The channels of the input that ``node`` selects.

    Returns:
        Their indices (channels,), int64.

    Raises:
        ValueError: the index is missing, has another shape than the specification says, or names channels that are
            not there.
    """
    index, channels = _weight(weights, f"{node.name}.index", node.shape[0]), node.input_shapes[0][0]
    if not np.isin(index, np.arange(channels)).all():
        raise ValueError(f"weight {node.name + '.index'!r} must be whole numbers from 0 to {channels - 1}")
    return index.astype(np.int64)


def fully_connected(weights: Mapping[str, np.ndarray], node: Node) -> tuple[np.ndarray, np.ndarray]:
    """The fully connected layer of ``node``.

    Returns:
        Weights (out, in) and bias (out,), float32.

    Raises:
        ValueError: a weight is missing or has another shape than the specification says.
    """
    outputs = node.shape[0]
    weight = _weight(weights, f"{node.name}.weight", outputs, math.prod(node.input_shapes[0]))
    return weight, _weight(weights, f"{node.name}.bias", outputs)


def _weight(weights: Mapping[str, np.ndarray], name: str, *shape: int) -> np.ndarray:
    if name not in weights:
        raise ValueError(f"weights lack {name!r}; pass torch_module.weights of a module of this specification")
    array = np.asarray(weights[name], dtype=np.float32)
    if array.shape != shape:
        raise ValueError(f"weight {name!r} has shape {array.shape}; the specification says {shape}")
    return array


def random_weights(spec: Graph) -> dict[str, np.ndarray]:
    """Weights for measuring, always the same: variance 1 / fan-in, twice that before a ReLU or a hard swish.

    This keeps activations in a common range. All weights repeat one array of random numbers: drawing millions would
    take longer than writing the model.
    """
    numbers = np.random.default_rng(0).uniform(-1, 1, 2**14 - 1).astype(np.float32)  # odd, so that channels differ
    weights: dict[str, np.ndarray] = {}

    def draw(name: str, activation: str, *shape: int) -> None:
        bound = math.sqrt((6 if activation.startswith(("relu", "hardswish")) else 3) / math.prod(shape[1:]))
        weights[name] = np.resize(numbers * np.float32(bound), shape)

    for node in spec.nodes:
        operation = node.operation
        if isinstance(operation, Conv):
            outputs, kernel = operation.out_channels, operation.kernel
            groups = operation.groups
            draw(
                f"{node.name}.weight", operation.activation, outputs, node.input_shapes[0][0] // groups, kernel, kernel
            )
            if operation.epsilon is None and operation.bias:
                weights[f"{node.name}.bias"] = np.zeros(outputs, np.float32)
        elif isinstance(operation, Linear):
            draw(f"{node.name}.weight", "none", operation.out_features, math.prod(node.input_shapes[0]))
            weights[f"{node.name}.bias"] = np.zeros(operation.out_features, np.float32)
        elif isinstance(operation, Select):
            index = np.arange(operation.channels) % node.input_shapes[0][0]
            weights[f"{node.name}.index"] = index.astype(np.float32)
        if isinstance(operation, Norm) or (isinstance(operation, Conv) and operation.epsilon is not None):
            zeros, ones = np.zeros(node.shape[0], np.float32), np.ones(node.shape[0], np.float32)
            statistics = {"gamma": ones, "beta": zeros, "running_mean": zeros, "running_var": ones}
            weights.update({f"{node.name}.{part}": array for part, array in statistics.items()})
    return weights
