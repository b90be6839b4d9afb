"""NASNet-A mobile (4 @ 1056) as a graph of operations (Zoph et al. 2018, fig. 4 and app. A).

What the paper leaves open follows tensorflow/models research/slim/nets/nasnet: the stem of two reduction cells, the two
paths that halve an input of twice the size, and padding, which is TensorFlow's. A ReLU that several branches read is
computed once.
"""

from __future__ import annotations

from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.operations import (
    Activation,
    Add,
    AveragePool,
    Concat,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Shift,
)
from mnas_moo.spaces.spec import NodeList

_FILTERS = 44  # 1056, the channels before the classifier, over 24
_REPEATS = 4  # normal cells of a stage
_EPSILON = 1e-3


def nasnet_a_mobile() -> Fragment:
    """NASNet-A mobile for images of 224 x 224 pixels and 1,000 classes.

    >>> from mnas_moo.spaces.nasnet import nasnet_a_mobile
    >>> round(nasnet_a_mobile().parameters / 1e6, 1), round(nasnet_a_mobile().multiply_adds / 1e6)
    (5.3, 564)
    """
    cells = _Cells((3, 224, 224))
    x = cells.add("stem", Conv(32, 3, 2, epsilon=_EPSILON, padding="valid"), -1)
    before, x = x, cells.reduction(x, x, _FILTERS // 4)
    before, x = x, cells.reduction(x, before, _FILTERS // 2)
    for stage in range(3):
        filters = _FILTERS * 2**stage
        if stage:
            before, x = x, cells.reduction(x, before, filters)
        for _ in range(_REPEATS):
            before, x = x, cells.normal(x, before, filters)
    x = cells.add("pool", GlobalAveragePool(), cells.relu(x))
    x = cells.add("dropout", Dropout(0.5), x)
    cells.add("classifier", Linear(1000), x)
    return Fragment(cells.input_shape, tuple(cells.nodes), "NASNet-A mobile")


class _Cells(NodeList):
    """Appends cells; each reads the two before it, ``x`` and ``before``."""

    def normal(self, x: int, before: int, filters: int) -> int:
        """A cell that keeps height and width and gives 6 times ``filters`` channels."""
        p, h = self._fitted(before, x, filters), self._conv(self.relu(x), filters)
        parts = (
            p,
            self._add(self._separable(h, filters, 5), self._separable(p, filters, 3)),
            self._add(self._separable(p, filters, 5), self._separable(p, filters, 3)),
            self._add(self._average(h), p),
            self._add(self._average(p), self._average(p)),
            self._add(self._separable(h, filters, 3), h),
        )
        return self.add("cell", Concat(), *parts)

    def reduction(self, x: int, before: int, filters: int) -> int:
        """A cell that halves height and width and gives 4 times ``filters`` channels."""
        p = before if before == x else self._fitted(before, x, filters)
        h = self._conv(self.relu(x), filters)
        first = self._add(self._separable(h, filters, 5, 2), self._separable(p, filters, 7, 2))
        second = self._add(self._largest(h), self._separable(p, filters, 7, 2))
        third = self._add(self._average(h, 2), self._separable(p, filters, 5, 2))
        fourth = self._add(self._average(first), second)
        fifth = self._add(self._separable(first, filters, 3), self._largest(h))
        return self.add("cell", Concat(), second, third, fourth, fifth)

    def relu(self, x: int) -> int:
        """The ReLU of a tensor, the same node for each that asks."""
        for i, node in enumerate(self.nodes):
            if isinstance(node.operation, Activation) and node.inputs == (x,):
                return i
        return self.add("relu", Activation("relu"), x)

    def _fitted(self, before: int, x: int, filters: int) -> int:
        """``before`` with ``filters`` channels, and the size of ``x``."""
        x_size, active = self.shape(x)[1:], self.relu(before)
        if self.shape(before)[1:] == x_size:
            return self._conv(active, filters)
        half = Conv(filters // 2, 1, 2, epsilon=_EPSILON)
        even = self.add("conv", half, active)
        return self.add("paths", Concat(), even, self.add("conv", half, self.add("shift", Shift(), active)))

    def _conv(self, x: int, filters: int, activation: str = "none") -> int:
        return self.add("conv", Conv(filters, 1, epsilon=_EPSILON, activation=activation), x)

    def _separable(self, x: int, filters: int, kernel: int, stride: int = 1) -> int:
        """ReLU, depthwise and 1x1 convolution, twice; the stride is that of the first."""
        x = self.relu(x)
        for step, activation in ((stride, "relu"), (1, "none")):
            channels = self.shape(x)[0]
            depthwise = Conv(channels, kernel, step, channels, padding="same", bias=False)
            x = self._conv(self.add("depthwise", depthwise, x), filters, activation)
        return x

    def _average(self, x: int, stride: int = 1) -> int:
        return self.add("average", AveragePool(3, stride, "same"), x)

    def _largest(self, x: int) -> int:
        return self.add("largest", MaxPool(3, 2, "same"), x)

    def _add(self, x: int, y: int) -> int:
        return self.add("add", Add(), x, y)
