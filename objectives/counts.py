"""Objectives that need no measurement: parameters, multiply-adds and peak activation memory, as the papers count.

The counts are the specification's own; here they get a name, a unit (10^6) and a direction.
"""

from __future__ import annotations

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.spaces.spec import NetworkSpec

COUNTS = {
    "parameters_m": "parameters",
    "multiply_adds_m": "multiply_adds",
    "peak_memory_mb": "peak_memory_bytes",
}
"""Name of the objective -> attribute of ``NetworkSpec``."""


class Count:
    """A count in millions, to be minimised.

    >>> from mnas_moo.objectives import Count
    >>> from mnas_moo.spaces import network
    >>> Count("parameters_m").measure(network("mnasnet-a1"), seed=0).value
    3.887038

    Args:
        name: a key of ``COUNTS``: millions of trainable parameters, millions of multiply-adds for one image, or
            10^6 bytes of the activations that are in memory at once (float32, batch 1).

    Raises:
        ValueError: the name is none of them.
    """

    direction: Direction = "minimize"

    def __init__(self, name: str) -> None:
        if name not in COUNTS:
            raise ValueError(f"there is no count {name!r}; allowed: {', '.join(COUNTS)}")
        self.name = name

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """The count of ``spec``, divided by 10^6."""
        return Measurement(getattr(spec, COUNTS[self.name]) / 1e6)

    def close(self) -> None:
        """Does nothing: a count holds no resources."""
