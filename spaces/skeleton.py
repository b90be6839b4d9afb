"""The skeleton that MnasNet's and FBNet's spaces vary, and how a genome is read back from the layers of a network.

The skeleton is MobileNetV2's (Tan et al. 2019, sec. 4.1): blocks with base filters, layers and strides between a stem
and a head; FBNet's has the same form (Wu et al. 2019, table 1). Ours: widths are rounded as the official code does;
stem, strides and head are settings (``skeleton_settings``). The network decides what a genome means: ``canonical``
lowers a genome to layers and reads them back, always the same way, so two genomes have one canonical genome if and only
if their networks are the same.
"""

from __future__ import annotations

import functools
import itertools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from mnas_moo.spaces.choice_space import Choice, ChoiceSpace
from mnas_moo.spaces.growth import Growth
from mnas_moo.spaces.networks import round_filters
from mnas_moo.spaces.skeleton_settings import FILTER_FACTORS, Settings, SkeletonSettings
from mnas_moo.spaces.spec import Layer, NetworkSpec

OPERATIONS = {"conv": ("conv", 1), "sepconv": ("mbconv", 1), "mbconv3": ("mbconv", 3), "mbconv6": ("mbconv", 6)}
"""The choices of an operation, as a layer's operation and expansion."""

LAYER_CHOICES: dict[str, tuple[str | float, ...]] = {
    "operation": tuple(OPERATIONS),
    "kernel": (3, 5),
    "se": (0.0, 0.25),
    "skip": ("pooling", "identity", "none"),
    "filters": FILTER_FACTORS,
}
"""What every layer chooses, in decision order; filters are a factor on the block's base filters, and a setting."""

SMALLEST = {"operation": "sepconv", "skip": "identity"}
"""The choices of the smallest layer that are words; its numbers are the least ones."""

LAYERS_CHANGES = (-1, 0, 1)
"""What a block chooses besides: its number of layers minus its base number; a block has at least one layer."""

_Settings = TypeVar("_Settings", bound=SkeletonSettings)


class SkeletonSpace(ChoiceSpace[_Settings]):
    """What all spaces of a skeleton share: genomes read back from layers.

    Args:
        settings: the arguments of ``settings_type.of``.
    """

    def spec(self, params: Mapping[str, Any]) -> NetworkSpec:
        """The network of a genome.

        Raises:
            ValueError: a parameter is missing, unknown, or not one of its choices; the message names it.
        """
        return self._network(self._layers(self._genome(params)))

    def params(self, spec: NetworkSpec) -> dict[str, Any]:
        """The canonical genome of a network.

        Raises:
            ValueError: the network is no member of the space.
        """
        ours, theirs = self._network(()), spec.canonical()
        for part in ("input_shape", "stem", "head", "classes", "dropout", "activation", "epsilon"):
            if getattr(ours, part) != getattr(theirs, part):
                raise ValueError(
                    f"the network is no member of space {self.name}: its {part} is {getattr(theirs, part)}, "
                    f"the space's {getattr(ours, part)}"
                )
        return self._read(theirs.layers)

    def places(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Where in the skeleton each layer of ``spec(params)`` stands: "block2.layer3".

        Places are those of the genome as given: where it leaves a layer out, its place is missing.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        return self._places(self._genome(params))

    @abstractmethod
    def covering(self) -> Iterator[NetworkSpec]:
        """Networks of the space that hold, together, every distinct layer, skip, stem and head of its networks."""

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The representative of all genomes that mean this network.

        Where several values of a parameter give the same network, it has base filters and skip "none". Layers that are
        left out stand last in their block. Where layers could be divided between blocks of one resolution in several
        ways, the first blocks have their base number of layers if possible (where each layer has parameters of its own:
        as many as possible).

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        return self._read([effective(layer) for layer in self._layers(self._genome(params))])

    @property
    def growth(self) -> Growth:
        """The order of growth: a block or a layer a step, stem to head, and the rest as small as the space has it."""
        steps: dict[str, list[str]] = {}
        for name in self._distributions:
            steps.setdefault(self._step(name), []).append(name)
        rest = {name: self._rest(name, tuple(values)) for name, values in self._values.items()}
        return Growth.of(self._distributions, list(steps.values()), rest)

    @abstractmethod
    def _step(self, name: str) -> str:
        """The step of growth that decides a parameter, by its name."""

    @abstractmethod
    def _rest(self, name: str, values: Choice) -> Any:
        """The value of a parameter before its step, of all its values."""

    @abstractmethod
    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        """The layers of a genome (the parameters' values in decision order), as chosen."""

    @abstractmethod
    def _places(self, genome: Choice) -> tuple[str, ...]:
        """The places of the layers of a genome."""

    @abstractmethod
    def _lengths(self, block: int) -> Iterable[int]:
        """The numbers of layers that a block may have, the preferred one first."""

    @abstractmethod
    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        """The preferred values of a block's parameters that give these effective layers; None: there are none."""

    def _network(self, layers: Iterable[Layer]) -> NetworkSpec:
        s = self.settings
        stem = Layer("conv", s.channels, self._stem_channels, 3, s.stem_stride, skip="none")
        return NetworkSpec(
            input_shape=(s.channels, s.resolution, s.resolution),
            stem=stem,
            layers=tuple(layers),
            head=s.head,
            classes=s.classes,
            dropout=float(s.dropout),
            activation=s.activation,
            epsilon=float(s.epsilon),
        )

    @functools.cached_property
    def _stem_channels(self) -> int:
        return round_filters(self.settings.stem * self.settings.width)

    def _read(self, layers: Sequence[Layer]) -> dict[str, Any]:
        """The genome of effective layers, searched depth first: several divisions into blocks are possible."""
        n_blocks = len(self.settings.filters)
        dead: set[tuple[int, int]] = set()

        def read(block: int, start: int) -> Choice | None:
            if block == n_blocks:
                return () if start == len(layers) else None
            if (block, start) in dead:
                return None
            for length in self._lengths(block):
                own = self._read_block(block, layers[start : start + length]) if start + length <= len(layers) else None
                rest = None if own is None else read(block + 1, start + length)
                if own is not None and rest is not None:
                    return own + rest
            dead.add((block, start))
            return None

        genome = read(0, 0)
        if genome is None:
            block, start = max(dead, key=lambda place: (place[1], place[0]))
            raise ValueError(
                f"the network is no member of space {self.name}: its {len(layers)} layers cannot be shared out among "
                f"{n_blocks} blocks; block {block + 1}, from layer {start + 1} on, fits no choice"
            )
        return dict(zip(self._values, genome, strict=True))


class MenuSpace(SkeletonSpace[Settings]):
    """What MnasNet's factorised and flat space share: a menu of ``LAYER_CHOICES`` for every layer."""

    settings_type = Settings

    def _reset(self) -> None:
        super()._reset()
        self._menus: dict[tuple[int, int, int], dict[Choice, Layer]] = {}
        # Of several choices that give the same layer, the first in this order is the canonical one.
        self._preferred: tuple[Choice, ...] = tuple(
            itertools.product(
                LAYER_CHOICES["operation"],
                LAYER_CHOICES["kernel"],
                LAYER_CHOICES["se"],
                ("none", "identity", "pooling"),
                sorted(self.settings.filter_factors, key=lambda factor: (abs(factor - 1), factor)),
            )
        )

    @property
    def _all_choices(self) -> dict[str, tuple[str | float, ...]]:
        """What every layer chooses, in decision order."""
        return {**LAYER_CHOICES, "filters": self.settings.filter_factors}

    def covering(self) -> Iterator[NetworkSpec]:
        """Networks of the space that hold, together, every distinct layer, skip, stem and head of its networks.

        A layer depends on its place, its choices and the filters of the layer before it. So in each network all layers
        choose alike, except for the filters, which alternate between two factors; all pairs of factors occur.
        """
        places = list(dict.fromkeys(name.rpartition(".")[0] for name in self._values))
        kinds = [kind for kind in LAYER_CHOICES if kind != "filters"]
        for values in itertools.product(*(LAYER_CHOICES[kind] for kind in kinds)):
            # the largest number of layers in each block of the factorised space, so that later layers occur
            common = {**dict(zip(kinds, values, strict=True)), "layers": LAYERS_CHANGES[-1]}
            for pair in itertools.product(self.settings.filter_factors, repeat=2):
                factor = {place: pair[i % 2] for i, place in enumerate(places)}
                params = {}
                for name in self._values:
                    place, _, kind = name.rpartition(".")
                    params[name] = factor[place] if kind == "filters" else common[kind]
                yield self.spec(params)

    def _step(self, name: str) -> str:
        return name.rpartition(".")[0]

    def _rest(self, name: str, values: Choice) -> Any:
        return SMALLEST.get(name.rpartition(".")[2], min(values))

    def _menu(self, block: int, stride: int, in_channels: int) -> dict[Choice, Layer]:
        """All choices of one layer and the layers they give, the preferred ones first."""
        key = block, stride, in_channels
        if key not in self._menus:
            base = self.settings.filters[block] * self.settings.width
            self._menus[key] = {
                (operation, kernel, se, skip, factor): Layer(
                    operation=OPERATIONS[operation][0],
                    in_channels=in_channels,
                    out_channels=round_filters(base * factor),
                    kernel=kernel,
                    stride=stride,
                    expansion=OPERATIONS[operation][1],
                    se_ratio=se,
                    skip=skip,
                )
                for operation, kernel, se, skip, factor in self._preferred
            }
        return self._menus[key]


class PlacedSpace(SkeletonSpace[_Settings]):
    """What FBNet's space and InstaNAS' share: one choice for every place of a layer, of which one may give none."""

    absent: str
    """The choice of a place without a layer of its own, as far as the shapes allow that."""

    def _reset(self) -> None:
        super()._reset()
        self._menus: dict[tuple[int, int], dict[str, Layer | None]] = {}

    @abstractmethod
    def _menu(self, block: int, position: int) -> dict[str, Layer | None]:
        """The layer that each choice gives at a place; None: no layer."""

    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        return tuple(layer for _, layer in self._placed(genome))

    def _places(self, genome: Choice) -> tuple[str, ...]:
        return tuple(place for place, _ in self._placed(genome))

    def _placed(self, genome: Choice) -> Iterator[tuple[str, Layer]]:
        choices = zip(self._values, genome, strict=True)
        for block, layers in enumerate(self.settings.layers):
            for position in range(layers):
                place, choice = next(choices)
                layer = self._menu(block, position)[choice]
                if layer is not None:
                    yield place, layer

    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        own: list[str] = []
        for position in range(self.settings.layers[block]):
            wanted = layers[position] if position < len(layers) else None
            menu = self._menu(block, position).items()
            choice = next((choice for choice, layer in menu if (layer and effective(layer)) == wanted), None)
            if choice is None:  # a layer that has to change the shape is no absent layer either
                return None
            own.append(choice)
        return tuple(own)

    def _step(self, name: str) -> str:
        return name

    def _rest(self, name: str, values: Choice) -> str:
        return self.absent


@functools.lru_cache(maxsize=100_000)
def effective(layer: Layer) -> Layer:
    """The layer with a skip that is not there spelt "none"."""
    return layer.canonical()
