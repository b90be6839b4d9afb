"""The operations that a lowered network consists of, with their shapes and counts.

A specification is lowered to a list of nodes, each one of these operations; every reader (torch module,
LiteRT model, counts, picture) is a table keyed by the same classes, and a test walks all of them through
all readers. To add an operation, add its class here and one entry to each reader's table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Shape = tuple[int, int, int]
"""(channels, height, width) of a tensor at batch 1."""

ACTIVATIONS = ("none", "relu", "relu6", "sigmoid")


@dataclass(frozen=True)
class Conv:
    """2-D convolution, then batch norm or a bias, then an activation: one fused step, as phones run it.

    >>> from mnas_moo.spaces.operations import Conv
    >>> conv = Conv(32, kernel=3, stride=2, epsilon=1e-3)
    >>> conv.output_shape((3, 224, 224)), conv.parameters((3, 224, 224)), conv.multiply_adds((3, 224, 224))
    ((32, 112, 112), 928, 10838016)

    Padding is torch's ``kernel // 2`` on every side, also at stride 2 (TensorFlow's SAME is another function
    there). ``epsilon`` is that of the batch norm; without one (None) the convolution has a bias instead.
    """

    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    epsilon: float | None = None
    activation: str = "none"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape after the convolution; ``kernel // 2`` padding makes it the input's divided by the stride."""
        ((_, height, width),) = inputs
        return self.out_channels, -(-height // self.stride), -(-width // self.stride)

    def parameters(self, *inputs: Shape) -> int:
        """Weights, and gamma and beta of the norm or the bias; running statistics are not parameters."""
        ((channels, _, _),) = inputs
        weights = self.kernel**2 * channels // self.groups * self.out_channels
        return weights + self.out_channels * (1 if self.epsilon is None else 2)

    def multiply_adds(self, *inputs: Shape) -> int:
        """One multiply-add for each weight and output position; norm, bias and activation are not counted."""
        ((channels, _, _),) = inputs
        return self.kernel**2 * channels // self.groups * math.prod(self.output_shape(*inputs))


@dataclass(frozen=True)
class Linear:
    """Fully connected layer with a bias, over a (channels, 1, 1) tensor."""

    out_features: int

    def output_shape(self, *_inputs: Shape) -> Shape:
        """(out_features, 1, 1)."""
        return self.out_features, 1, 1

    def parameters(self, *inputs: Shape) -> int:
        """Weights and bias."""
        return (math.prod(inputs[0]) + 1) * self.out_features

    def multiply_adds(self, *inputs: Shape) -> int:
        """One for each weight."""
        return math.prod(inputs[0]) * self.out_features


@dataclass(frozen=True)
class _Free:
    """An operation without parameters and multiply-adds that keeps the shape of its first input."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of the first input."""
        return inputs[0]

    def parameters(self, *_inputs: Shape) -> int:
        """0."""
        return 0

    def multiply_adds(self, *_inputs: Shape) -> int:
        """Elementwise and pooling work is not counted, as in the papers' tables."""
        return 0


@dataclass(frozen=True)
class AveragePool(_Free):
    """Average over ``kernel`` x ``kernel`` windows, ``kernel // 2`` zeros of padding that count in the mean."""

    kernel: int
    stride: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's height and width divided by the stride, rounded up."""
        ((channels, height, width),) = inputs
        return channels, -(-height // self.stride), -(-width // self.stride)


@dataclass(frozen=True)
class GlobalAveragePool(_Free):
    """Mean over height and width, which become 1."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """(channels, 1, 1)."""
        return inputs[0][0], 1, 1


@dataclass(frozen=True)
class Add(_Free):
    """Sum of two tensors of one shape."""


@dataclass(frozen=True)
class Multiply(_Free):
    """The first input scaled channel by channel by the second, (channels, 1, 1): a squeeze-and-excite gate."""


@dataclass(frozen=True)
class ChannelShuffle(_Free):
    """Channel j of group i becomes channel i of group j (Zhang et al. 2018, ShuffleNet, sec. 3.1): groups mix.

    >>> ChannelShuffle(2).output_shape((6, 4, 4))  # channels 0 1 2 3 4 5 stand as 0 3 1 4 2 5
    (6, 4, 4)
    """

    groups: int


@dataclass(frozen=True)
class Dropout(_Free):
    """Zeroes features at ``rate`` during training; it does nothing in inference."""

    rate: float


Operation = Conv | Linear | AveragePool | GlobalAveragePool | Add | Multiply | ChannelShuffle | Dropout

OPERATIONS: tuple[type[Operation], ...] = (
    Conv,
    Linear,
    AveragePool,
    GlobalAveragePool,
    Add,
    Multiply,
    ChannelShuffle,
    Dropout,
)
