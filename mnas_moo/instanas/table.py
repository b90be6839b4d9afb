"""The latency of every module of every cell, from a lookup table; a path's is the sum of its modules', as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnas_moo.instanas.metagraph import filled
from mnas_moo.instanas.reward import Band
from mnas_moo.objectives.lookup.lookup_table import LookupTable
from mnas_moo.spaces.fragment import Fragment, parts_by_layer
from mnas_moo.spaces.instanas import DEFAULT, MOBILENET, NAMES, InstaNASSpace


@dataclass(frozen=True)
class ModuleTable:
    """Latencies in milliseconds.

    Attributes:
        ms: (L, M) of each module of each cell.
        rest_ms: of stem, head and all else that every path has.
        controller_ms: of the controller.
        space: the space.
    """

    ms: npt.NDArray[np.float64]
    rest_ms: float
    controller_ms: float
    space: InstaNASSpace

    @property
    def mobilenet_ms(self) -> float:
        """Of the modules of the MobileNetV2-like path."""
        return float(self.ms[:, MOBILENET].sum())

    @property
    def most_ms(self) -> float:
        """Of all modules."""
        return float(self.ms.sum())

    @property
    def least_ms(self) -> float:
        """Of the path that has no module but those that are on by default."""
        return float(self.ms[list(self.space.first_cells), DEFAULT].sum())

    def latency(self, masks: Tensor) -> Tensor:
        """(B,) latencies of the modules that are on, by (B, L, M) masks."""
        on = filled(masks, self.space)
        return (on.double() * torch.from_numpy(self.ms).to(masks.device)).sum((1, 2))

    def bands(self, upper_first: float, upper_last: float, lower: float) -> tuple[Band, Band]:
        """The bands of the first and the last epoch; the arguments are those of ``InstaNASSettings``.

        Raises:
            ValueError: the upper end of one is not above the lower one.
        """
        low = lower * self.least_ms
        return Band(low, upper_first * self.most_ms), Band(low, upper_last * self.mobilenet_ms)


def module_table(space: InstaNASSpace, table: LookupTable, name: str, controller_ms: float) -> ModuleTable:
    """The latencies of the modules of a space.

    A module's is that of its layer and of its skip; what the table's correction adds once to a network is of the rest.

    Args:
        space: the space.
        table: the lookup table, of a device.
        name: the table's file, for messages.
        controller_ms: latency of the controller on that device.

    Raises:
        ValueError: the table has places, or lacks a layer of the space, which is named.
    """
    if table.places:
        raise ValueError(f"{name}: prices choices at {len(table.places)} places, not modules; build one for the space")
    correction = table.correction

    def price(parts: Sequence[Fragment]) -> float:
        total = 0.0
        for part in parts:
            entry = table.entries.get(part.name)
            if entry is None or entry.ms is None:
                raise ValueError(f"{name}: has no time for module {part.name!r}: {table.why_not(part.name)}")
            factor = correction.slopes.get(part.name.split(" ")[0], correction.slope)
            total += factor * entry.ms + correction.part_ms
        return total

    paths = [parts_by_layer(space.only(module)) for module in range(len(NAMES))]
    ms = np.array([[price(path[1 + cell]) for path in paths] for cell in range(space.cells)])
    rest = correction.intercept_ms + price(paths[0][0]) + price(paths[0][-1])
    if not (ms > 0).all():
        cell, module = map(int, np.argwhere(~(ms > 0))[0])
        raise ValueError(
            f"{name}: module {NAMES[module]} of cell {cell + 1} takes {ms[cell, module]:.3g} ms; not above 0"
        )
    return ModuleTable(ms, rest, controller_ms, space)
