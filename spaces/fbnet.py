"""FBNet's search space: 22 layers, each one of nine candidates (Wu et al. 2019, sec. 3.1, tables 1 and 2).

A candidate kK_eE_gG is an inverted bottleneck with kernel K, expansion E and 1x1 convolutions in G groups with a
channel shuffle between them; "skip" is no layer at all, and where it has to change the shape a 1x1 convolution with
norm and ReLU, as in mobile_cv. At expansion 1 the first 1x1 convolution is left out, again as in mobile_cv: so the
counts of mobile_cv's networks come out to the digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mnas_moo.spaces.fbnet_settings import FBNetSettings
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.skeleton import PlacedSpace
from mnas_moo.spaces.spec import Layer, NetworkSpec

SKIP = "skip"
CANDIDATES: dict[str, tuple[int, int, int]] = {
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}
"""Kernel, expansion and groups of the candidates but ``SKIP``."""
CHOICES = (*CANDIDATES, SKIP)


class FBNetSpace(PlacedSpace[FBNetSettings]):
    """One candidate a layer; skips that are no layer stand last in a canonical genome's blocks.

    >>> from mnas_moo.spaces.fbnet import FBNetSpace
    >>> space = FBNetSpace()
    >>> len(space.distributions), space.distributions["block2.layer3"].choices[-2:]
    (22, ('k5_e6', 'skip'))
    """

    settings_type = FBNetSettings
    absent = SKIP

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "fbnet"

    def covering(self) -> Iterator[NetworkSpec]:
        """Networks of the space that hold, together, every distinct layer, skip, stem and head of its networks.

        A layer depends on its place and its own choice alone, so all layers of a network choose alike.
        """
        for choice in CHOICES:
            yield self.spec(dict.fromkeys(self._values, choice))

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        return {
            f"block{block}.layer{layer}": CHOICES
            for block, layers in enumerate(self.settings.layers, start=1)
            for layer in range(1, layers + 1)
        }

    def _lengths(self, block: int) -> Iterable[int]:
        return range(self.settings.layers[block], -1, -1)

    def _menu(self, block: int, position: int) -> dict[str, Layer | None]:
        """The layer that each choice gives at a place; None: no layer."""
        key = block, min(position, 1)  # all but a block's first layer have the same
        if key not in self._menus:
            filters = [self.settings.stem, *self.settings.filters]
            before, channels = (round_filters(filters[i] * self.settings.width) for i in (block, block + 1))
            in_channels, stride = (before, self.settings.strides[block]) if position == 0 else (channels, 1)
            shortcut = None
            if stride != 1 or in_channels != channels:
                shortcut = Layer("conv", in_channels, channels, 1, stride, skip="none")
            self._menus[key] = {SKIP: shortcut} | {
                choice: Layer("mbconv", in_channels, channels, kernel, stride, expansion, groups=groups)
                for choice, (kernel, expansion, groups) in CANDIDATES.items()
            }
        return self._menus[key]
