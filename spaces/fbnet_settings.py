"""The settings of the skeleton that FBNet's space varies, and presets of them.

The defaults are FBNet's macro-architecture (Wu et al. 2019, table 1, as its reimplementations and mobile_cv have it):
22 layers in 7 blocks. The presets are ours, by the names and for the sizes of those of MnasNet's space; small networks
have 4 blocks and 10 layers there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from mnas_moo.spaces.skeleton_settings import Rung, SkeletonSettings, on_rung


@dataclass(frozen=True)
class FBNetSettings(SkeletonSettings):
    """The skeleton that FBNet's space varies; the defaults are the paper's.

    >>> FBNetSettings.of("5m", resolution=32).layers, sum(FBNetSettings().layers)
    ((1, 3, 3, 3), 22)
    """

    filters: tuple[int, ...] = (16, 24, 32, 64, 112, 184, 352)
    layers: tuple[int, ...] = (1, 4, 4, 4, 4, 4, 1)
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    stem: int = 16
    head: int = 1984
    epsilon: float = 1e-5

    @classmethod
    def presets(cls) -> Mapping[str, FBNetSettings]:
        """See ``PRESETS``."""
        return PRESETS

    @classmethod
    def ladder(cls, size: str, resolution: int) -> FBNetSettings:
        """Settings of a size at a resolution, as ``skeleton_settings.ladder``."""
        base, rungs = _LADDER[size]
        return on_rung(base, rungs, resolution)


_SHORT = FBNetSettings(filters=(16, 32, 64, 96), layers=(1, 3, 3, 3), strides=(1, 2, 2, 1), head=320)
PRESETS: dict[str, FBNetSettings] = {
    "imagenet": FBNetSettings(),
    "cifar": FBNetSettings(resolution=32, classes=10, stem_stride=1, strides=(1, 1, 2, 2, 1, 2, 1)),
    # Maps of 8 and 4 pixels, fewer layers and less width, as MnasNet's preset for the same images and for its reasons.
    "digits": dataclasses.replace(
        _SHORT, resolution=16, channels=1, classes=10, width=0.75, layers=(1, 2, 2, 2), strides=(1, 2, 1, 1)
    ),
}
"""Settings by name, as ``skeleton_settings.PRESETS``."""

_LONG = FBNetSettings()
_A, _B, _C = (1, 2, 2, 1), (2, 2, 2, 1), (2, 2, 2, 2)
_D, _E, _F = (1, 1, 2, 2, 1, 2, 1), (1, 2, 2, 2, 1, 1, 1), (1, 2, 2, 2, 1, 2, 1)
# Widths were chosen for the median multiply-adds of 15 random networks, as those of MnasNet's ladder.
_LADDER: dict[str, tuple[FBNetSettings, tuple[Rung, ...]]] = {
    "2m": (_SHORT, ((0.5, 2, _A), (0.5, 2, _B), (0.2, 4, _A), (0.5, 4, _B), (0.2, 4, _B), (0.2, 4, _C))),
    "5m": (_SHORT, ((1.0, 2, _A), (0.75, 2, _B), (0.5, 4, _A), (0.75, 4, _B), (0.6, 4, _B), (0.5, 4, _C))),
    "10m": (_SHORT, ((1.4, 2, _A), (1.25, 2, _B), (1.0, 2, _C), (1.25, 4, _B), (1.0, 4, _B), (0.6, 4, _C))),
    "50m": (_LONG, ((0.75, 1, _D), (0.75, 2, _D), (0.65, 2, _E), (0.65, 2, _F), (0.5, 2, _F), (0.3, 2, _F))),
    "300m": (_LONG, ((2.25, 1, _D), (2.25, 2, _D), (2.25, 2, _E), (2.25, 2, _F), (1.75, 2, _F), (1.2, 2, _F))),
}
