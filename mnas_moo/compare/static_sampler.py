"""What the contenders share that are no part of Optuna or pymoo: a seed, and the parameters that all trials have."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class StaticSampler(BaseSampler):
    """A sampler of the parameters that every completed trial has.

    Args:
        seed: seed of the search; None: a random one.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that every completed trial has, without those of a single value."""
        space = optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))
        return {name: each for name, each in space.items() if not each.single()}
