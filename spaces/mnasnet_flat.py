"""The flat form of MnasNet's space: every layer has its own choices (Tan et al. 2019, sec. 4.1).

Each of a block's N layers (its base number and one more, the most that the factorised space gives it) has its own
operation, kernel, squeeze-and-excite ratio, skip and filters; all but a block's first may be absent. It holds every
network of the factorised space, and many more: 432^15 against 432^5 in the paper's example (B = 5, N = 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mnas_moo.spaces.choice_space import Choice
from mnas_moo.spaces.skeleton import LAYER_CHOICES, MenuSpace, effective
from mnas_moo.spaces.spec import Layer

ABSENT = "absent"
"""The operation of a layer that is left out; its other parameters then have no effect."""

_ABSENT_CHOICE: Choice = (ABSENT, 3, 0.0, "none", 1.0)


class FlatMnasNetSpace(MenuSpace):
    """The flat space; absent layers stand last in a canonical genome's blocks.

    >>> from mnas_moo.spaces.mnasnet_flat import FlatMnasNetSpace
    >>> space = FlatMnasNetSpace(preset="digits")
    >>> space.distributions["block1.layer2.operation"].choices
    ('conv', 'sepconv', 'mbconv3', 'mbconv6', 'absent')
    """

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "mnasnet-flat"

    def _reset(self) -> None:
        super()._reset()
        self._places_of_layers = [(b, n) for b, base in enumerate(self.settings.layers) for n in range(base + 1)]
        self._readable: dict[tuple[int, int, int], dict[Layer, Choice]] = {}

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        choices: dict[str, tuple[Any, ...]] = {}
        for block, base in enumerate(self.settings.layers, start=1):
            for layer in range(1, base + 2):
                for name, values in self._all_choices.items():
                    extra = (ABSENT,) if name == "operation" and layer > 1 else ()
                    choices[f"block{block}.layer{layer}.{name}"] = values + extra
        return choices

    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        layers: list[Layer] = []
        channels, size = self._stem_channels, len(LAYER_CHOICES)
        for place, (block, position) in enumerate(self._places_of_layers):
            choice = genome[place * size : (place + 1) * size]
            if choice[0] != ABSENT:
                stride = self.settings.strides[block] if position == 0 else 1
                layers.append(self._menu(block, stride, channels)[choice])
                channels = layers[-1].out_channels
        return tuple(layers)

    def _places(self, genome: Choice) -> tuple[str, ...]:
        operations = genome[:: len(LAYER_CHOICES)]
        return tuple(
            f"block{block + 1}.layer{position + 1}"
            for (block, position), operation in zip(self._places_of_layers, operations, strict=True)
            if operation != ABSENT
        )

    def _lengths(self, block: int) -> Iterable[int]:
        base = self.settings.layers[block]
        return range(base + 1, 0, -1)

    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        own: list[Any] = []
        for position, layer in enumerate(layers):
            stride = self.settings.strides[block] if position == 0 else 1
            choice = self._layer_choices(block, stride, layer.in_channels).get(layer)
            if choice is None:
                return None
            own += choice
        return tuple(own) + _ABSENT_CHOICE * (self.settings.layers[block] + 1 - len(layers))

    def _rest(self, name: str, values: Choice) -> Any:
        if ABSENT in values:  # the operation of a layer that may be left out
            return ABSENT
        return super()._rest(name, values)

    def _layer_choices(self, block: int, stride: int, in_channels: int) -> dict[Layer, Choice]:
        """The preferred choice for each effective layer."""
        key = block, stride, in_channels
        if key not in self._readable:
            readable: dict[Layer, Choice] = {}
            for choice, layer in self._menu(*key).items():
                readable.setdefault(effective(layer), choice)
            self._readable[key] = readable
        return self._readable[key]
