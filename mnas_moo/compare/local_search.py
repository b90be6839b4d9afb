"""Pareto local search as an Optuna sampler: the rival that any search of networks has to beat.

Again and again a random untried neighbour of a random member of the front is tried (Paquete et al. 2004; of
architectures White et al. 2021): a genome that differs in one decision, by another category or the next smaller or
larger number. It learns nothing and needs no settings but the number of first random trials, and on small tables it is
hard to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.compare.static_sampler import StaticSampler
from mnas_moo.genomes.history import generator, key_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.front import is_feasible, minimised, pareto_mask

RANDOM_TRIALS = 10
"""First trials, which are random."""


class LocalSearchSampler(StaticSampler):
    """Tries neighbours of the front.

    >>> import optuna
    >>> study = optuna.create_study(directions=["minimize", "minimize"], sampler=LocalSearchSampler(seed=0))
    >>> study.optimize(lambda trial: ((x := trial.suggest_int("x", 0, 99)), (x - 50) ** 2), n_trials=60)
    >>> len({trial.params["x"] for trial in study.trials[10:]})
    50

    Args:
        seed: seed of the search; None: a random one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        self._random = RandomSampler(seed)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """An untried neighbour of the front; a random genome where there is none, or not yet."""
        completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        feasible = [each for each in completed if is_feasible(each) and np.isfinite(each.values).all()]
        random = {
            name: self._random.sample_independent(study, trial, name, each) for name, each in search_space.items()
        }
        if len(completed) < RANDOM_TRIALS or not feasible or not search_space:
            return random
        rng = generator(self._seed, trial.number, "neighbour")
        mask = pareto_mask(minimised(np.array([each.values for each in feasible]), study.directions))
        front = [each for each, on in zip(feasible, mask, strict=True) if on]
        tried = {self._key(each.params, search_space) for each in study.get_trials(deepcopy=False) if each.params}
        decisions = [Decision(name, distribution) for name, distribution in search_space.items()]
        for i in rng.permutation(len(front)):
            params = {decision.name: front[i].params[decision.name] for decision in decisions}
            moves = [
                (decision, place)
                for decision in decisions
                for place in decision.steps(decision.place(params[decision.name]))
            ]
            for j in rng.permutation(len(moves)):
                decision, place = moves[j]
                neighbour = {**params, decision.name: decision.at(float(place))}
                if self._key(neighbour, search_space) not in tried:
                    return neighbour
        return random

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Gives the random values of this process another seed; those of neighbours follow from the trial's number."""
        self._random.reseed_rng()

    @staticmethod
    def _key(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> str:
        return key_of({name: params[name] for name in space if name in params})
