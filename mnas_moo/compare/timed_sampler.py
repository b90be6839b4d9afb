"""A sampler that measures its own time for each trial, without the objective and the storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

SAMPLER_MS = "sampler_ms"
"""Trial attribute: milliseconds that the sampler took to propose the trial and to process its result."""

T = TypeVar("T")


class TimedSampler(BaseSampler):
    """Forwards to another sampler, and stores ``SAMPLER_MS`` with every finished trial.

    >>> import optuna
    >>> study = optuna.create_study(sampler=TimedSampler(optuna.samplers.RandomSampler(seed=0)))
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> all(trial.user_attrs[SAMPLER_MS] > 0 for trial in study.trials)
    True

    Args:
        sampler: sampler to forward to. The trials of its study must run one after the other in one thread.
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
        """Forwards to the sampler."""
        self._seconds = 0.0
        self._timed(lambda: self.sampler.before_trial(study, trial))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Forwards to the sampler."""
        return self._timed(lambda: self.sampler.infer_relative_search_space(study, trial))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Forwards to the sampler."""
        return self._timed(lambda: self.sampler.sample_relative(study, trial, search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Forwards to the sampler."""
        return self._timed(
            lambda: self.sampler.sample_independent(study, trial, param_name, param_distribution),
        )

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Forwards to the sampler; then stores the time."""
        self._timed(lambda: self.sampler.after_trial(study, trial, state, values))
        study._storage.set_trial_user_attr(trial._trial_id, SAMPLER_MS, round(1000 * self._seconds, 4))

    def reseed_rng(self) -> None:
        """Forwards to the sampler."""
        self.sampler.reseed_rng()
