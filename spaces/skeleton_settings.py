"""The settings of the skeleton that MnasNet's spaces vary, and presets of them.

The defaults are MobileNetV2's blocks (Sandler et al. 2018, table 2), which MnasNet's space starts from (Tan et al.
2019, sec. 4.1). The presets are ours, since ImageNet's strides leave a 16-pixel image no pixels. Some are a ladder of
sizes for any resolution, by about the median of the multiply-adds of their networks: "2m", "5m", "10m", "50m", "300m".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.networks import MOBILENET_V2_FILTERS, MOBILENET_V2_LAYERS, MOBILENET_V2_STRIDES
from mnas_moo.spaces.operations import ACTIVATIONS

FILTER_FACTORS = (0.75, 1.0, 1.25)
"""The factors on the filters of a block that the paper's space chooses from (Tan et al. 2019, sec. 3.2)."""


def whole(name: str, value: object, low: int) -> None:
    """Refuses a setting that is no whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"setting {name!r} is {value!r}; it must be a whole number of at least {low}")


def real(name: str, value: object, below: float = math.inf, zero: bool = False) -> None:
    """Refuses a setting that is no number above 0 (or 0, with ``zero``) and below ``below``."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and value < below
    if not number or not ((value == 0 and zero) or cast("float", value) > 0):
        raise ValueError(
            f"setting {name!r} is {value!r}; it must be a number {'from' if zero else 'above'} 0 to below {below}"
        )


@dataclass(frozen=True)
class SkeletonSettings:
    """The skeleton that a space varies.

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
            whole(name, getattr(self, name), low)
        for name in ("filters", "layers", "strides"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise ValueError(f"setting {name!r} is {values!r}; it must be a list of one whole number a block")
            for value in values:
                whole(name, value, 1)
        if not len(self.filters) == len(self.layers) == len(self.strides):
            raise ValueError(
                f"settings 'filters', 'layers', 'strides' have {len(self.filters)}, {len(self.layers)} and "
                f"{len(self.strides)} values; they must have one each a block: give all three alike, or only 'blocks'"
            )
        real("width", self.width)
        real("dropout", self.dropout, below=1, zero=True)
        real("epsilon", self.epsilon)
        if self.activation not in ACTIVATIONS:
            raise unknown("setting 'activation':", self.activation, ACTIVATIONS)

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """Settings by name; the names are those of ``PRESETS``."""
        raise NotImplementedError

    @classmethod
    def ladder(cls, size: str, resolution: int) -> Self:
        """Settings of a size of ``SIZES`` at a resolution."""
        raise NotImplementedError

    @classmethod
    def of(cls, preset: str | None = None, blocks: int | None = None, **changes: Any) -> Self:
        """A preset with changes.

        Args:
            preset: one of ``PRESETS`` or ``SIZES``; None: the one of ``PRESETS`` whose resolution is nearest (in ratio)
                to that in ``changes``, "imagenet" without one.
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
        if preset in SIZES:
            base = cls.ladder(preset, changes.get("resolution", LADDER_RESOLUTIONS[0]))
        elif preset in PRESETS:
            base = cls.presets()[preset]
        else:
            raise unknown("preset", preset, [*PRESETS, *SIZES])
        if blocks is not None:
            whole("blocks", blocks, 1)
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


@dataclass(frozen=True)
class Settings(SkeletonSettings):
    """The skeleton of MnasNet's spaces; the defaults are the preset "imagenet", MobileNetV2 at width 1.

    >>> from mnas_moo.spaces.skeleton_settings import Settings
    >>> Settings.of(resolution=32).strides, Settings.of("digits", blocks=3).layers
    ((1, 1, 2, 2, 1, 2, 1), (1, 2, 2))

    Attributes:
        filter_factors: factors on a block's filters to choose from; the published three, or others for a wider range of
            sizes.

    Raises:
        ValueError: a value is out of range, or filters, layers and strides differ in length.
    """

    filter_factors: tuple[float, ...] = FILTER_FACTORS

    def __post_init__(self) -> None:
        super().__post_init__()
        factors = self.filter_factors
        if not isinstance(factors, tuple) or not factors or len(set(factors)) < len(factors):
            raise ValueError(f"setting 'filter_factors' is {factors!r}; it must be a list of different numbers above 0")
        for factor in factors:
            real("filter_factors", factor)

    @classmethod
    def presets(cls) -> Mapping[str, Settings]:
        """See ``PRESETS``."""
        return PRESETS

    @classmethod
    def ladder(cls, size: str, resolution: int) -> Settings:
        """See ``ladder``."""
        return ladder(size, resolution)


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

    >>> from mnas_moo.spaces.skeleton_settings import nearest_preset
    >>> nearest_preset(8), nearest_preset(28), nearest_preset(192)
    ('digits', 'cifar', 'imagenet')
    """
    whole("resolution", resolution, 1)
    return min(PRESETS, key=lambda name: abs(math.log(resolution / PRESETS[name].resolution)))


SIZES = ("2m", "5m", "10m", "50m", "300m")
"""The ladder of presets, by about the millions of multiply-adds of their networks."""
DEFAULT_SIZE = "5m"
"""The size that a CPU trains quickly: as fast as "2m", since both wait for memory, and more accurate."""
LADDER_RESOLUTIONS = (32, 64, 96, 128, 160, 224)
"""Resolutions that the ladder is made for, in pixels."""

# Four blocks, wide ones: on five classes of 60 photographs, networks of 5 M multiply-adds in four blocks were right in
# 52 % after 300 steps (12 s), and those of 2 M that "cifar" at a quarter of its width gives, with 7 blocks, in 34 %.
# The factors are wider than the paper's, which leave little between the smallest and the largest of so few layers.
_SHORT = Settings(
    filters=(16, 32, 64, 96),
    layers=(1, 2, 2, 2),
    strides=(1, 2, 2, 1),
    filter_factors=(0.5, 1.0, 2.0),
    stem=16,
    head=320,
)
_LONG = Settings()
_A, _B, _C = (1, 2, 2, 1), (2, 2, 2, 1), (2, 2, 2, 2)
_D, _E, _F = (1, 1, 2, 2, 1, 2, 1), (1, 2, 2, 2, 1, 1, 1), MOBILENET_V2_STRIDES
# Widths were chosen from .25, .35, .5, … for the median of 15 random networks; strides leave maps of 3 to 7 pixels.
_LADDER: dict[str, tuple[Settings, tuple[tuple[float, int, tuple[int, ...]], ...]]] = {
    "2m": (_SHORT, ((0.4, 2, _A), (0.35, 2, _B), (0.25, 4, _A), (0.35, 4, _B), (0.25, 4, _B), (0.25, 4, _C))),
    "5m": (_SHORT, ((0.75, 2, _A), (0.6, 2, _B), (0.5, 4, _A), (0.6, 4, _B), (0.5, 4, _B), (0.35, 4, _C))),
    "10m": (_SHORT, ((1.1, 2, _A), (1.1, 2, _B), (0.6, 2, _C), (1.1, 4, _B), (0.75, 4, _B), (0.6, 4, _C))),
    "50m": (_LONG, ((0.75, 1, _D), (0.75, 2, _D), (0.65, 2, _E), (0.65, 2, _F), (0.5, 2, _F), (0.25, 2, _F))),
    "300m": (_LONG, ((2.0, 1, _D), (2.0, 2, _D), (2.0, 2, _E), (1.75, 2, _F), (1.4, 2, _F), (1.0, 2, _F))),
}


Rung = tuple[float, int, tuple[int, ...]]
"""Width, stride of the stem and strides of the blocks, for one of ``LADDER_RESOLUTIONS``."""
_Rung = TypeVar("_Rung", bound=SkeletonSettings)


def on_rung(base: _Rung, rungs: Sequence[Rung], resolution: int) -> _Rung:
    """Settings at a resolution: those of the nearest resolution (in ratio) that there is a rung for.

    Args:
        base: the settings that a rung changes.
        rungs: one for each of ``LADDER_RESOLUTIONS``.
        resolution: height and width of an image, in pixels.
    """
    whole("resolution", resolution, 1)
    nearest = min(range(len(rungs)), key=lambda i: abs(math.log(resolution / LADDER_RESOLUTIONS[i])))
    width, stem_stride, strides = rungs[nearest]
    return dataclasses.replace(base, resolution=resolution, width=width, stem_stride=stem_stride, strides=strides)


def ladder(size: str, resolution: int) -> Settings:
    """Settings of a size at a resolution: those of the nearest resolution (in ratio) that the ladder is made for.

    >>> from mnas_moo.spaces.skeleton_settings import ladder
    >>> ladder("5m", 32).width, ladder("300m", 224) == Settings()
    (0.75, True)

    Args:
        size: one of ``SIZES``.
        resolution: height and width of an image, in pixels.
    """
    base, rungs = _LADDER[size]
    return on_rung(base, rungs, resolution)


def suitable_resolution(resolution: int, most: int) -> int:
    """The largest resolution of the ladder that images of this one fill (up to a tenth), and not above ``most``.

    >>> suitable_resolution(32, 64), suitable_resolution(90, 224), suitable_resolution(500, 96)
    (32, 96, 96)
    """
    fitting = [each for each in LADDER_RESOLUTIONS if each <= min(1.1 * resolution, most)]
    return max(fitting, default=LADDER_RESOLUTIONS[0])
