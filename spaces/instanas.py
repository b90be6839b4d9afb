"""InstaNAS' meta-graph as a space: 17 cells, each the sum of any of five modules (Cheng et al. 2020, sec. 3.1).

The skeleton is MobileNetV2's. A cell's modules are four inverted bottlenecks and a pair of 3x3 convolutions without a
residual, as in the official code (AnjieCheng/InstaNAS, search/models). A cell where none is on passes its input; the
first cell of a stage, which changes the shape, has the pair of convolutions then. A network of this space is the way
that one image may take. Left out: the 1x1 convolutions which that code registers and never uses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.spaces.choice_space import Choice
from mnas_moo.spaces.instanas_settings import InstaNASSettings
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.skeleton import SkeletonSpace, effective
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


class InstaNASSpace(SkeletonSpace[InstaNASSettings]):
    """A set of modules for each cell; cells that pass their input stand last in a canonical genome's stages.

    >>> from mnas_moo.spaces.instanas import InstaNASSpace
    >>> space = InstaNASSpace(preset="cifar")
    >>> len(space.distributions), space.spec(dict.fromkeys(space.distributions, "k3_e6")).parameters
    (17, 2247530)
    """

    settings_type = InstaNASSettings

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "instanas"

    def _reset(self) -> None:
        super()._reset()
        self._menus: dict[tuple[int, int], dict[str, Layer | None]] = {}

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

    def _step(self, name: str) -> str:
        return name

    def _rest(self, name: str, values: Choice) -> str:
        return NONE

    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        return tuple(layer for _, layer in self._placed(genome))

    def _places(self, genome: Choice) -> tuple[str, ...]:
        return tuple(place for place, _ in self._placed(genome))

    def _placed(self, genome: Choice) -> Iterator[tuple[str, Layer]]:
        choices = iter(genome)
        for stage, cells in enumerate(self.settings.layers):
            for position in range(cells):
                layer = self._menu(stage, position)[next(choices)]
                if layer is not None:
                    yield f"stage{stage + 1}.cell{position + 1}", layer

    def _lengths(self, block: int) -> Iterable[int]:
        return range(self.settings.layers[block], 0, -1)

    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        own: list[str] = []
        for position in range(self.settings.layers[block]):
            wanted = layers[position] if position < len(layers) else None
            menu = self._menu(block, position).items()
            choice = next((choice for choice, layer in menu if (layer and effective(layer)) == wanted), None)
            if choice is None:
                return None
            own.append(choice)
        return tuple(own)

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
