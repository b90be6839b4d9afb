"""The contract of an objective: one number of one network, by a name and with a direction.

A study asks every objective for each network it tries (Tan et al. 2019, sec. 3: ACC(m) and LAT(m)); what is
worth keeping beside the number (spread, epochs, seconds) goes to ``details``, which are stored with the trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from mnas_moo.spaces.operations import Shape
from mnas_moo.spaces.spec import NetworkSpec, Node

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"
"""What a storage can keep."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class ObjectiveInfo:
    """What is the same in every study of an objective.

    Attributes:
        direction: whether it is maximised or minimised.
        label: its name and unit in plots and tables.
        meaning: half a sentence for somebody who sees it for the first time.
        unit: unit of its values; empty where they have none.
    """

    direction: Direction
    label: str
    meaning: str
    unit: str


OBJECTIVES: Mapping[str, ObjectiveInfo] = {
    "accuracy": ObjectiveInfo(
        "maximize",
        "accuracy on the hold-out",
        "the share of held-out images that the network classifies rightly after a short training",
        "fraction",
    ),
    "latency_ms": ObjectiveInfo("minimize", "latency (ms)", "the time one image takes", "ms"),
    "parameters_m": ObjectiveInfo("minimize", "parameters (millions)", "the trained numbers of the network", "10^6"),
    "multiply_adds_m": ObjectiveInfo("minimize", "multiply-adds (millions)", "the work one image takes", "10^6"),
    "peak_memory_mb": ObjectiveInfo(
        "minimize",
        "peak activation memory (MB)",
        "the most memory that the tensors of one image need at once",
        "10^6 bytes",
    ),
}
"""The objectives of study files by name, in the order of a trial's values. A new one is described here."""


@dataclass(frozen=True)
class Measurement:
    """The result of one measurement.

    Attributes:
        value: the objective's value, in the unit its name says (accuracy: a fraction).
        details: how the value came about.
    """

    value: float
    details: Mapping[str, JSON] = field(default_factory=dict)


class DeviceError(RuntimeError):
    """No device is left that could ever measure, and more trials do not mend that: the run ends, and can go on later.

    The message has one sentence a device: which, why, what to do.
    """


class Graph(Protocol):
    """What a device can time: a whole network, or some layers of one as a network of their own."""

    @property
    def name(self) -> str:
        """For people; may be empty."""
        ...

    @property
    def input_shape(self) -> Shape:
        """(channels, height, width) of the one input."""
        ...

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The operations in execution order; the last gives the output."""
        ...

    @property
    def parameters(self) -> int:
        """How many numbers the weights have."""
        ...

    def canonical(self) -> Graph:
        """The one of all graphs that compute alike that stands for them; hashable."""
        ...


class Latency(Protocol):
    """An objective ``latency_ms`` that times graphs on a device (or sums and predicts such times)."""

    @property
    def name(self) -> str:
        """Always "latency_ms"."""
        ...

    @property
    def direction(self) -> Direction:
        """Always "minimize"."""
        ...

    @property
    def device(self) -> Mapping[str, JSON]:
        """What it is timed on: "backend", "model", "runtime", "threads", "data_type" and what else identifies it.

        Two studies or tables with equal ``device`` may be compared. A phone is asked when this is first read.

        Raises:
            DeviceError: there is no device that could measure.
        """
        ...

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Times one graph, as ``Objective.measure`` does a network."""
        ...

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Times several, on all devices of the pool at once where there are several; in the order of ``specs``.

        A graph that cannot be measured has its error in its place.
        """
        ...

    def close(self) -> None:
        """Frees what it holds; a measurement under way ends with an error."""
        ...


def measure_in_turn(latency: Latency, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
    """``Latency.measure_all`` where there is one device: one after the other, a ValueError in its graph's place."""
    results: list[Measurement | ValueError] = []
    for spec in specs:
        try:
            results.append(latency.measure(spec, 0))
        except ValueError as error:
            results.append(error)
    return results


class Objective(Protocol):
    """What a study maximises or minimises.

    ``name`` is "accuracy", "latency_ms", "parameters_m", "multiply_adds_m" or "peak_memory_mb": the same in study
    files, storages and reports. ``measure`` may be called from several threads at once.
    """

    @property
    def name(self) -> str:
        """The name with the unit of the value."""
        ...

    @property
    def direction(self) -> Direction:
        """Whether more or less is better."""
        ...

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Measures one network.

        Args:
            spec: the network.
            seed: of all randomness of the measurement; the same seed gives the same value where the value does
                not depend on a clock.

        Raises:
            ValueError: the network cannot be measured; the message says why, and the trial fails with it.
        """
        ...

    def close(self) -> None:
        """Frees what the objective holds (processes, files). It is not used afterwards."""
        ...
