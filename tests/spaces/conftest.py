from __future__ import annotations

from typing import Any

import numpy as np

from mnas_moo.spaces.skeleton import SkeletonSpace

# Two blocks at one resolution, whose filters round alike: layers can be shared out between them in several ways.
MERGING = {"preset": "digits", "filters": [16, 24, 32], "layers": [1, 2, 1], "strides": [2, 1, 1]}


def draw(space: SkeletonSpace[Any], rng: np.random.Generator, few: bool = False) -> dict[str, Any]:
    """A random genome; ``few`` leaves most choices out, so that equal networks are met often."""
    genome = {}
    for name, distribution in space._distributions.items():
        choices = distribution.choices
        if few and "skip" in choices:
            choices = choices[-2:]
        elif few and name.split(".")[-1] in ("operation", "kernel", "se"):
            choices = choices[-2:] if "absent" in choices else choices[-1:]
        genome[name] = choices[int(rng.integers(len(choices)))]
    return genome


def base_genome(space: SkeletonSpace[Any]) -> dict[str, Any]:
    own = {"operation": "mbconv6", "kernel": 3, "se": 0.0, "skip": "identity", "filters": 1.0, "layers": 0}
    return {name: own[name.split(".")[-1]] for name in space.distributions}
