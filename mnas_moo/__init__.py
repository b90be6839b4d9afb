"""MnasNet's search as a plugin of Optuna and pymoo: networks that are both accurate and fast on a given phone.

The public names are loaded when first used, so that `import mnas_moo` (and `mnas_moo.spaces`) stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnas_moo.objectives.front import hypervolume
    from mnas_moo.reward import AbsoluteReward, MnasReward
    from mnas_moo.running.run import run_study
    from mnas_moo.sampler import MnasSampler
    from mnas_moo.study_file.network_study import load_study_file

_HOMES = {
    "AbsoluteReward": "mnas_moo.reward",
    "MnasReward": "mnas_moo.reward",
    "MnasSampler": "mnas_moo.sampler",
    "hypervolume": "mnas_moo.objectives.front",
    "load_study_file": "mnas_moo.study_file.network_study",
    "run_study": "mnas_moo.running.run",
}

__all__ = [
    "AbsoluteReward",
    "MnasReward",
    "MnasSampler",
    "hypervolume",
    "load_study_file",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mnas_moo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
