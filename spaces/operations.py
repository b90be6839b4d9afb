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

ACTIVATIONS = ("none", "relu", "relu6", "sigmoid", "hardswish", "hardsigmoid")

PADDINGS = ("centred", "same", "valid")
"""Zeros around an image: torch's ``kernel // 2`` on every side; TensorFlow's SAME, as few as give the same number of
windows, the odd one at the bottom and right; none."""

Margins = tuple[tuple[int, int], tuple[int, int]]
"""Zeros (above, below) and (left, right)."""


def windows(shape: Shape, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """Numbers of windows down and across an image.

    >>> windows((3, 224, 224), 3, 2, "centred"), windows((3, 224, 224), 3, 2, "valid")
    ((112, 112), (111, 111))
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; allowed: {', '.join(PADDINGS)}")
    height, width = (size - kernel + 1 if padding == "valid" else size for size in shape[1:])
    return -(-height // stride), -(-width // stride)


def margins(shape: Shape, kernel: int, stride: int, padding: str) -> Margins:
    """The zeros that a padding puts around an image.

    >>> margins((3, 224, 224), 3, 2, "centred"), margins((3, 224, 224), 3, 2, "same")
    (((1, 1), (1, 1)), ((0, 1), (0, 1)))
    """
    if padding == "centred":
        return (kernel // 2, kernel // 2), (kernel // 2, kernel // 2)
    counts = windows(shape, kernel, stride, padding)
    missing = [max(0, (n - 1) * stride + kernel - size) for n, size in zip(counts, shape[1:], strict=True)]
    above, left = (total // 2 for total in missing)
    return (above, missing[0] - above), (left, missing[1] - left)


@dataclass(frozen=True)
class Conv:
    """2-D convolution, then batch norm or a bias, then an activation: one fused step, as phones run it.

    >>> from mnas_moo.spaces.operations import Conv
    >>> conv = Conv(32, kernel=3, stride=2, epsilon=1e-3)
    >>> conv.output_shape((3, 224, 224)), conv.parameters((3, 224, 224)), conv.multiply_adds((3, 224, 224))
    ((32, 112, 112), 928, 10838016)

    Padding is one of ``PADDINGS``; at stride 2 TensorFlow's SAME is another function than torch's. ``epsilon`` is that
    of the batch norm; without one (None) the convolution has a bias instead, unless that is False.
    """

    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    epsilon: float | None = None
    activation: str = "none"
    padding: str = "centred"
    bias: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape after the convolution; with padding the input's height and width divided by the stride."""
        return self.out_channels, *windows(inputs[0], self.kernel, self.stride, self.padding)

    def margins(self, *inputs: Shape) -> Margins:
        """Zeros around the input."""
        return margins(inputs[0], self.kernel, self.stride, self.padding)

    def parameters(self, *inputs: Shape) -> int:
        """Weights, and gamma and beta of the norm or the bias; running statistics are not parameters."""
        ((channels, _, _),) = inputs
        weights = self.kernel**2 * channels // self.groups * self.out_channels
        return weights + self.out_channels * (2 if self.epsilon is not None else self.bias)

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
class _Pool(_Free):
    """One number for each ``kernel`` x ``kernel`` window of each channel.

    With padding "centred" the zeros around the image are part of the windows; with "same" windows end at its edge, as
    in TensorFlow.
    """

    kernel: int
    stride: int
    padding: str = "centred"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's height and width divided by the stride, rounded up."""
        return inputs[0][0], *windows(inputs[0], self.kernel, self.stride, self.padding)

    def margins(self, *inputs: Shape) -> Margins:
        """What the windows reach beyond the input."""
        return margins(inputs[0], self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window."""


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest number of each window. Centred, it is torch's where no input is negative, as after a ReLU.

    >>> MaxPool(3, 2).output_shape((64, 112, 112))
    (64, 56, 56)
    """


@dataclass(frozen=True)
class GlobalAveragePool(_Free):
    """Mean over height and width, which become 1."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """(channels, 1, 1)."""
        return inputs[0][0], 1, 1


@dataclass(frozen=True)
class Add(_Free):
    """Sum of two tensors of one shape, then an activation."""

    activation: str = "none"


@dataclass(frozen=True)
class Concat(_Free):
    """The channels of all inputs, one after the other.

    >>> Concat().output_shape((8, 4, 4), (24, 4, 4))
    (32, 4, 4)
    """

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' channels together."""
        return sum(channels for channels, _, _ in inputs), *inputs[0][1:]


@dataclass(frozen=True)
class Activation(_Free):
    """An activation by itself, where others read its input without one."""

    activation: str


@dataclass(frozen=True)
class Norm(_Free):
    """Batch norm by itself, where no convolution before it can take it in, then an activation.

    >>> Norm(1e-5, "relu").parameters((8, 4, 4))
    16
    """

    epsilon: float
    activation: str = "none"

    def parameters(self, *inputs: Shape) -> int:
        """Gamma and beta; running statistics are not parameters."""
        return 2 * inputs[0][0]


@dataclass(frozen=True)
class Select(_Free):
    """Channels of the input in an order that training has found, some perhaps twice, some not at all.

    It stands before the groups of a learned group convolution, the index layer of Huang et al. 2018, fig. 3. Which
    channels they are belongs to the weights ("index"): networks that differ in it are equally large and fast.
    """

    channels: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """(channels, H, W)."""
        return self.channels, *inputs[0][1:]


@dataclass(frozen=True)
class Shift(_Free):
    """The image one pixel up and to the left: the first row and column go, zeros come at the bottom and right.

    A convolution of stride 2 after it reads the pixels that one without it leaves out (NASNet's path 2).
    """


@dataclass(frozen=True)
class Widen(_Free):
    """Channels of zeros behind those of the input, as BlockDrop's residuals have them where channels are new.

    >>> Widen(32).output_shape((16, 8, 8))
    (32, 8, 8)
    """

    channels: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """(channels, H, W)."""
        return self.channels, *inputs[0][1:]


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


Operation = (
    Conv
    | Linear
    | AveragePool
    | MaxPool
    | GlobalAveragePool
    | Add
    | Concat
    | Multiply
    | Activation
    | Norm
    | Select
    | Shift
    | Widen
    | ChannelShuffle
    | Dropout
)

OPERATIONS: tuple[type[Operation], ...] = (
    Conv,
    Linear,
    AveragePool,
    MaxPool,
    GlobalAveragePool,
    Add,
    Concat,
    Multiply,
    Activation,
    Norm,
    Select,
    Shift,
    Widen,
    ChannelShuffle,
    Dropout,
)
