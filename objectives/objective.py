"""The contract of an objective: one number of one network, by a name and with a direction.

A study asks every objective for each network it tries (Tan et al. 2019, sec. 3: ACC(m) and LAT(m)); what is
worth keeping beside the number (spread, epochs, seconds) goes to ``details``, which are stored with the trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from mnas_moo.spaces.spec import NetworkSpec

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"
"""What a storage can keep."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Measurement:
    """The result of one measurement.

    Attributes:
        value: the objective's value, in the unit its name says (accuracy: a fraction).
        details: how the value came about.
    """

    value: float
    details: Mapping[str, JSON] = field(default_factory=dict)


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
