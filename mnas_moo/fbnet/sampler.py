"""Networks drawn from the distributions that FBNet's search has learnt, as trials of a study.

The search is made when the first trial begins, and its result is stored with the study; so a study that goes on, and
other workers, draw from the same distributions. The paper draws some networks, trains them and keeps the best (Wu et
al. 2019, sec. 3.3). Ours: the first network of each distribution is its most likely one; a network is drawn once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

    from mnas_moo.fbnet.search import Result

RESULT = "mnas_moo:fbnet"
"""System attribute of a study: what the search has found."""
SUPERNET_ACCURACY = "supernet_accuracy"
"""Trial attribute: accuracy of the network by the weights of the search's supernet."""
DRAWS = 200
"""So often a network is drawn anew that the study has tried already."""


class FBNetSampler(BaseSampler):
    """Draws networks from the distributions of a search.

    Args:
        search: makes the search, or waits for another process that makes it.
        distributions: the space's parameters.
        canonical: ``Space.canonical``; genomes of one network count as one.
        judge: accuracy of a network by the weights of the search's supernet, which is stored with its trial.
        seed: seed of the draws.
    """

    def __init__(
        self,
        search: Callable[[Study], Result],
        distributions: Mapping[str, BaseDistribution],
        canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        judge: Callable[[dict[str, Any]], float | None] | None = None,
        seed: int = 0,
    ) -> None:
        self._search = search
        self._distributions = dict(distributions)
        self._canonical = canonical
        self._judge = judge
        self._seed = seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the space."""
        return dict(self._distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A network; the distributions take turns."""
        found = self._result(study)
        tried = {self._key(other.params) for other in study.get_trials(deepcopy=False) if other.number < trial.number}
        points = found["probabilities"]
        probabilities = np.array(points[trial.number % len(points)], dtype=np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        rng = np.random.default_rng([self._seed, trial.number])
        choices: Mapping[str, Sequence[str]] = found["choices"]
        params: dict[str, Any] = {}
        for draw in range(DRAWS):
            if draw == 0 and trial.number < len(points):
                indices = probabilities.argmax(axis=1)
            else:
                sums = probabilities.cumsum(axis=1)
                indices = (sums < rng.random((len(sums), 1)) * sums[:, -1:]).sum(axis=1)
            params = {name: choices[name][int(i)] for name, i in zip(choices, indices, strict=True)}
            if self._key(params) not in tried:
                break
            # A distribution that is sure draws the same network again and again: the next draws are less sure.
            probabilities = 0.9 * probabilities + 0.1 * probabilities.mean(axis=1, keepdims=True)
        return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuses a parameter of another space."""
        raise ValueError(f"FBNet searches {len(self._distributions)} layers; {param_name!r} is none of them")

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Stores with a completed trial what the supernet says of its network."""
        del values
        if state == TrialState.COMPLETE and self._judge is not None and trial.params:
            accuracy = self._judge(dict(trial.params))
            if accuracy is not None:
                study._storage.set_trial_user_attr(trial._trial_id, SUPERNET_ACCURACY, accuracy)

    def reseed_rng(self) -> None:
        """Nothing: a trial's randomness is keyed by (seed, trial number)."""

    def _key(self, params: Mapping[str, Any]) -> str:
        if params.keys() != self._distributions.keys():
            return ""
        return json.dumps(dict(self._canonical(params)), sort_keys=True)

    def _result(self, study: Study) -> Mapping[str, Any]:
        held = result_of(study)
        if held is None:
            held = dataclasses.asdict(self._search(study))
            study._storage.set_study_system_attr(study._study_id, RESULT, held)
        return held


def result_of(study: Study) -> Mapping[str, Any] | None:
    """What the search of a study has found; None: nothing yet."""
    held = study._storage.get_study_system_attrs(study._study_id).get(RESULT)
    return held if isinstance(held, Mapping) and "probabilities" in held else None
