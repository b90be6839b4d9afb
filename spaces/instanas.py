"""InstaNAS' meta-graph as a space: 17 cells, each the sum of any of five modules (Cheng et al. 2020, sec. 3.1).

The skeleton is MobileNetV2's. A cell's modules are four inverted bottlenecks and a pair of 3x3 convolutions without a
residual, as in the official code (AnjieCheng/InstaNAS, search/models). A cell where none is on passes its input; the
first cell of a stage, which changes the shape, has the pair of convolutions then. A network of this space is the way
that one image may take. Left out: the 1x1 convolutions which that code registers and never uses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.spaces.instanas_settings import InstaNASSettings
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.skeleton import PlacedSpace
from mnas_moo.spaces.spec import Layer, NetworkSpec

MODULES: dict[str, tuple[str, int, int]] = {
    "k3_e6": ("mbconv", 3, 6),
    "k3_e3": ("mbconv", 3, 3),
    "k5_e6": ("mbconv", 5, 6),
    "k5_e3": ("mbconv", 5, 3),
    "basic": ("basic", 3, 1),
}
"""Operation, kernel and expansion of a cell's modules, in the official order."""
NAMES = tuple(MODULES)
MOBILENET = 0
"""The module of the MobileNetV2-like path."""
DEFAULT = NAMES.index("basic")
"""The module of the first cell of a stage where none is on."""
NONE = "none"
_SETS = [itertools.combinations(NAMES, size) for size in range(1, len(NAMES) + 1)]
CHOICES = (*("+".join(chosen) for chosen in itertools.chain.from_iterable(_SETS)), NONE)
"""The 32 sets of modules of a cell, by their names."""

Mask = npt.NDArray[np.bool_]
"""(L, M) which modules of which cells are on."""


class InstaNASSpace(PlacedSpace[InstaNASSettings]):
    """A set of modules for each cell; cells that pass their input stand last in a canonical genome's stages.

    >>> from mnas_moo.spaces.instanas import InstaNASSpace
    >>> space = InstaNASSpace(preset="cifar")
    >>> len(space.distributions), space.spec(dict.fromkeys(space.distributions, "k3_e6")).parameters
    (17, 2247530)
    """

    settings_type = InstaNASSettings
    absent = NONE

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "instanas"

    @property
    def cells(self) -> int:
        """Number of cells."""
        return sum(self.settings.layers)

    @property
    def first_cells(self) -> tuple[bool, ...]:
        """Of each cell, whether it is the first one of its stage."""
        return tuple(position == 0 for layers in self.settings.layers for position in range(layers))

    def of_mask(self, mask: Mask) -> NetworkSpec:
        """The network of the modules that are on.

        Args:
            mask: (L, M).
        """
        chosen = ("+".join(itertools.compress(NAMES, cell)) or NONE for cell in mask.tolist())
        return self.spec(dict(zip(self._values, chosen, strict=True)))

    def only(self, module: int) -> NetworkSpec:
        """The network that has one module in every cell, always the same."""
        return self.spec(dict.fromkeys(self._values, NAMES[module]))

    def covering(self) -> Iterator[NetworkSpec]:
        """Networks of the space that hold, together, every distinct layer, skip, stem and head of its networks."""
        for choice in (*NAMES, "+".join(NAMES)):
            yield self.spec(dict.fromkeys(self._values, choice))

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        return {
            f"stage{stage}.cell{cell}": CHOICES
            for stage, cells in enumerate(self.settings.layers, start=1)
            for cell in range(1, cells + 1)
        }

    def _lengths(self, block: int) -> Iterable[int]:
        return range(self.settings.layers[block], 0, -1)

    def _menu(self, stage: int, position: int) -> dict[str, Layer | None]:
        """The layer that each choice gives at a place; None: no layer."""
        key = stage, min(position, 1)  # all but a stage's first cell have the same
        if key not in self._menus:
            filters = [self.settings.stem, *self.settings.filters]
            before, channels = (round_filters(filters[i] * self.settings.width) for i in (stage, stage + 1))
            in_channels, stride = (before, self.settings.strides[stage]) if position == 0 else (channels, 1)
            modules = {
                name: Layer(operation, in_channels, channels, kernel, stride, expansion, skip=skip)
                for name, (operation, kernel, expansion) in MODULES.items()
                for skip in ("none" if operation == "basic" else "identity",)
            }
            menu: dict[str, Layer | None] = {}
            for choice in CHOICES[:-1]:
                first, *beside = (modules[name] for name in choice.split("+"))
                menu[choice] = replace(first, beside=tuple(beside))
            menu[NONE] = None if position else modules[NAMES[DEFAULT]]
            self._menus[key] = menu
        return self._menus[key]
