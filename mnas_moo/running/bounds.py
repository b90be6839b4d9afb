"""Bounds that are a slip of units: `parameters_m: {max: 50000}` asks for fifty thousand millions of parameters.

Such a bound holds for every network, or for none, and the study would end before anybody saw why. The counts of a few
random networks tell, before the first trial. Memory in a runtime is not counted, but what it is made of is: weights,
mapped and packed, activations, and the runtime itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mnas_moo.objectives.counts import COUNTS
from mnas_moo.objectives.objective import is_memory

if TYPE_CHECKING:
    from mnas_moo.spaces.space import Space
    from mnas_moo.spaces.spec import NetworkSpec
    from mnas_moo.study_file.network_study import NetworkStudy

NETWORKS = 20
FACTOR = 100
"""A bound that is this many times the largest of the random networks is taken for a slip."""

UNITS = {
    "parameters_m": ("millions", "parameters"),
    "multiply_adds_m": ("millions", "multiply-adds"),
    "peak_memory_mb": ("MB", "bytes"),
    "memory_mb": ("MB", "bytes"),
}
"""Unit of a quantity, and what there is a million of in one unit."""

RUNTIME_MB = 10.0
"""What LiteRT takes for the smallest network, about: its own code."""


def check_bounds(study_file: NetworkStudy, space: Space) -> None:
    """Refuses bounds of counts, and of memory, that are far above all networks of the space.

    Raises:
        StudyError: a bound is more than ``FACTOR`` times the largest of ``NETWORKS`` random networks.
    """
    limits = {name: bounds for name, bounds in study_file.limits.items() if name in COUNTS or is_memory(name)}
    if not limits:
        return
    rng = np.random.default_rng(0)
    specs = [space.random(rng) for _ in range(NETWORKS)]
    for name, bounds in limits.items():
        largest = max(_about(spec, name) for spec in specs)
        for bound, limit in zip(("min", "max"), bounds, strict=True):
            if limit is None or limit <= FACTOR * largest:
                continue
            unit, counted = UNITS[name.partition("@")[0]]
            about = "about " if is_memory(name) else ""
            problem = f"is {limit:.12g} ({unit}); the networks of this space have up to {about}{largest:.2g}"
            if limit / 1e6 <= FACTOR * largest:  # as a number of single ones it would be a bound
                advice = f"a bound of {limit:,.12g} {counted} is {limit / 1e6:.6g}"
            else:
                advice = "leave it out" if bound == "max" else "no network has as much"
            raise study_file.error(("constraints", name, bound), f"{problem}: {advice}")


def _about(spec: NetworkSpec, name: str) -> float:
    """A count in millions, or about how much memory a runtime takes, in MB."""
    if name in COUNTS:
        return float(getattr(spec, COUNTS[name]) / 1e6)
    return RUNTIME_MB + (2 * 4 * spec.parameters + spec.peak_memory_bytes) / 1e6
