"""The skeleton that MnasNet's spaces vary, and how a genome is read back from the layers of a network.

The skeleton is MobileNetV2's (Tan et al. 2019, sec. 4.1): blocks with base filters, layers and strides between a stem
and a head. Ours: widths are rounded as the official code does; stem, strides and head are settings, with presets, since
ImageNet's strides leave a 16-pixel image no pixels. The network decides what a genome means: ``canonical`` lowers a
genome to layers and reads them back, always the same way, so two genomes have one canonical genome if and only if their
networks are the same.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.networks import (
    MOBILENET_V2_FILTERS,
    MOBILENET_V2_LAYERS,
    MOBILENET_V2_STRIDES,
    round_filters,
)
from mnas_moo.spaces.operations import ACTIVATIONS
from mnas_moo.spaces.spec import Layer, NetworkSpec

if TYPE_CHECKING:
    import numpy as np

OPERATIONS = {"conv": ("conv", 1), "sepconv": ("mbconv", 1), "mbconv3": ("mbconv", 3), "mbconv6": ("mbconv", 6)}
"""The choices of an operation, as a layer's operation and expansion."""

LAYER_CHOICES: dict[str, tuple[str | float, ...]] = {
    "operation": tuple(OPERATIONS),
    "kernel": (3, 5),
    "se": (0.0, 0.25),
    "skip": ("pooling", "identity", "none"),
    "filters": (0.75, 1.0, 1.25),
}
"""What every layer chooses, in decision order; filters are a factor on the block's base filters."""

LAYERS_CHANGES = (-1, 0, 1)
"""What a block chooses besides: its number of layers minus its base number; a block has at least one layer."""

Choice = tuple[Any, ...]
"""The values of one layer's ``LAYER_CHOICES``."""

# Of several choices that give the same layer, the first in this order is the canonical one.
_PREFERRED: tuple[Choice, ...] = tuple(
    itertools.product(
        LAYER_CHOICES["operation"],
        LAYER_CHOICES["kernel"],
        LAYER_CHOICES["se"],
        ("none", "identity", "pooling"),
        (1.0, 0.75, 1.25),
    )
)


def _whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"setting {name!r} is {value!r}; it must be a whole number of at least {low}")


def _real(name: str, value: object, below: float = math.inf, zero: bool = False) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and value < below
    if not number or not ((value == 0 and zero) or cast("float", value) > 0):
        raise ValueError(
            f"setting {name!r} is {value!r}; it must be a number {'from' if zero else 'above'} 0 to below {below}"
        )


@dataclass(frozen=True)
class Settings:
    """The skeleton that a space varies; the defaults are the preset "imagenet", MobileNetV2 at width 1.

    >>> from mnas_moo.spaces.skeleton import Settings
    >>> Settings.of(resolution=32).strides, Settings.of("digits", blocks=3).layers
    ((1, 1, 2, 2, 1, 2, 1), (1, 2, 2))

    Attributes:
        resolution: height and width of an image, in pixels.
        channels: channels of an image.
        classes: number of classes.
        width: factor on stem and filters, which are then rounded to multiples of 8; not on the head.
        filters: base filters of each block, before ``width``.
        layers: base number of layers of each block.
        strides: stride of each block's first layer.
        stem: channels of the first convolution (3x3), before ``width``.
        stem_stride: stride of the first convolution.
        head: channels of the 1x1 convolution before pooling; 0: none.
        activation: "relu", or another of ``operations.ACTIVATIONS``.
        dropout: dropout rate before the classifier.
        epsilon: epsilon of every batch norm.

    Raises:
        ValueError: a value is out of range, or filters, layers and strides differ in length.
    """

    resolution: int = 224
    channels: int = 3
    classes: int = 1000
    width: float = 1.0
    filters: tuple[int, ...] = MOBILENET_V2_FILTERS
    layers: tuple[int, ...] = MOBILENET_V2_LAYERS
    strides: tuple[int, ...] = MOBILENET_V2_STRIDES
    stem: int = 32
    stem_stride: int = 2
    head: int = 1280
    activation: str = "relu"
    dropout: float = 0.2
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        for name, low in (
            ("resolution", 1), ("channels", 1), ("classes", 1), ("stem", 1), ("stem_stride", 1), ("head", 0)
        ):  # fmt: skip
            _whole(name, getattr(self, name), low)
        for name in ("filters", "layers", "strides"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise ValueError(f"setting {name!r} is {values!r}; it must be a list of one whole number a block")
            for value in values:
                _whole(name, value, 1)
        if not len(self.filters) == len(self.layers) == len(self.strides):
            raise ValueError(
                f"settings 'filters', 'layers', 'strides' have {len(self.filters)}, {len(self.layers)} and "
                f"{len(self.strides)} values; they must have one each a block: give all three alike, or only 'blocks'"
            )
        _real("width", self.width)
        _real("dropout", self.dropout, below=1, zero=True)
        _real("epsilon", self.epsilon)
        if self.activation not in ACTIVATIONS:
            raise unknown("setting 'activation':", self.activation, ACTIVATIONS)

    @classmethod
    def of(cls, preset: str | None = None, blocks: int | None = None, **changes: Any) -> Settings:
        """A preset with changes.

        Args:
            preset: one of ``PRESETS``; None: the one whose resolution is nearest (in ratio) to that in ``changes``,
                "imagenet" without one.
            blocks: number of the preset's blocks that are kept, from the first on; None: all.
            changes: attributes of ``Settings``; lists may stand for tuples.

        Raises:
            ValueError: an unknown preset or setting, or a value out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in changes:
            if name not in names:
                raise unknown("setting", name, ["preset", "blocks", *names])
        if preset is None:
            preset = nearest_preset(changes["resolution"]) if "resolution" in changes else "imagenet"
        if preset not in PRESETS:
            raise unknown("preset", preset, PRESETS)
        base = PRESETS[preset]
        if blocks is not None:
            _whole("blocks", blocks, 1)
            per_block = {name: getattr(base, name)[:blocks] for name in ("filters", "layers", "strides")}
            changes = {**per_block, **changes}
            for name in per_block:
                if isinstance(changes[name], Sequence) and len(changes[name]) != blocks:
                    raise ValueError(
                        f"setting 'blocks' is {blocks}, but {name!r} has {len(changes[name])} values; give "
                        f"'filters', 'layers' and 'strides' with {blocks} values each"
                    )
        changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return dataclasses.replace(base, **changes)


PRESETS: dict[str, Settings] = {
    "imagenet": Settings(),
    # Stem and second block at full resolution, as is common for MobileNetV2 on CIFAR: the last map is 4x4.
    "cifar": Settings(resolution=32, classes=10, stem_stride=1, strides=(1, 1, 2, 2, 1, 2, 1)),
    # A small image needs few strides: maps of 8 and 4 pixels are left of 16, and the scikit-learn digits have only 8.
    # A quarter of the width and of the head, and fewer layers, since the training time of so small a network grows
    # with their number. Ten random children had a median of 97.9 % after 8 epochs, 5.7 s on one thread; with a
    # stem of stride 1 and maps of 16, 8 and 4 it was 97.9 % in 6.8 s, with maps of 8, 4 and 2 97.1 % in 3.9 s.
    "digits": Settings(
        resolution=16,
        channels=1,
        classes=10,
        width=0.25,
        layers=(1, 2, 2, 2, 1, 1, 1),
        strides=(1, 2, 1, 1, 1, 1, 1),
        head=320,
    ),
}
"""Settings by name; "cifar" is for images of about 32 pixels, "digits" for about 16."""


def nearest_preset(resolution: int) -> str:
    """The preset whose resolution is nearest in ratio.

    >>> from mnas_moo.spaces.skeleton import nearest_preset
    >>> nearest_preset(8), nearest_preset(28), nearest_preset(192)
    ('digits', 'cifar', 'imagenet')
    """
    _whole("resolution", resolution, 1)
    return min(PRESETS, key=lambda name: abs(math.log(resolution / PRESETS[name].resolution)))


class SkeletonSpace(ABC):
    """What the factorised and the flat space share: the skeleton, and genomes read back from layers.

    Args:
        settings: the arguments of ``Settings.of``.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings.of(**settings)
        self._reset()

    def _reset(self) -> None:
        chosen = self._choices()
        self._values = {name: {value: value for value in values} for name, values in chosen.items()}
        self._distributions = {name: CategoricalDistribution(values) for name, values in chosen.items()}
        self._menus: dict[tuple[int, int, int], dict[Choice, Layer]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash((type(self), self.settings))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"

    @property
    @abstractmethod
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters in the order of decision, stem to head; all are categorical."""
        return dict(self._distributions)

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

    def random(self, rng: np.random.Generator) -> NetworkSpec:
        """The network of a genome drawn uniformly."""
        return self.spec({name: list(values)[int(rng.integers(len(values)))] for name, values in self._values.items()})

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
            for pair in itertools.product(LAYER_CHOICES["filters"], repeat=2):
                factor = {place: pair[i % 2] for i, place in enumerate(places)}
                params = {}
                for name in self._values:
                    place, _, kind = name.rpartition(".")
                    params[name] = factor[place] if kind == "filters" else common[kind]
                yield self.spec(params)

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The representative of all genomes that mean this network.

        Where several values of a parameter give the same network, it has base filters and skip "none". Where layers
        could be divided between blocks of one resolution in several ways, the first blocks have their base number of
        layers if possible (flat: as many as possible).

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        return self._read([effective(layer) for layer in self._layers(self._genome(params))])

    @abstractmethod
    def _choices(self) -> dict[str, tuple[Any, ...]]:
        """The parameters and their choices, in decision order."""

    @abstractmethod
    def _layers(self, genome: Choice) -> tuple[Layer, ...]:
        """The layers of a genome (the parameters' values in decision order), as chosen."""

    @abstractmethod
    def _lengths(self, block: int) -> Iterable[int]:
        """The numbers of layers that a block may have, the preferred one first."""

    @abstractmethod
    def _read_block(self, block: int, layers: Sequence[Layer]) -> Choice | None:
        """The preferred values of a block's parameters that give these effective layers; None: there are none."""

    def _genome(self, params: Mapping[str, Any]) -> Choice:
        if params.keys() != self._values.keys():
            for name in params:
                if name not in self._values:
                    raise unknown(f"space {self.name}: parameter", name, self._values)
            missing = [name for name in self._values if name not in params]
            raise ValueError(f"space {self.name}: parameter {missing[0]!r} is missing ({len(missing)} in all)")
        genome = []
        for name, values in self._values.items():
            try:
                genome.append(values[params[name]])
            except (KeyError, TypeError):
                raise ValueError(
                    f"space {self.name}: parameter {name!r} is {params[name]!r}; "
                    f"allowed: {', '.join(map(repr, values))}"
                ) from None
        return tuple(genome)

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
                for operation, kernel, se, skip, factor in _PREFERRED
            }
        return self._menus[key]

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


@functools.lru_cache(maxsize=100_000)
def effective(layer: Layer) -> Layer:
    """The layer with a skip that is not there spelt "none"."""
    return dataclasses.replace(layer, skip=layer.effective_skip)
