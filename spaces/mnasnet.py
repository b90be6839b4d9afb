"""MnasNet's factorised hierarchical search space (Tan et al. 2019, sec. 4.1, fig. 4).

Each block of the MobileNetV2 skeleton (``skeleton``) chooses its operation, kernel, squeeze-and-excite ratio, skip,
filters and number of layers; all its layers are alike, but the first alone has the stride and takes other channels. The
paper names three operations, but its 432 choices a block need four: the SepConv, MBConv3 and MBConv6 of its networks
and the regular convolution. The published networks are not all members: A1's 112 and B1's 192 filters are on no grid.
Ours: a block keeps at least one layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mnas_moo.spaces.choice_space import Choice
from mnas_moo.spaces.skeleton import LAYER_CHOICES, LAYERS_CHANGES, MenuSpace, effective
from mnas_moo.spaces.spec import Layer


class MnasNetSpace(MenuSpace):
    """The factorised space: one operation, kernel, SE ratio, skip and width a block, and its number of layers.

    >>> from mnas_moo.spaces.mnasnet import MnasNetSpace
    >>> space = MnasNetSpace(preset="digits")
    >>> list(space.distributions)[:6]  # doctest: +NORMALIZE_WHITESPACE
    ['block1.operation', 'block1.kernel', 'block1.se', 'block1.skip', 'block1.filters', 'block1.layers']
    """

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "mnasnet"

    def _reset(self) -> None:
        super()._reset()
        self._pairs: dict[tuple[int, int], dict[tuple[Layer, Layer | None], Choice]] = {}
        self._expanded: dict[tuple[int, int, Choice], tuple[Layer, ...]] = {}

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        per_block = {**self._all_choices, "layers": LAYERS_CHANGES}
        return {
            f"block{block + 1}.{name}": values
            for block in range(len(self.settings.filters))
            for name, values in per_block.items()
        }

    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        layers: list[Layer] = []
        channels, size = self._stem_channels, len(LAYER_CHOICES) + 1
        for block in range(len(self.settings.filters)):
            layers += self._block(block, channels, genome[block * size : (block + 1) * size])
            channels = layers[-1].out_channels
        return tuple(layers)

    def _places(self, genome: Choice) -> tuple[str, ...]:
        changes = genome[len(LAYER_CHOICES) :: len(LAYER_CHOICES) + 1]
        return tuple(
            f"block{block}.layer{layer}"
            for block, (base, change) in enumerate(zip(self.settings.layers, changes, strict=True), start=1)
            for layer in range(1, max(1, base + change) + 1)
        )

    def _block(self, block: int, in_channels: int, own: Choice) -> tuple[Layer, ...]:
        key = block, in_channels, own
        if key not in self._expanded:
            first = self._menu(block, self.settings.strides[block], in_channels)[own[:-1]]
            later = self._menu(block, 1, first.out_channels)[own[:-1]]
            length = max(1, self.settings.layers[block] + own[-1])
            self._expanded[key] = first, *[later] * (length - 1)
        return self._expanded[key]

    def _lengths(self, block: int) -> Iterable[int]:
        base = self.settings.layers[block]
        return (base, base - 1, base + 1) if base > 1 else (base, base + 1)

    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        first, later = layers[0], layers[1] if len(layers) > 1 else None
        if any(layer != later for layer in layers[2:]):
            return None
        choice = self._block_choices(block, first.in_channels).get((first, later))
        return None if choice is None else (*choice, len(layers) - self.settings.layers[block])

    def _block_choices(self, block: int, in_channels: int) -> dict[tuple[Layer, Layer | None], Choice]:
        """The preferred choice for each pair of effective layers, the first and those after it (None: none)."""
        key = block, in_channels
        if key not in self._pairs:
            pairs: dict[tuple[Layer, Layer | None], Choice] = {}
            for choice, layer in self._menu(block, self.settings.strides[block], in_channels).items():
                first = effective(layer)
                later = effective(self._menu(block, 1, layer.out_channels)[choice])
                pairs.setdefault((first, later), choice)
                pairs.setdefault((first, None), choice)
            self._pairs[key] = pairs
        return self._pairs[key]
