"""The contract of an objective: it measures one number of a network, which is minimised or maximised.

A study asks every objective for each network it tries (Tan et al. 2019, sec. 3: ACC(m) and LAT(m)). What is worth
keeping besides the number (spread, epochs, seconds) is in ``details``, which are stored with the trial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

from mnas_moo.spaces.operations import Shape
from mnas_moo.spaces.spec import NetworkSpec, Node

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"
"""A value that a study's storage can keep."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class ObjectiveInfo:
    """What is the same in every study of an objective.

    Attributes:
        direction: whether it is maximised or minimised.
        label: name and unit in plots and tables.
        meaning: half a sentence that explains the objective.
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
    "memory_mb": ObjectiveInfo(
        "minimize",
        "runtime memory (MB)",
        "the most memory that the runtime takes to load and run the network",
        "10^6 bytes",
    ),
    "parameters_m": ObjectiveInfo("minimize", "parameters (millions)", "the trained numbers of the network", "10^6"),
    "multiply_adds_m": ObjectiveInfo("minimize", "multiply-adds (millions)", "the work one image takes", "10^6"),
    "peak_memory_mb": ObjectiveInfo(
        "minimize",
        "peak activation memory (MB)",
        "the most memory that the tensors of one image need at once",
        "10^6 bytes",
    ),
}
"""The objectives of study files by name, in the order of a trial's values. A new objective gets its line here."""


ON_DEVICES = ("latency_ms", "memory_mb")
"""The objectives that a device measures: each may stand several times, for devices with names."""

_NAMED = re.compile(rf"({'|'.join(ON_DEVICES)})@([A-Za-z0-9_-]+)")


def info_of(name: str) -> ObjectiveInfo | None:
    """What is known of an objective; None: it is no name of one.

    A study with several devices has ``latency_ms@NAME`` and ``memory_mb@NAME``: letters, digits, ``-`` and ``_``.

    >>> info_of("latency_ms@pixel9-gpu").label
    'latency on pixel9-gpu (ms)'
    """
    if named := _NAMED.fullmatch(name):
        info, device = OBJECTIVES[named[1]], named[2]
        label = info.label.replace(" (", f" on {device} (", 1)
        return replace(info, label=label, meaning=f"{info.meaning} on {device}")
    return OBJECTIVES.get(name)


def is_latency(name: str) -> bool:
    """Whether an objective is ``latency_ms``, or one of several such."""
    return _is(name, "latency_ms")


def is_memory(name: str) -> bool:
    """Whether an objective is ``memory_mb``, or one of several such."""
    return _is(name, "memory_mb")


def on_device(name: str) -> bool:
    """Whether an objective is measured by a device: a latency or the memory there."""
    return is_latency(name) or is_memory(name)


def latency_beside(name: str) -> str:
    """The latency of the same device as a latency or a memory.

    >>> latency_beside("memory_mb@pixel9-gpu")
    'latency_ms@pixel9-gpu'
    """
    _, at, device = name.partition("@")
    return f"latency_ms{at}{device}"


def one_a_device(names: Iterable[str]) -> list[str]:
    """Those of some objectives that devices measure, each device once: memory comes with the latency beside it.

    >>> one_a_device(["accuracy", "latency_ms", "memory_mb", "memory_mb@pixel"])
    ['latency_ms', 'memory_mb@pixel']
    """
    given = list(names)
    return [name for name in given if is_latency(name) or (is_memory(name) and latency_beside(name) not in given)]


def memory_beside(name: str) -> str:
    """The memory on the same device as a latency or a memory."""
    _, at, device = name.partition("@")
    return f"memory_mb{at}{device}"


def _is(name: str, objective: str) -> bool:
    named = _NAMED.fullmatch(name)
    return name == objective or (named is not None and named[1] == objective)


@dataclass(frozen=True)
class Measurement:
    """The result of one measurement.

    >>> from mnas_moo.objectives import Measurement
    >>> measurement = Measurement(12.5, {"runs": 40})
    >>> measurement.value, measurement.details["runs"]
    (12.5, 40)

    Attributes:
        value: the objective's value, in the unit its name says (accuracy: a fraction).
        details: other figures of the measurement, such as the number of runs.
    """

    value: float
    details: Mapping[str, JSON] = field(default_factory=dict)


class DeviceError(RuntimeError):
    """No device is left that could measure: the run ends, since later trials would fail too, and can be continued.

    The message has one sentence for each device: which one, why it cannot measure, and what to do.
    """


class Graph(Protocol):
    """What a device can time: a whole network, or some of its layers as a network of their own."""

    @property
    def name(self) -> str:
        """A name for messages; may be empty."""
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
        """Number of trainable weights."""
        ...

    def canonical(self) -> Graph:
        """The representative of all graphs that compute the same; hashable."""
        ...


class Latency(Protocol):
    """An objective ``latency_ms`` that times graphs on a device (or sums and predicts such times).

    >>> from mnas_moo.objectives import Latency, Measurement
    >>> from mnas_moo.objectives.objective import measure_in_turn
    >>> from mnas_moo.spaces import network
    >>> class Ideal:  # a device that does 10^9 multiply-adds in a second, and nothing else
    ...     name, direction = "latency_ms", "minimize"
    ...     device = {"backend": "ideal", "model": "10^9 multiply-adds a second"}
    ...
    ...     def measure(self, spec, seed):
    ...         work = sum(node.operation.multiply_adds(*node.input_shapes) for node in spec.nodes)
    ...         return Measurement(work / 1e6)
    ...
    ...     def measure_all(self, specs):
    ...         return measure_in_turn(self, specs)
    ...
    ...     def close(self):
    ...         pass
    >>> latency: Latency = Ideal()
    >>> latency.measure(network("mnasnet-a1"), seed=0).value
    311.579072
    """

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
        """What graphs are timed on: "backend", "model", "runtime", "threads", "data_type" and what else identifies it.

        Times of two studies or tables with equal ``device`` may be compared. A phone is asked when this is first read.

        Raises:
            DeviceError: there is no device that could measure.
        """
        ...

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Times one graph; see ``Objective.measure``."""
        ...

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Times several graphs, on all devices at once where there are several; results are in the order of ``specs``.

        A graph that cannot be measured has its error in its place.
        """
        ...

    def close(self) -> None:
        """Frees processes, devices and files; a measurement under way ends with an error."""
        ...


def measure_in_turn(latency: Latency, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
    """``Latency.measure_all`` for one device: one graph after the other; a ValueError stands in its graph's place."""
    results: list[Measurement | ValueError] = []
    for spec in specs:
        try:
            results.append(latency.measure(spec, 0))
        except ValueError as error:
            results.append(error)
    return results


class Objective(Protocol):
    """A quantity of networks that a study maximises or minimises.

    >>> from mnas_moo.objectives import Count, Objective
    >>> from mnas_moo.spaces import network
    >>> objective: Objective = Count("multiply_adds_m")
    >>> objective.name, objective.direction, objective.measure(network("mnasnet-a1"), seed=0).value
    ('multiply_adds_m', 'minimize', 311.579072)

    ``name`` is a key of ``OBJECTIVES``, the same in study files, storages and reports. ``measure`` may be called from
    several threads at once.
    """

    @property
    def name(self) -> str:
        """Name of the objective, with the unit of its values."""
        ...

    @property
    def direction(self) -> Direction:
        """Whether the value is maximised or minimised."""
        ...

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Measures one network.

        Args:
            spec: the network.
            seed: seed of the measurement; the same seed gives the same value where the value does not depend on a
                clock.

        Raises:
            ValueError: the network cannot be measured; the message says why, and the trial fails with it.
        """
        ...

    def close(self) -> None:
        """Frees processes and files. The objective is not used afterwards."""
        ...
