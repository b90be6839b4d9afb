"""ProgressiveSampler: networks that grow step by step, as an Optuna sampler (DPP-Net, Dong et al. 2018, sec. 3.2).

Train K networks of length l; let each grow by one more operation in all ways; predict all of these mutants; keep K on
the Pareto front of predicted error and device objectives; train these; go on with l + 1. There is no official code:
what the paper leaves open is ours and named so where it is chosen (``rounds``, ``predictor``, ``selection``,
``settings``). Ours as well: the search goes on at full length, it needs no barrier between rounds, and its whole state
is a function of (seed, configuration, trials in the storage), so any number of processes can sample one study, a
killed one loses nothing, and a study that is continued has the same trials as one that ran without a pause.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnas_moo.dppnet.rounds import Computed
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.dppnet.state import GrowthOf, ProgressiveState
from mnas_moo.genomes.history import generator, ordinal_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.spaces.growth import Growth
from mnas_moo.surrogate.view import Canonical, Features


class ProgressiveSampler(BaseSampler):
    """Lets networks grow step by step, and keeps those of the predicted Pareto front.

    For studies of one or several objectives, with or without constraints, on a space with an order of growth.

    >>> import optuna
    >>> from mnas_moo.spaces.growth import Growth
    >>> def objective(trial):
    ...     layers = [trial.suggest_int(f"layer{i}", 0, 3) for i in range(4)]  # 0 is no layer
    ...     return 1 - 1 / (1 + sum(layers)), float(sum(width**2 for width in layers))
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> sampler = ProgressiveSampler(Growth.by_parameter, k=5, seed=0)
    >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    >>> study.optimize(objective, n_trials=30)
    >>> len({tuple(trial.params.values()) for trial in study.trials})
    30

    Args:
        growth: order of growth: ``get(name).growth`` of a space of this package; a ``Growth`` of your own; or a
            function that makes one of the parameters of the first completed trial, such as ``Growth.by_parameter``.
        seed: seed of the whole search; None draws one and stores it with the study.
        k: networks that are trained at each step, unless ``settings`` has it; None: 12. Published: 128.
        canonical: see ``MnasSampler``.
        features: see ``MnasSampler``; the predictor reads them.
        computed: objectives that need no measurement, of a network's parameters: position in the study -> value in its
            units, the same positions for all networks. They are computed of every mutant, all others predicted.
        settings: all other numbers of the search; None: ``ProgressiveSettings()``.

    Raises:
        ValueError: a value is out of its range, or there is no order of growth.
    """

    def __init__(
        self,
        growth: Growth | GrowthOf | None,
        *,
        seed: int | None = None,
        k: int | None = None,
        canonical: Canonical | None = None,
        features: Features | None = None,
        computed: Computed | None = None,
        settings: ProgressiveSettings | None = None,
    ) -> None:
        if growth is None:
            raise ValueError(NO_GROWTH)
        if seed is not None and seed < 0:
            raise ValueError(f"seed is {seed}; it must be 0 or above, or None to draw one")
        if k is not None and settings is not None:
            raise ValueError("k and settings are both given; settings has k too")
        own = settings or (ProgressiveSettings() if k is None else ProgressiveSettings(k=k))
        self._seed = seed
        self._parts = growth, own, canonical, features, computed
        self._reset()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters that a network may have; none as long as they are not known."""
        return self._state(study).space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of a network that is to be trained, as far as the search space has them."""
        with cpu_threads(1):
            found = self._state(study).propose(study, trial) if search_space else {}
        return {name: value for name, value in found.items() if name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value: of a parameter that is not known yet, or that the proposed network does not have.

        Raises:
            ValueError: the order of growth was given, and has no such parameter.
        """
        state = self._state(study)
        state.place_of(param_name)
        rng = generator(state.seed, ordinal_of(trial), f"independent {param_name}")
        decision = Decision(param_name, param_distribution)
        return decision.value(int(rng.integers(decision.size)), rng.random())

    def reseed_rng(self) -> None:
        """Nothing: a trial's randomness is keyed by (seed, trial number), so workers never share any."""

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._states: weakref.WeakKeyDictionary[BaseStorage, dict[int, ProgressiveState]] = weakref.WeakKeyDictionary()

    def _state(self, study: Study) -> ProgressiveState:
        with self._lock:
            states = self._states.setdefault(study._storage, {})
            if study._study_id not in states:
                states[study._study_id] = ProgressiveState(study, self._seed, *self._parts)
            return states[study._study_id]

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self._seed, "parts": self._parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._seed, self._parts = state["seed"], state["parts"]
        self._reset()


NO_GROWTH = "there is no order of growth: say which parameters each step decides (mnas_moo.spaces.growth.Growth)"
"""Why a space cannot be searched so."""
