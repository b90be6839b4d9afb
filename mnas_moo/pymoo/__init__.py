"""The sampler as an algorithm of pymoo, spaces as problems of pymoo, and pymoo's algorithms as samplers.

The public names are loaded when first used, because a comparison of samplers must not need pymoo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from mnas_moo.pymoo.algorithm import MnasAlgorithm as MnasAlgorithm
    from mnas_moo.pymoo.problems import FAILURE as FAILURE
    from mnas_moo.pymoo.problems import ParameterProblem as ParameterProblem
    from mnas_moo.pymoo.problems import SpaceProblem as SpaceProblem
    from mnas_moo.pymoo.problems import study_problem as study_problem

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "algorithm": ["MnasAlgorithm"],
        "problems": ["FAILURE", "ParameterProblem", "SpaceProblem", "study_problem"],
    },
)
