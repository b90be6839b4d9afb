"""What may be searched: specifications, spaces, and the published networks.

``get`` imports a space only when asked for one: spaces need Optuna, the rest of this package nothing.
"""

from __future__ import annotations

import importlib
from typing import Any, cast

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.networks import NETWORKS, network
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import NetworkSpec

__all__ = ["NETWORKS", "SPACES", "NetworkSpec", "Space", "get", "network"]

_SPACES = {
    "mnasnet": ("mnas_moo.spaces.mnasnet", "MnasNetSpace"),
    "mnasnet-flat": ("mnas_moo.spaces.mnasnet_flat", "FlatMnasNetSpace"),
    "fbnet": ("mnas_moo.spaces.fbnet", "FBNetSpace"),
    "dppnet": ("mnas_moo.spaces.dppnet", "DppNetSpace"),
    "instanas": ("mnas_moo.spaces.instanas", "InstaNASSpace"),
}

SPACES = tuple(_SPACES)
"""The names that ``get`` knows."""


def get(name: str, /, **settings: Any) -> Space:
    """A space of this package by name; ``mnas_moo.spaces.plugins`` finds those of others.

    >>> from mnas_moo.spaces import get
    >>> space = get("mnasnet", resolution=32, classes=10)
    >>> list(space.distributions)[:3]
    ['block1.operation', 'block1.kernel', 'block1.se']

    Args:
        name: one of ``SPACES``.
        settings: settings of the space, as ``mnas_moo.spaces.skeleton_settings.SkeletonSettings.of`` takes them.

    Raises:
        ValueError: an unknown space or setting, or a setting out of range.
    """
    if name not in _SPACES:
        raise unknown("space", name, SPACES)
    module, space = _SPACES[name]
    return cast("Space", getattr(importlib.import_module(module), space)(**settings))
