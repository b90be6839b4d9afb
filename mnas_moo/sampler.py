r"""MnasSampler: MnasNet's search as an Optuna sampler, as published and as a search for the complete front.

The life of a trial
-------------------
Optuna calls five methods of the sampler for each trial. The sampler passes each call on to its state of the study, a
``StudyState``, whose methods stand in the same order (``policy/study_state.py``).

1. ``before_trial``. A study without the objectives that the reward is computed from is refused.
2. ``infer_relative_search_space``. All trials are *read* from the storage; those that are new become ``Record``s of the
   ``History``. If every completed trial had the same parameters the space is *static* and is returned, else it is
   *conditional* and nothing is returned.
3. ``sample_relative``. When enough trials have finished since the last time, the ``Learner`` makes its next version
   from them: a model and a pool of networks, or a policy. In a static space the whole genome is chosen now, and the
   trial's note, one private attribute in the storage, is *written*.
4. ``sample_independent``, once for each parameter that step 3 has not chosen: all parameters of a conditional space,
   one after the other as the trial asks, by the plan that was made for it or by the LSTM, which follows its decisions.
5. ``after_trial``. The log-probabilities of a trial that was sampled step by step, which PPO needs, are *written*.

Where the two configurations differ
-----------------------------------
==================  ==========================================  =====================================================
\                   ``MnasSampler()``                           ``MnasSampler.paper(reward=…)``
==================  ==========================================  =====================================================
searches for        the complete Pareto front                   the largest reward, as published
learns from         all trials, of any sampler                  trials with log-probabilities and a reward
learns by           fitting a model of the objectives           PPO on the rewards
                    (``surrogate/surrogate.py``)                (``policy/paper.py``, then ``ppo.py``)
the LSTM            is off; ``SearchSettings(policy=True)``     proposes every network
                    lets it imitate, practise and propose
                    (``policy/front_learner.py``)
a new version       every 10 completed trials, from 20 on       every 20 trials it can learn from
proposes            the network of a pool with the largest      a sample of the LSTM
                    expected gain (``surrogate/pool.py``)
repeated networks   none, while others remain                   possible, as published
a trial's note      the name of its network, which no other     the log-probabilities of its decisions, the version
                    trial may try, its source, the results      of the policy that sampled them
                    expected of it
==================  ==========================================  =====================================================

The whole state of the search is a function of (seed, configuration, trials in the storage), so any number of processes
can sample one study, a killed one loses nothing, and a study that is continued has the same trials as one that ran
without a pause. Read on in ``controller.py``, the policy, and ``ppo.py``, how it is updated.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.history import History, Record, ordinal_of
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.policy.front_state import FrontSettings, FrontState
from mnas_moo.policy.paper import PaperSettings, PaperState
from mnas_moo.policy.study_state import StudyState
from mnas_moo.ppo import PPOSettings
from mnas_moo.reward import Reward
from mnas_moo.settings import DEFAULTS, SearchSettings
from mnas_moo.surrogate.surrogate import Transfer
from mnas_moo.surrogate.view import Canonical, Features


class MnasSampler(BaseSampler):
    """Searches networks, or anything else with parameters, by a model of the objectives that learns from the trials.

    For studies of one or several objectives, with any of Optuna's parameter types, conditional ones and constraints.
    The first 20 trials are spread over the space; from then on each tries what is expected to gain most hypervolume,
    and nothing is tried twice while others remain. A trial whose values are noisy may tell their standard errors before
    it ends: ``trial.set_user_attr("standard_errors", [0.004, 0.0])``, 0 where one is unknown.

    >>> import optuna
    >>> def objective(trial):
    ...     width, depth = trial.suggest_int("width", 1, 8), trial.suggest_int("depth", 1, 8)
    ...     return 1 - 1 / (width * depth), float(width**2 * depth)  # stand for accuracy and latency
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0))
    >>> study.optimize(objective, n_trials=30)
    >>> len({(trial.params["width"], trial.params["depth"]) for trial in study.trials})
    30

    ``MnasSampler.paper`` is the search as it was published, for one scalar reward.

    Args:
        seed: seed of the whole search; None draws one and stores it with the study.
        canonical: maps the parameters of a genome to those of one representative of all genomes of the same network
            (``Space.canonical``), so that they count as one; None: all genomes differ. A sampler can be pickled if
            this function can.
        features: numbers that say more of a genome than its choices, by name (``Space.features``: depth,
            multiply-adds), for the model to read beside these; None: there are none.
        reference_point: worst value of interest of each objective, in the study's units; None where there is no such
            limit. Expected gains are measured from there, so trials go where all objectives may be better.
        source: another study on the same space whose trials are learnt from.
        shared: objectives that are the same in both studies, such as the accuracy when only the phone is new: position
            in this study -> position in the other.
        model_trials: largest number of trials in the model: the best and a random part of the others. The time for
            each trial grows with its square. None: that of ``settings``, 1000 by default.
        settings: all other numbers of the search, for experiments; None: ``mnas_moo.SearchSettings()``.

    Raises:
        ValueError: a value is out of its range.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        canonical: Canonical | None = None,
        features: Features | None = None,
        reference_point: Sequence[float | None] | None = None,
        source: Study | None = None,
        shared: Mapping[int, int] | None = None,
        model_trials: int | None = None,
        settings: SearchSettings | None = None,
    ) -> None:
        if seed is not None and seed < 0:
            raise ValueError(f"seed is {seed}; it must be 0 or above, or None to draw one")
        if (source is None) != (not shared):
            raise ValueError(
                "source and shared need each other: the other study, and which of its objectives are shared"
            )
        if source is not None and not set((shared or {}).values()) <= set(range(len(source.directions))):
            raise ValueError(f"shared is {shared}; the source has {len(source.directions)} objectives, from 0 on")
        search = settings or DEFAULTS
        self._seed = seed
        self._settings: FrontSettings | PaperSettings = FrontSettings(
            canonical,
            features,
            None if reference_point is None else tuple(reference_point),
            Transfer() if source is None else Transfer(_results(source), dict(shared or {})),
            search if model_trials is None else replace(search, model_trials=model_trials),
        )
        self._reset()

    @classmethod
    def paper(
        cls,
        reward: Reward | None = None,
        *,
        seed: int | None = None,
        batch: int = 20,
        learning_rate: float = 3.5e-4,
        entropy: float = 1e-5,
        baseline_decay: float = 0.95,
        hidden: int = 100,
        clip: float = 0.2,
        epochs: int = 3,
        embedding: int = 32,
    ) -> MnasSampler:
        """The search as published: an LSTM controller, PPO, one scalar reward (Tan et al. 2019, sec. 3 and 4.2).

        The controller is NASNet's (Zoph et al. 2018, appendix A.2), which MnasNet says it uses.

        >>> from mnas_moo import MnasReward
        >>> sampler = MnasSampler.paper(reward=MnasReward(target=75.0), seed=0)  # 75 ms

        Args:
            reward: makes one number of two objectives; None: the study has one objective, whose value is the reward.
            seed: seed of the whole search; None draws one and stores it with the study.
            batch: number of trials in an update. Published: 20.
            learning_rate: Adam's step size. Published: 3.5e-4.
            entropy: weight of the entropy bonus. Published: 1e-5.
            baseline_decay: weight of the past in the moving average of rewards. Published: 0.95.
            hidden: number of LSTM units. Published: 100.
            clip: half-width of the interval that PPO clips the ratio to. Never published; 0.2 is ours, the value of
                PPO's own paper.
            epochs: PPO's passes over a batch. Never published; 3 is ours.
            embedding: size of a token's embedding. Never published; 32 is ours.

        Raises:
            ValueError: a value is out of its range.
        """
        for name, value in (("batch", batch), ("hidden", hidden), ("embedding", embedding)):
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if not 0 <= baseline_decay < 1:
            raise ValueError(f"baseline_decay is {baseline_decay}; it must be in [0, 1)")
        sampler = cls(seed=seed)
        settings = PPOSettings(learning_rate, entropy, clip, epochs)
        sampler._settings = PaperSettings(reward, settings, baseline_decay, batch, hidden, embedding)
        return sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Refuses a study without the objectives that the reward is computed from, before its first trial."""
        self._state(study).before_trial(study)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the completed trials if they all had the same, else none."""
        state = self._state(study)
        state.read_trials(study)
        return dict(state.history.space) if state.history.static else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of all parameters of a static space; empty in a conditional one."""
        state = self._state(study)
        decisions = [
            state.history.decision(name, distribution)
            for name, distribution in search_space.items()
            if not distribution.single()
        ]
        with cpu_threads(1):
            state.learn_before_sampling(ordinal_of(trial))
            if decisions:
                return state.sample_at_once(study, trial, decisions)
            state.before_first_parameter(study, trial)
            return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter, given those that the trial has already."""
        state = self._state(study)
        with cpu_threads(1):
            if not trial.params:
                state.learn_before_sampling(ordinal_of(trial))
            return state.sample_parameter(trial, state.history.decision(param_name, param_distribution))

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Writes the log-probabilities of a trial that was sampled step by step."""
        self._state(study).after_trial(study, trial)

    def reseed_rng(self) -> None:
        """Nothing: a trial's randomness is keyed by (seed, trial number), so workers never share any."""

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._states: weakref.WeakKeyDictionary[BaseStorage, dict[int, StudyState]] = weakref.WeakKeyDictionary()

    def _state(self, study: Study) -> StudyState:
        with self._lock:
            states = self._states.setdefault(study._storage, {})
            if study._study_id not in states:
                settings = self._settings
                states[study._study_id] = (
                    PaperState(study, self._seed, settings)
                    if isinstance(settings, PaperSettings)
                    else FrontState(study, self._seed, settings)
                )
            return states[study._study_id]

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self._seed, "settings": self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._seed, self._settings = state["seed"], state["settings"]
        self._reset()


def _results(source: Study) -> list[Record]:
    """The completed trials of another study."""
    history = History()
    history.read(source.get_trials(deepcopy=False))
    return [record for record in history.finished if record.values is not None]
