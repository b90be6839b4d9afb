"""Cells of normalisations and convolutions in turns: DPP-Net's layers (Dong et al. 2018, sec. 3.1) and CondenseNet's.

The paper names the operations; what it leaves open is chosen here. Widths: the last convolution that mixes channels
gives the cell's new channels, those before it ``expansion`` times as many, as CondenseNet's bottleneck (Huang et al.
2018, sec. 3), and a depthwise one keeps what it gets. A convolution in groups of 1x1 is followed by a channel shuffle,
as in ShuffleNet (Zhang et al. 2018), a learned one preceded by its index layer too. A norm right after a convolution is
one step with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.operations import ChannelShuffle, Conv, Norm, Operation, Select, Shape

NORMS: dict[str, str | None] = {"bnrelu": "relu", "bn": "none", "identity": None}
"""The activation after each batch norm; None: there is no norm either."""


class _Kind(NamedTuple):
    """What a convolution of a cell is: its kernel, and whether it is in groups, and of what sort."""

    kernel: int
    grouped: bool = False
    learned: bool = False
    depthwise: bool = False


CONVS: dict[str, _Kind] = {
    "conv1x1": _Kind(1),
    "conv3x3": _Kind(3),
    "group1x1": _Kind(1, grouped=True),
    "group3x3": _Kind(3, grouped=True),
    "learned1x1": _Kind(1, grouped=True, learned=True),
    "depthwise3x3": _Kind(3, depthwise=True),
}
"""The convolutions of a cell."""

_WORDS = {
    "bnrelu": "norm+ReLU",
    "bn": "norm",
    "conv1x1": "1x1",
    "conv3x3": "3x3",
    "group1x1": "1x1 in groups",
    "group3x3": "3x3 in groups",
    "learned1x1": "1x1 in learned groups",
    "depthwise3x3": "3x3 depthwise",
}
SELECT = "select"
"""Some channels of what comes in, which training chooses: CondenseNet's features before its classifier."""

_STEPS = (*NORMS, *CONVS, SELECT)


class Nodes(Protocol):
    """What collects the nodes that a cell is lowered to."""

    def shape(self, node: int) -> Shape:
        """(channels, height, width) of what a node gives."""
        ...

    def add(self, name: str, operation: Operation, *inputs: int) -> int:
        """Appends a node and returns its index."""
        ...


def check(cell: Sequence[str]) -> None:
    """Refuses what is no cell.

    Raises:
        ValueError: there are no steps, or one is unknown.
    """
    if not cell:
        raise ValueError(f"a cell has no steps; allowed: {', '.join(_STEPS)}")
    for step in cell:
        if step not in _STEPS:
            raise unknown("a cell's step", step, _STEPS)


def in_words(cell: Sequence[str]) -> list[str]:
    """The steps of a cell for people; those that do nothing are left out.

    >>> in_words(("bnrelu", "conv1x1", "identity", "depthwise3x3"))
    ['norm+ReLU', '1x1', '3x3 depthwise']
    """
    return [_WORDS.get(step, step) for step in cell if step != "identity"]


def kernel_of(cell: Sequence[str]) -> int:
    """Height and width of what one result of a cell sees.

    >>> kernel_of(("bnrelu", "learned1x1", "bnrelu", "group3x3")), kernel_of(("bn", "conv3x3", "bn", "depthwise3x3"))
    (3, 5)
    """
    return 1 + sum(CONVS[step].kernel - 1 for step in cell if step in CONVS)


def lower(
    graph: Nodes, name: str, cell: Sequence[str], x: int, new_channels: int, expansion: int, groups: int, epsilon: float
) -> int:
    """Appends the nodes of a cell that reads node ``x``.

    Args:
        graph: collects the nodes.
        name: what the nodes' names begin with.
        cell: the steps, checked.
        x: the node that the cell reads.
        new_channels: channels that it gives.
        expansion: the channels of convolutions before the last one that mixes channels, over ``new_channels``.
        groups: groups of convolutions in groups; also the condensation factor of learned ones.
        epsilon: epsilon of the norms.

    Returns:
        The node of the result.
    """
    mixing = [i for i, step in enumerate(cell) if step in CONVS and not CONVS[step].depthwise]
    narrow = mixing[-1] if mixing else max((i for i, step in enumerate(cell) if step in CONVS), default=-1)
    i = 0
    while i < len(cell):
        step = cell[i]
        if step in NORMS:
            activation = NORMS[step]
            if activation is not None:
                x = graph.add(f"{name}.{i}.norm", Norm(epsilon, activation), x)
        elif step == SELECT:
            x = graph.add(f"{name}.{i}.select", Select(new_channels), x)
        else:
            follower = NORMS.get(cell[i + 1]) if i + 1 < len(cell) else None
            width = new_channels if i >= narrow else expansion * new_channels
            x = _conv(graph, f"{name}.{i}", CONVS[step], x, width, groups, epsilon, follower, last=i == narrow)
            i += follower is not None
        i += 1
    return x


def _conv(
    graph: Nodes,
    name: str,
    kind: _Kind,
    x: int,
    width: int,
    groups: int,
    epsilon: float,
    activation: str | None,
    *,
    last: bool,
) -> int:
    channels = graph.shape(x)[0]
    if kind.depthwise:
        # A cell with no other convolution has to come down to its new channels: each of them sees some.
        width = width if last else channels
        groups = math.gcd(channels, width)
    elif not kind.grouped:
        groups = 1
    if kind.learned:
        x = graph.add(f"{name}.select", Select(channels), x)
    normed = None if activation is None else epsilon
    conv = Conv(width, kind.kernel, 1, groups, normed, activation or "none", bias=False)
    x = graph.add(f"{name}.conv", conv, x)
    if kind.grouped and kind.kernel == 1 and groups > 1:
        x = graph.add(f"{name}.shuffle", ChannelShuffle(groups), x)
    return x
