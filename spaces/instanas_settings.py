"""The settings of InstaNAS' meta-graph, and presets of them.

The defaults are the official ones for ImageNet, and "cifar" those for 32 pixels (AnjieCheng/InstaNAS, search/models/
instanas.py; for Tiny ImageNet they are the defaults with resolution 64 and stem_stride 1). The other presets are ours,
by the names and for the sizes of those of MnasNet's space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from mnas_moo.spaces.skeleton_settings import Rung, SkeletonSettings, on_rung


@dataclass(frozen=True)
class InstaNASSettings(SkeletonSettings):
    """The skeleton of the meta-graph; the defaults are those for ImageNet.

    >>> InstaNASSettings.of(resolution=32).strides, sum(InstaNASSettings().layers)
    ((1, 1, 2, 2, 1, 2, 1), 17)
    """

    dropout: float = 0.0
    epsilon: float = 1e-5

    @classmethod
    def presets(cls) -> Mapping[str, InstaNASSettings]:
        """See ``PRESETS``."""
        return PRESETS

    @classmethod
    def ladder(cls, size: str, resolution: int) -> InstaNASSettings:
        """Settings of a size at a resolution, as ``skeleton_settings.ladder``."""
        base, rungs = _LADDER[size]
        return on_rung(base, rungs, resolution)


_SHORT = InstaNASSettings(filters=(16, 24, 32, 64), layers=(1, 2, 2, 2), strides=(1, 2, 2, 1), head=320)
PRESETS: dict[str, InstaNASSettings] = {
    "imagenet": InstaNASSettings(),
    "cifar": InstaNASSettings(resolution=32, classes=10, stem_stride=1, strides=(1, 1, 2, 2, 1, 2, 1)),
    # Maps of 8 and 4 pixels, and fewer and narrower cells, as MnasNet's preset for the same images.
    "digits": dataclasses.replace(
        _SHORT, resolution=16, channels=1, classes=10, width=0.5, layers=(1, 2, 2, 1), strides=(1, 2, 1, 1)
    ),
}
"""Settings by name, as ``skeleton_settings.PRESETS``."""

_LONG = InstaNASSettings()
_A, _B, _C = (1, 2, 2, 1), (2, 2, 2, 1), (2, 2, 2, 2)
_D, _E, _F = (1, 1, 2, 2, 1, 2, 1), (1, 2, 2, 2, 1, 1, 1), (1, 2, 2, 2, 1, 2, 1)
# Widths were chosen for the median multiply-adds of 9 random networks, half of all modules on; a stage has at least 8
# channels, so that large images have no network of 2 M (4 to 7 M from 160 pixels on).
_LADDER: dict[str, tuple[InstaNASSettings, tuple[Rung, ...]]] = {
    "2m": (_SHORT, ((0.1, 2, _A), (0.1, 2, _B), (0.1, 4, _B), (0.1, 4, _B), (0.1, 4, _B), (0.1, 4, _C))),
    "5m": (_SHORT, ((0.5, 2, _A), (0.25, 2, _B), (0.15, 4, _A), (0.25, 4, _B), (0.15, 4, _B), (0.1, 4, _C))),
    "10m": (_SHORT, ((0.75, 2, _A), (0.5, 2, _B), (0.25, 2, _C), (0.5, 4, _B), (0.4, 4, _B), (0.2, 4, _C))),
    "50m": (_LONG, ((0.35, 1, _D), (0.35, 2, _D), (0.3, 2, _E), (0.25, 2, _F), (0.25, 2, _F), (0.1, 2, _F))),
    "300m": (_LONG, ((1.0, 1, _D), (1.0, 2, _D), (1.0, 2, _E), (1.0, 2, _F), (0.75, 2, _F), (0.5, 2, _F))),
}
