"""A specification as a torch module, for training a child and for taking over published weights.

The module runs ``spec.nodes`` one after the other; there is one module class an operation, in ``MODULES``.
Initial values are those of the official MnasNet code (tensorflow/tpu models/official/mnasnet/mnasnet_model.py,
conv_kernel_initializer and dense_kernel_initializer). MnasNet's padding is ``kernel // 2`` on every side also at stride
2, where that code pads as TensorFlow does (more at the bottom and right).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

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

ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "none": None,
    "relu": torch.relu_,  # in place: neither convolution nor norm needs its output again for the gradient
    "relu6": lambda x: F.hardtanh_(x, 0.0, 6.0),
    "sigmoid": torch.sigmoid_,
    "hardswish": F.hardswish,  # not in place: its gradient needs its input
    "hardsigmoid": F.hardsigmoid,
}


class _ConvModule(nn.Module):
    """Convolution, batch norm or bias, activation; normal weights of variance 2 / fan-out, biases 0, norm 1 and 0.

    Fan-out is the official code's: kernel² times the kernel's last dimension, which is the output channels for a
    regular convolution and 1 for a depthwise one.
    """

    gamma: nn.Parameter
    beta: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, operation: Conv, node: Node, generator: torch.Generator, norm_momentum: float) -> None:
        super().__init__()
        self.operation = operation
        self.norm_momentum = norm_momentum
        channels, kernel, groups = operation.out_channels, operation.kernel, operation.groups
        deviation = math.sqrt(2 / (kernel**2 * channels / groups))
        weight = _empty(channels, node.input_shapes[0][0] // groups, kernel, kernel)
        self.weight = nn.Parameter(weight.normal_(0, deviation, generator=generator))
        self.margins = operation.margins(*node.input_shapes)
        if operation.epsilon is None:
            self.bias = nn.Parameter(_empty(channels).zero_()) if operation.bias else None
        else:
            _add_norm(self, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        conv = self.operation
        x, padding = _padded(x, self.margins)
        if conv.epsilon is None:
            x = F.conv2d(x, self.weight, self.bias, conv.stride, padding, 1, conv.groups)
        else:
            x = F.conv2d(x, self.weight, None, conv.stride, padding, 1, conv.groups)
            statistics = self.running_mean, self.running_var
            x = F.batch_norm(x, *statistics, self.gamma, self.beta, self.training, self.norm_momentum, conv.epsilon)
        activation = ACTIVATION_FUNCTIONS[conv.activation]
        return x if activation is None else activation(x)


class _LinearModule(nn.Module):
    """Fully connected layer; weights uniform within 1 / sqrt(outputs), bias 0."""

    def __init__(self, operation: Linear, node: Node, generator: torch.Generator, norm_momentum: float) -> None:
        del norm_momentum
        super().__init__()
        bound = 1 / math.sqrt(operation.out_features)
        weight = _empty(operation.out_features, math.prod(node.input_shapes[0]))
        self.weight = nn.Parameter(weight.uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(_empty(operation.out_features).zero_())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, 1) to (B, out_features)."""
        return F.linear(x.flatten(1), self.weight, self.bias)


class _FreeModule(nn.Module):
    """An operation without weights."""

    def __init__(self, operation: Any, node: Node, generator: torch.Generator, norm_momentum: float) -> None:
        del node, generator, norm_momentum
        super().__init__()
        self.operation = operation


class _AveragePoolModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        pool, ((above, below), (left, right)) = self.operation, self.operation.margins(x.shape[1:])
        counted, uneven = pool.padding != "same", above != below or left != right
        # In ceiling mode a last window reaches beyond the image, where it counts nothing.
        return F.avg_pool2d(x, pool.kernel, pool.stride, (above, left), uneven, counted)


class _MaxPoolModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        pool, ((above, below), (left, right)) = self.operation, self.operation.margins(x.shape[1:])
        x = F.pad(x, (left, right, above, below), value=float("-inf") if pool.padding == "same" else 0.0)
        return F.max_pool2d(x, pool.kernel, pool.stride)


class _GlobalAveragePoolModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


class _AddModule(_FreeModule):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        activation = ACTIVATION_FUNCTIONS[self.operation.activation]
        return x + y if activation is None else activation(x + y)


class _ConcatModule(_FreeModule):
    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)


class _ActivationModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        activation = ACTIVATION_FUNCTIONS[self.operation.activation]
        return x if activation is None else activation(x.clone())  # others read x


class _NormModule(nn.Module):
    """Batch norm, activation; gamma 1, beta 0."""

    gamma: nn.Parameter
    beta: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, operation: Norm, node: Node, generator: torch.Generator, norm_momentum: float) -> None:
        del generator
        super().__init__()
        self.operation = operation
        self.norm_momentum = norm_momentum
        _add_norm(self, node.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        statistics, momentum = (self.running_mean, self.running_var), self.norm_momentum
        x = F.batch_norm(x, *statistics, self.gamma, self.beta, self.training, momentum, self.operation.epsilon)
        activation = ACTIVATION_FUNCTIONS[self.operation.activation]
        return x if activation is None else activation(x)


class SelectModule(_FreeModule):
    """Channels of the input by ``index``; fresh, the first ones, and again from the first where there are too few."""

    index: Tensor

    def __init__(self, operation: Select, node: Node, generator: torch.Generator, norm_momentum: float) -> None:
        super().__init__(operation, node, generator, norm_momentum)
        self.register_buffer("index", torch.arange(operation.channels) % node.input_shapes[0][0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, channels, H, W)."""
        return x.index_select(1, self.index)


class _ShiftModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))


class _WidenModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 0, self.operation.channels - x.shape[1]))


class _MultiplyModule(_FreeModule):
    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        return x * gate


class _ChannelShuffleModule(_FreeModule):
    def forward(self, x: Tensor) -> Tensor:
        return F.channel_shuffle(x, self.operation.groups)


class DropoutModule(_FreeModule):
    """Dropout; draws from ``generator`` where one is set (on the tensors' device), else from torch's global one."""

    generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; values kept are divided by their share, as in ``nn.Dropout``."""
        return dropout(x, self.operation.rate, self.generator) if self.training else x


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Zeroes values at ``rate``; those kept are divided by their share. None: torch's global generator."""
    kept = 1 - rate
    return x * torch.empty_like(x).bernoulli_(kept, generator=generator).div_(kept)


MODULES: dict[type[Operation], Callable[[Any, Node, torch.Generator, float], nn.Module]] = {
    Conv: _ConvModule,
    Linear: _LinearModule,
    AveragePool: _AveragePoolModule,
    MaxPool: _MaxPoolModule,
    GlobalAveragePool: _GlobalAveragePoolModule,
    Add: _AddModule,
    Concat: _ConcatModule,
    Multiply: _MultiplyModule,
    Activation: _ActivationModule,
    Norm: _NormModule,
    Select: SelectModule,
    Shift: _ShiftModule,
    Widen: _WidenModule,
    ChannelShuffle: _ChannelShuffleModule,
    Dropout: DropoutModule,
}


class Network(nn.Module):
    """The network of ``spec``: (B, C, H, W) images to (B, classes) logits.

    Every node is a submodule of its name, so parameters are called "layers.3.expand.weight": ``weight`` and
    ``bias``, or ``weight``, ``gamma``, ``beta``, ``running_mean``, ``running_var`` where a norm follows; a selection of
    channels has an ``index``.
    """

    def __init__(self, spec: Graph, generator: torch.Generator, norm_momentum: float) -> None:
        super().__init__()
        self.spec = spec
        last_use = {source: i for i, node in enumerate(spec.nodes) for source in node.inputs}
        self._steps: list[tuple[nn.Module, tuple[int, ...], list[int]]] = []
        for i, node in enumerate(spec.nodes):
            module = MODULES[type(node.operation)](node.operation, node, generator, norm_momentum)
            parent: nn.Module = self
            *path, name = node.name.split(".")
            for part in path:
                if part not in parent._modules:
                    parent.add_module(part, nn.Module())
                parent = parent.get_submodule(part)
            parent.add_module(name, module)
            self._steps.append((module, node.inputs, [j for j in set(node.inputs) if last_use[j] == i]))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, classes); a tensor is freed after the last module that reads it."""
        values = {-1: x}
        for i, (module, inputs, dead) in enumerate(self._steps):
            x = values[i] = module(*[values[j] for j in inputs])
            for j in dead:
                del values[j]
        return x


def build(spec: Graph, generator: torch.Generator | None = None, *, norm_momentum: float = 0.01) -> Network:
    """Builds ``spec`` as a float32 module on the CPU, in training mode, freshly initialised.

    Args:
        spec: the network.
        generator: random generator of the initial weights (torch's global one is never used); None: seed 0.
        norm_momentum: share of a new batch in a norm's running statistics, by torch's definition. The published
            value, 0.01 (0.99 by TensorFlow's), needs thousands of steps; short trainings pass a larger one.

    Returns:
        The module; while training, its dropout draws from torch's global generator, or from
        ``DropoutModule.generator``. On a CPU it trains up to three times as fast with weights and images in
        torch's channels-last memory format (``module.to(memory_format=torch.channels_last)``).

    Raises:
        ValueError: norm_momentum is not in (0, 1].
    """
    if not 0 < norm_momentum <= 1:
        raise ValueError(f"norm_momentum is {norm_momentum}; it must be above 0 and at most 1")
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return Network(spec, generator, norm_momentum)


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    """The parameters and running statistics of a ``Network`` by name, as the other readers take them.

    Returns:
        Copies, float32, in torch's layouts: convolutions (out, in / groups, k, k), fully connected (out, in). An
        ``index`` is float32 too.
    """
    state = module.state_dict()
    return {name: tensor.cpu().numpy().astype(np.float32, order="C") for name, tensor in state.items()}


def load_torchvision(module: Network, state_dict: Mapping[str, Tensor]) -> None:
    """Gives ``module`` the weights of the same network in torchvision (``mnasnet1_0``, ``mobilenet_v2``, ``resnet50``).

    The mapping: the n-th convolution of the state dict is the n-th convolution of the specification, each
    followed by its norm (weight -> gamma, bias -> beta, running_mean, running_var; num_batches_tracked has no
    use and is left out), and the classifier's weight and bias end both. Logits are the same only if
    ``spec.epsilon`` is torchvision's 1e-5.

    Raises:
        ValueError: the number of tensors differs, or two that belong together differ in shape.
    """
    source = [(name, tensor) for name, tensor in state_dict.items() if not name.endswith("num_batches_tracked")]
    target = list(_in_order(module))
    if len(source) != len(target):
        raise ValueError(
            f"the state dict has {len(source)} weights and statistics, but {module.spec.name or 'the network'} has "
            f"{len(target)}: they are not the same network"
        )
    for (theirs, tensor), (ours, own) in zip(source, target, strict=True):
        if tensor.shape != own.shape:
            raise ValueError(
                f"{theirs} of the state dict has shape {tuple(tensor.shape)}, but {ours} has {tuple(own.shape)}: "
                "they are not the same network"
            )
    with torch.no_grad():
        for (_, tensor), (_, own) in zip(source, target, strict=True):
            own.copy_(tensor)


def _in_order(module: Network) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors in execution order, which the state dict's (grouped by submodule) need not be."""
    for node in module.spec.nodes:
        for name, tensor in module.get_submodule(node.name).state_dict(keep_vars=True).items():
            yield f"{node.name}.{name}", tensor


def _padded(x: Tensor, margins: Margins) -> tuple[Tensor, tuple[int, int]]:
    """Images with the zeros that a convolution cannot add itself, and those it adds on both sides, (rows, columns)."""
    (above, below), (left, right) = margins
    if above == below and left == right:
        return x, (above, left)
    return F.pad(x, (left, right, above, below)), (0, 0)


def _add_norm(module: nn.Module, channels: int) -> None:
    """A fresh batch norm's parameters and statistics."""
    module.gamma = nn.Parameter(_empty(channels).fill_(1))
    module.beta = nn.Parameter(_empty(channels).zero_())
    module.register_buffer("running_mean", _empty(channels).zero_())
    module.register_buffer("running_var", _empty(channels).fill_(1))


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device="cpu")
