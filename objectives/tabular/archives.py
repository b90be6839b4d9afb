"""The archives of the published tables: where they lie, and how their contents become parts of a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mnas_moo.objectives.front import Floats
from mnas_moo.objectives.numpy_archive import read_archive
from mnas_moo.objectives.objective import Direction

FILES = {
    "macro": "nas_bench_macro/nas_bench_macro.npz",
    "nb201": "nb201/nb201.npz",
    "anb": "anb/anb_surrogate.npz",
}
"""Family of tables -> its archive within the folder of the published tables."""


def load(folder: Path, file: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive by name.

    Raises:
        ValueError: it is not in the folder, or is no archive.
    """
    try:
        return read_archive(folder / file)
    except FileNotFoundError:
        raise ValueError(f"{folder} has no {file}; give the folder that holds the tables") from None


def accuracy_of(percent: npt.NDArray[Any]) -> Floats:
    """Fractions of percentages, rounded like the errors in % (float32) from which other programs compute regrets."""
    return 1 - (100 - percent).astype(float) / 100


def categorical(choices: Mapping[str, Sequence[Any]]) -> dict[str, BaseDistribution]:
    """A categorical distribution for each parameter's values."""
    return {name: CategoricalDistribution(values) for name, values in choices.items()}


def directions_of(*costs: str) -> dict[str, Direction]:
    """The directions of accuracy and of costs."""
    return {"accuracy": "maximize", **dict.fromkeys(costs, "minimize")}
