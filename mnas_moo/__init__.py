"""MnasNet's search as a plugin of Optuna and pymoo: networks that are both accurate and fast on a given phone.

The public names are loaded when first used, so that `import mnas_moo` (and `mnas_moo.spaces`) stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnas_moo.dppnet.sampler import ProgressiveSampler as ProgressiveSampler
    from mnas_moo.objectives.front import hypervolume as hypervolume
    from mnas_moo.reward import AbsoluteReward as AbsoluteReward
    from mnas_moo.reward import MnasReward as MnasReward
    from mnas_moo.running.run import run_study as run_study
    from mnas_moo.sampler import MnasSampler as MnasSampler
    from mnas_moo.settings import SearchSettings as SearchSettings
    from mnas_moo.study_file.load import load_study_file as load_study_file

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["objectives", "pymoo", "spaces"],
    submod_attrs={
        "dppnet.sampler": ["ProgressiveSampler"],
        "objectives.front": ["hypervolume"],
        "reward": ["AbsoluteReward", "MnasReward"],
        "running.run": ["run_study"],
        "sampler": ["MnasSampler"],
        "settings": ["SearchSettings"],
        "study_file.load": ["load_study_file"],
    },
)
