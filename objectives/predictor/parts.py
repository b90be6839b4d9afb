"""What matters of an operation for its time, and how like two operations are in that.

Two operations with one ``Part`` take equally long. Parts of one kind lie in a space of octaves (channels, pixels,
kernel, stride), in which likeness fades with the distance: the covariance of the process (``process``).
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mnas_moo.objectives.objective import Graph
from mnas_moo.objectives.statistics import Floats
from mnas_moo.spaces.operations import Conv, Dropout, Operation, Shape

REACHES = np.array([[0.35, 0.35, 0.35, 0.5, 0.5], [1.5, 1.5, 0.7, 1.0, 1.0]])
"""(2, 5) distances along ``coordinates_of``, in octaves, in which likeness fades: single shapes have their own speeds
(idle lanes, caches), and between them there is a trend."""


class Part(NamedTuple):
    """What matters of an operation for its time; equal for operations that take equally long."""

    kind: str
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int
    stride: int
    multiply_adds: int
    elements: int
    parameters: int

    @property
    def shapes(self) -> str:
        """Channels, pixels and window in words."""
        window = f", {self.kernel}x{self.kernel} at stride {self.stride}" if self.kernel > 1 or self.stride > 1 else ""
        return f"{self.in_channels} to {self.out_channels} channels of {self.height}x{self.width} pixels{window}"


Parts = Counter[Part]


@functools.lru_cache(maxsize=2**14)
def part_of(operation: Operation, inputs: tuple[Shape, ...]) -> Part:
    """The part that an operation on inputs of these shapes is."""
    channels, height, width = inputs[0]
    shape = operation.output_shape(*inputs)
    kind = type(operation).__name__
    if isinstance(operation, Conv):
        if operation.groups == channels != 1:
            kind = "depthwise conv"
        elif operation.groups > 1:
            kind = f"conv in {operation.groups} groups"
        elif operation.kernel > 1:
            kind = "conv"
        else:  # on one pixel it is a product with a vector, which waits for memory
            kind = "1x1 conv" if height * width > 1 else "1x1 conv of one pixel"
        if operation.activation == "sigmoid":  # cannot be fused
            kind += " with sigmoid"
    return Part(
        kind,
        channels,
        shape[0],
        height,
        width,
        getattr(operation, "kernel", 1),
        getattr(operation, "stride", 1),
        operation.multiply_adds(*inputs),
        sum(map(math.prod, (*inputs, shape))),
        operation.parameters(*inputs),
    )


def parts_of(spec: Graph) -> Parts:
    """How often each part occurs in a graph."""
    return Counter(
        part_of(node.operation, node.input_shapes) for node in spec.nodes if not isinstance(node.operation, Dropout)
    )


def coordinates_of(parts: Sequence[Part]) -> Floats:
    """(U, 5) binary logarithms of channels in and out, side of the image in pixels, kernel and stride."""
    return np.log2(
        [(p.in_channels, p.out_channels, math.sqrt(p.height * p.width), p.kernel, p.stride) for p in parts]
    ).reshape(len(parts), 5)


def likeness_of(a: Floats, b: Floats) -> Floats:
    """(A, B) mean over ``REACHES`` of exp(-1/2 d^2), for coordinates (A, 5) and (B, 5)."""
    total = np.zeros((len(a), len(b)))
    for reach in REACHES:
        one, other = a / reach, b / reach
        total += np.exp(one @ other.T - 0.5 * (one**2).sum(axis=1)[:, None] - 0.5 * (other**2).sum(axis=1))
    return total / len(REACHES)


def octaves_apart(a: Floats, b: Floats) -> Floats:
    """(A, B) largest difference of coordinates (A, 5) and (B, 5) along any axis."""
    return functools.reduce(np.maximum, (np.abs(a[:, None, i] - b[:, i]) for i in range(a.shape[1])))
