"""Several visits to each graph, minutes apart: the least of their times is what the graph takes undisturbed.

Other work on the machine only ever adds time, and it comes in spells that outlast one measurement: while four other
programs measured and compiled on two cores, medians of single measurements of layers were off by 5 to 40 %, and longer
ones were no better. Of 40 networks, corrected sums were within 10 % of the end-to-end time for 50 % after one visit,
for 76 % with the median of five and for 98 % with the least of five (Kendall's tau .76, .86 and .93; mean of 40 draws
of the visits). Two such tables agreed within 1 % for most layers; a few, which stream tensors larger than a core's
cache, were off by up to twice in all five visits, and were told by their two least times being far apart. So a graph is
visited until two agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.objective import Graph, Latency, Measurement
from mnas_moo.spaces.operations import Shape
from mnas_moo.spaces.spec import Node

LEAST = 5
"""Visits before a graph can be finished, where as many are allowed."""

AGREE = 0.02
"""The least time is trusted once the second least is at most this share above it."""

CHUNK = 32  # graphs handed over at once: seconds on this machine, and enough to keep a pool of phones busy


@dataclass(frozen=True)
class Visit:
    """A graph at one of its visits; it equals only the same visit, so that a ``Latency``, which remembers, measures it.

    Attributes:
        graph: what is timed.
        number: of the visit, from 0.
    """

    graph: Graph
    number: int

    @property
    def name(self) -> str:
        """The graph's."""
        return self.graph.name

    @property
    def input_shape(self) -> Shape:
        """The graph's."""
        return self.graph.input_shape

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The graph's."""
        return self.graph.nodes

    @property
    def parameters(self) -> int:
        """The graph's."""
        return self.graph.parameters

    def canonical(self) -> Visit:
        """The same visit to the canonical graph."""
        return Visit(self.graph.canonical(), self.number)


def finished(times_ms: Sequence[float], most: int) -> bool:
    """Whether a graph needs no more visits: its two least times agree, or there were as many as are allowed.

    >>> times_ms = [2.0, 1.5, 1.8, 1.9, 1.7]
    >>> finished(times_ms, most=20), finished([*times_ms, 1.51], most=20), finished([2.0], most=1)
    (False, True, True)

    Raises:
        ValueError: none are allowed.
    """
    if most < 1:
        raise ValueError(f"visits is {most}; it must be at least 1")
    if len(times_ms) < min(LEAST, most):
        return False
    least, *others = sorted(times_ms)
    return len(times_ms) >= most or others[0] <= (1 + AGREE) * least


def visit(
    latency: Latency,
    graphs: Sequence[Graph],
    open_at: Callable[[int], Iterable[int]],
    visits: int,
    rng: np.random.Generator,
    done: Callable[[list[tuple[int, Measurement | ValueError]]], None],
) -> None:
    """Makes the rounds, each in a random order, so that what drifts is spread over all graphs.

    Args:
        latency: what times them.
        graphs: what is timed.
        open_at: asked before each round, with its number: the indices of the graphs to be visited in it.
        visits: how many rounds at most.
        rng: of the order.
        done: called after each chunk with indices and results.

    Raises:
        DeviceError: no device is left that could measure.
    """
    for number in range(visits):
        order = rng.permutation(np.fromiter(open_at(number), dtype=np.intp)).tolist()
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            done(list(zip(chunk, latency.measure_all([Visit(graphs[i], number) for i in chunk]), strict=True)))
