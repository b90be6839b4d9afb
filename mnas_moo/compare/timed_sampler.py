"""A sampler that notes how long each trial took it, the objective and the storage left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

SAMPLER_MS = "sampler_ms"
"""Trial attribute: milliseconds that the sampler took to propose the trial and to be told of it."""

T = TypeVar("T")


class TimedSampler(BaseSampler):
    """Does as another sampler does, and stores ``SAMPLER_MS`` with every trial it is told of.

    Args:
        sampler: the other one; of a study whose trials one thread runs one after the other.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self.sampler = sampler
        self._seconds = 0.0

    def _timed(self, call: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return call()
        finally:
            self._seconds += time.perf_counter() - start

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the sampler."""
        self._seconds = 0.0
        self._timed(lambda: self.sampler.before_trial(study, trial))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler."""
        return self._timed(lambda: self.sampler.infer_relative_search_space(study, trial))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler."""
        return self._timed(lambda: self.sampler.sample_relative(study, trial, search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler."""
        return self._timed(
            lambda: self.sampler.sample_independent(study, trial, param_name, param_distribution),
        )

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the sampler; then stores the time."""
        self._timed(lambda: self.sampler.after_trial(study, trial, state, values))
        study._storage.set_trial_user_attr(trial._trial_id, SAMPLER_MS, round(1000 * self._seconds, 4))

    def reseed_rng(self) -> None:
        """As the sampler."""
        self.sampler.reseed_rng()
