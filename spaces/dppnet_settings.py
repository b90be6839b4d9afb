"""The settings of the networks that DPP-Net's space varies, and presets of them.

The networks are CondenseNet's (Huang et al. 2018, sec. 4; its code for what the paper leaves open), "fully dense" with
a growth rate that doubles from stage to stage, as DPP-Net takes them over (Dong et al. 2018): "cifar" is that of
CondenseNet-86, "imagenet" that of CondenseNet-74. The other presets are ours, by the names and for the sizes of those
of MnasNet's space.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Self

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.skeleton_settings import LADDER_RESOLUTIONS, SIZES, nearest_preset, real, whole


@dataclass(frozen=True)
class DppNetSettings:
    """The networks around the cells.

    >>> DppNetSettings.of("cifar").cells, DppNetSettings.of("imagenet", width=0.5).scaled(64)
    ((14, 14, 14), 32)

    Attributes:
        resolution: height and width of an image, in pixels.
        channels: channels of an image.
        classes: number of classes.
        width: factor on stem and growth, which are then rounded to multiples of ``groups``.
        cells: number of cells of each stage; the maps of a stage have half the height and width of those before.
        growth: channels that each cell of a stage adds, before ``width``.
        stem: channels of the first convolution (3x3), before ``width``.
        stem_stride: stride of the first convolution.
        expansion: channels of convolutions before a cell's last, over those that the cell adds.
        groups: groups of convolutions in groups, and condensation factor of learned ones.
        shortest: least number of layers (norms and convolutions) of a cell.
        longest: largest number of layers of a cell.
        features: share of the last channels that the classifier reads; below 1, training chooses which.
        dropout: dropout rate before the classifier.
        epsilon: epsilon of every batch norm.

    Raises:
        ValueError: a value is out of range, or cells and growth differ in length.
    """

    resolution: int = 224
    channels: int = 3
    classes: int = 1000
    width: float = 1.0
    cells: tuple[int, ...] = (4, 6, 8, 10, 8)
    growth: tuple[int, ...] = (8, 16, 32, 64, 128)
    stem: int = 16
    stem_stride: int = 2
    expansion: int = 4
    groups: int = 4
    shortest: int = 2
    longest: int = 4
    features: float = 0.5
    dropout: float = 0.0
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name, low in (
            ("resolution", 1), ("channels", 1), ("classes", 1), ("stem", 1), ("stem_stride", 1), ("expansion", 1),
            ("groups", 2), ("shortest", 2), ("longest", self.shortest if isinstance(self.shortest, int) else 2),
        ):  # fmt: skip
            whole(name, getattr(self, name), low)
        for name in ("cells", "growth"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise ValueError(f"setting {name!r} is {values!r}; it must be a list of one whole number a stage")
            for value in values:
                whole(name, value, 1)
        if len(self.cells) != len(self.growth):
            raise ValueError(
                f"settings 'cells' and 'growth' have {len(self.cells)} and {len(self.growth)} values; they must have "
                "one each a stage"
            )
        real("width", self.width)
        real("features", self.features, below=math.nextafter(1, 2))
        real("dropout", self.dropout, below=1, zero=True)
        real("epsilon", self.epsilon)

    def scaled(self, channels: int) -> int:
        """Channels of stem or growth times ``width``, as a multiple of ``groups``, at least that."""
        return self.groups * max(1, round(channels * self.width / self.groups))

    @classmethod
    def of(cls, preset: str | None = None, **changes: Any) -> Self:
        """A preset with changes.

        Args:
            preset: one of ``PRESETS`` or of ``skeleton_settings.SIZES``; None: the one of ``PRESETS`` whose resolution
                is nearest (in ratio) to that in ``changes``, "imagenet" without one.
            changes: attributes; lists may stand for tuples.

        Raises:
            ValueError: an unknown preset or setting, or a value out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in changes:
            if name not in names:
                raise unknown("setting", name, ["preset", *names])
        if preset is None:
            preset = nearest_preset(changes["resolution"]) if "resolution" in changes else "imagenet"
        if preset not in (*PRESETS, *SIZES):
            raise unknown("preset", preset, [*PRESETS, *SIZES])
        own = PRESETS[preset] if preset in PRESETS else ladder(preset, changes.get("resolution", LADDER_RESOLUTIONS[0]))
        return cls(**{**own, **{key: tuple(each) if isinstance(each, list) else each for key, each in changes.items()}})


PRESETS: dict[str, dict[str, Any]] = {
    "imagenet": {},
    "cifar": {
        "resolution": 32,
        "classes": 10,
        "cells": (14, 14, 14),
        "growth": (8, 16, 32),
        "stem_stride": 1,
        "features": 1.0,
    },
    "digits": {
        "resolution": 16,
        "channels": 1,
        "classes": 10,
        "cells": (1, 1, 1),
        "growth": (8, 16, 32),
        "stem_stride": 2,
        "features": 1.0,
    },
}
"""What differs from the defaults; "cifar" is for images of about 32 pixels, "digits" for about 16."""

_STEMS = (1, 2, 2, 4, 4, 4)
_SHORT = {"cells": (2, 2, 2, 2), "growth": (8, 16, 32, 64), "features": 1.0}
_LONG = {"cells": (4, 6, 8, 6), "growth": (8, 16, 32, 64), "features": 1.0}
# Widths were chosen for the median multiply-adds of 15 random networks, as those of MnasNet's ladder.
_LADDER: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "2m": (_SHORT, (0.75, 0.75, 0.5, 0.75, 0.6, 0.35)),
    "5m": (_SHORT, (1.25, 1.25, 0.75, 1.25, 1.0, 0.6)),
    "10m": (_SHORT, (1.75, 1.75, 1.25, 1.75, 1.5, 1.0)),
    "50m": (_LONG, (1.5, 1.5, 1.0, 1.5, 1.1, 0.75)),
    "300m": (_LONG, (3.5, 3.5, 2.25, 3.5, 3.0, 2.0)),
}
"""What differs from the defaults, and the width for each of ``LADDER_RESOLUTIONS``."""


def ladder(size: str, resolution: int) -> dict[str, Any]:
    """Settings of a size at a resolution: those of the nearest resolution (in ratio) that the ladder is made for."""
    whole("resolution", resolution, 1)
    base, widths = _LADDER[size]
    nearest = min(range(len(widths)), key=lambda i: abs(math.log(resolution / LADDER_RESOLUTIONS[i])))
    return {**base, "resolution": resolution, "width": widths[nearest], "stem_stride": _STEMS[nearest]}
