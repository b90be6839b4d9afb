"""What sources of latency with a single device share: one measurement at a time, and a memory of the results."""

from __future__ import annotations

import abc
import threading
from collections.abc import Mapping, Sequence

from mnas_moo.objectives.objective import JSON, Direction, Graph, Measurement, measure_in_turn


class OneDevice(abc.ABC):
    """A source of latency with one device: graphs that compute alike are measured once, one after the other.

    Args:
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: seconds of timed runs after which the measurement ends in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, precision: float, maximum_seconds: float) -> None:
        if not 0 < precision < 1:
            raise ValueError(f"precision is {precision}; it is a share of the median, above 0 and below 1")
        if maximum_seconds <= 0:
            raise ValueError(f"maximum_seconds is {maximum_seconds}; it must be above 0")
        self.precision = precision
        self.maximum_seconds = maximum_seconds
        self._lock = threading.Lock()
        self._results: dict[Graph, Measurement] = {}
        self._closed = False

    @property
    @abc.abstractmethod
    def device(self) -> Mapping[str, JSON]:
        """What the graphs are timed on."""

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Measures ``spec`` with random weights, or answers from memory.

        Args:
            spec: the network, or some layers of one.
            seed: has no effect; weights and input are always the same.

        Raises:
            ValueError: the runtime refused the model.
            RuntimeError: the device failed (the next measurement tries again), or this object was closed.
        """
        del seed
        spec = spec.canonical()
        with self._lock:
            if spec not in self._results:
                self._results[spec] = self._measure(spec)
            return self._results[spec]

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Measures several, one after the other; a graph that the runtime refuses has its error in its place."""
        return measure_in_turn(self, specs)

    @abc.abstractmethod
    def close(self) -> None:
        """Ends a measurement under way, which then fails."""

    @abc.abstractmethod
    def _measure(self, spec: Graph) -> Measurement:
        """Measures a canonical graph."""
