"""Several visits to each graph, minutes apart: the shortest of their times is that of the undisturbed graph.

Other work on the machine only adds time, in periods that are longer than one measurement: while four other
programs measured and compiled on two cores, medians of single measurements of layers were off by 5 to 40 %, and longer
ones were no better. Of 40 networks, corrected sums were within 10 % of the end-to-end time for 50 % after one visit,
for 76 % with the median of five and for 98 % with the shortest of five (Kendall's tau .76, .86 and .93; mean of 40
draws of the visits). Two such tables agreed within 1 % for most layers; a few, which stream tensors larger than a
core's cache, were off by up to a factor of two in all five visits, and their two shortest times were far apart. So a
graph is visited until its two shortest times agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.objective import Graph, Latency, Measurement
from mnas_moo.spaces.operations import Shape
from mnas_moo.spaces.spec import Node

LEAST = 5
"""Least number of visits to a graph, where as many are allowed."""

AGREE = 0.02
"""The shortest time is accepted once the second shortest is at most this share above it."""

CHUNK = 32  # graphs measured in one call: seconds on this machine, and enough to keep several phones busy


@dataclass(frozen=True)
class Visit:
    """A graph at one of its visits; different visits are not equal, so that a ``Latency`` measures the graph again.

    Attributes:
        graph: the graph that is timed.
        number: number of the visit, from 0.
    """

    graph: Graph
    number: int

    @property
    def name(self) -> str:
        """Name of the graph."""
        return self.graph.name

    @property
    def input_shape(self) -> Shape:
        """Shape of the graph's input."""
        return self.graph.input_shape

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Operations of the graph."""
        return self.graph.nodes

    @property
    def parameters(self) -> int:
        """Number of weights of the graph."""
        return self.graph.parameters

    def canonical(self) -> Visit:
        """The same visit to the canonical graph."""
        return Visit(self.graph.canonical(), self.number)


def finished(times_ms: Sequence[float], most: int) -> bool:
    """Whether a graph needs no more visits: its two shortest times agree, or it has had ``most`` visits.

    >>> from mnas_moo.objectives.lookup.visits import finished
    >>> times_ms = [2.0, 1.5, 1.8, 1.9, 1.7]
    >>> finished(times_ms, most=20), finished([*times_ms, 1.51], most=20), finished([2.0], most=1)
    (False, True, True)

    Raises:
        ValueError: ``most`` is below 1.
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
    """Measures graphs in rounds, each in a random order, which spreads slow changes of the device over all graphs.

    Args:
        latency: source of latency that times them.
        graphs: the graphs that are timed.
        open_at: called with the number of each round before it; returns the indices of the graphs to visit.
        visits: largest number of rounds.
        rng: random generator of the order.
        done: called after each chunk with indices and results.

    Raises:
        DeviceError: no device is left that could measure.
    """
    for number in range(visits):
        order = rng.permutation(np.fromiter(open_at(number), dtype=np.intp)).tolist()
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            done(list(zip(chunk, latency.measure_all([Visit(graphs[i], number) for i in chunk]), strict=True)))
