"""What the sampler keeps of one study: the hooks of both configurations, in the order in which a trial meets them.

Between the pure parts (history, learner, controller) and Optuna: which policy a trial follows, what is proposed, and
what is written to the storage for other processes to read. Storage calls cost tens of milliseconds on a database: a
trial of a static space makes two readings and one writing here (the paper's: one and one), however long the history.

A trial's note is one private attribute, written once: what the configuration needs of the trial later, and under
``learning`` the diagnostics of the updates that were made for it, if no trial before has told them.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnas_moo.controller import Controller, RollOut
from mnas_moo.genomes.history import ATTRIBUTE, History, Record, generator, ordinal_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.learner import Learner

FORMAT = 1
"""Version of what is written to trials and studies."""

Canonical = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Maps the parameters of a genome to those of one representative of all that mean the same network."""


@dataclass
class Walk:
    """A trial under way: which policy it follows, and what it has decided.

    Attributes:
        version: version of the policy.
        rng: random generator of its decisions.
        roll: roll-out of one genome, where its LSTM stands.
        genome: its decisions so far.
        log_probs: log-probabilities of the decisions that the policy made, by name.
        learning: diagnostics that its note tells.
        noted: how many of the log-probabilities are written down.
    """

    version: int
    rng: np.random.Generator
    roll: RollOut
    genome: list[tuple[Decision, int]] = field(default_factory=list)
    log_probs: dict[str, float] = field(default_factory=dict)
    learning: list[dict[str, Any]] = field(default_factory=list)
    noted: int = 0


class StudyState:
    """What the sampler keeps of one study.

    ``lock`` guards all of it but the learner, which ``learning`` guards: a thread that finds another one learning
    goes on with the policy that is there.

    Args:
        study: the study.
        seed: seed of the search; None: the one that is stored with the study, or is drawn for it.
    """

    WALKS = 1000
    """Trials under way that are remembered: one that is asked for and never told would otherwise be kept for ever."""

    def __init__(self, study: Study, seed: int | None) -> None:
        self.seed = study_seed(study) if seed is None else seed
        self.lock = threading.RLock()
        self.learning = threading.Lock()
        self.history = History()
        self.walks: OrderedDict[int, Walk] = OrderedDict()
        self.learnable: list[Record] = []
        self.told = 0  # the newest version whose diagnostics a trial has told
        self.learner = self.make_learner(study)

    def make_learner(self, study: Study) -> Learner:
        """The learner of this configuration, made once."""
        raise NotImplementedError

    # 1. before_trial: nothing of the trial is known yet.

    def before_trial(self, study: Study) -> None:
        """Raises ValueError where the study is not one that the configuration can mean."""

    # 2. infer_relative_search_space: the trials that are new are read.

    def read_trials(self, study: Study) -> None:
        """Takes up the trials that are new."""
        with self.lock:
            before = len(self.history.finished)
            done = self.history.read(study._storage.get_all_trials(study._study_id, deepcopy=False))
            self.learnable += filter(self.can_learn_from, self.history.finished[before:])
            for trial in (*done, *self.history.running.values()):
                told = trial.system_attrs.get(ATTRIBUTE, {}).get("learning", ())
                self.told = max(self.told, *(each["version"] for each in told)) if told else self.told
            self.on_trials_read(done)

    def can_learn_from(self, record: Record) -> bool:
        """Whether the learner can use a trial."""
        raise NotImplementedError

    def on_trials_read(self, done: list[FrozenTrial]) -> None:
        """Called with the trials that finished since the last time."""

    # 3. sample_relative, or the first sample_independent: the policy is brought up to date.

    def learn_before_sampling(self, ordinal: int) -> None:
        """Brings the policy up to date, unless another thread is at it."""
        if self.learning.acquire(blocking=False):
            try:
                with self.lock:
                    version = self.version_for(ordinal)
                if version > self.learner.newest:
                    self.learner.learn(list(self.learnable), version)
            finally:
                self.learning.release()

    def version_for(self, ordinal: int) -> int:
        """The version of the policy that a trial should follow: how many batches are finished."""
        return len(self.learnable) // self.learner.batch

    # 4a. sample_relative in a static space: all parameters at once.

    def sample_at_once(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """Values of all parameters of a static space."""
        raise NotImplementedError

    # 4b. In a conditional space sample_relative may plan, and sample_independent gives one parameter after the other.

    def before_first_parameter(self, study: Study, trial: FrozenTrial) -> None:
        """Called before the first parameter of a trial of a conditional space."""

    def sample_parameter(self, trial: FrozenTrial, decision: Decision) -> Any:
        """A value for a trial's next parameter: the policy's, given what the trial has decided."""
        with self.lock:
            walk = self.walk_of(trial)
            known = {made.name for made, _ in walk.genome}
            for made, token in self.history.genome(trial.params, trial.distributions):
                if made.name not in known:  # enqueued, fixed, or sampled at once
                    walk.roll.policy.grow([made])
                    walk.roll.follow(made, token)
                    walk.genome.append((made, token))
            walk.roll.policy.grow([decision])
            uniform = torch.tensor([walk.rng.random()])
            tokens, log_prob = walk.roll.decide(decision, uniform, allowed=self.allowed_tokens(walk, decision))
            token = int(tokens)
            walk.genome.append((decision, token))
            walk.log_probs[decision.name] = round(float(log_prob), 6)
            return decision.value(token, walk.rng.random())

    def allowed_tokens(self, walk: Walk, decision: Decision) -> torch.Tensor | None:
        """(1, K) whether each token may be chosen; None: all may."""
        return None

    # 5. after_trial: the trial is told.

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forgets a trial's walk."""
        with self.lock:
            self.walks.pop(trial.number, None)

    # What several of the above use.

    def policy_for(self, trial: FrozenTrial) -> tuple[int, Controller]:
        """The version of the policy that a trial follows from now on, and the policy."""
        version = self.learner.newest
        policy = self.learner.policy(version)
        assert policy is not None
        return version, policy

    def preference_for(self, ordinal: int) -> torch.Tensor | None:
        """(1, C) what the policy is conditioned on in a trial, or None."""
        return None

    def walk_of(self, trial: FrozenTrial) -> Walk:
        """The walk of a trial, begun if it has none."""
        if trial.number not in self.walks:
            version, policy = self.policy_for(trial)
            ordinal = ordinal_of(trial)
            roll = RollOut(policy, 1, self.preference_for(ordinal))
            self.walks[trial.number] = Walk(version, generator(self.seed, ordinal, "steps"), roll)
            if len(self.walks) > self.WALKS:
                self.walks.popitem(last=False)
        return self.walks[trial.number]

    def values(self, ordinal: int, decisions: Sequence[Decision], tokens: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Values of the tokens chosen."""
        places = generator(self.seed, ordinal, "places").random(len(decisions))
        return {
            decision.name: decision.value(int(token), float(place))
            for decision, token, place in zip(decisions, tokens, places, strict=True)
        }

    def untold_diagnostics(self) -> list[dict[str, Any]]:
        """Diagnostics of the updates that no trial has told yet, oldest first; whoever calls this tells them."""
        if not self.learning.acquire(blocking=False):  # another thread is at the next one
            return []
        try:
            found = self.learner.diagnostics
            untold = [{"version": v, **rounded(found[v])} for v in sorted(found) if v > self.told and found[v]]
            found.clear()
        finally:
            self.learning.release()
        if untold:
            self.told = untold[-1]["version"]
        return untold


def rounded(value: Any) -> Any:
    """Plain data with all its numbers to six digits, and None where one is not finite: what a note holds."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [rounded(each) for each in value]
    return value


def study_seed(study: Study) -> int:
    """The seed drawn for a study whose sampler was given none; the first process draws it and all others read it."""
    key = f"{ATTRIBUTE}:seed"
    stored = study._storage.get_study_system_attrs(study._study_id)
    if key not in stored:
        study._storage.set_study_system_attr(study._study_id, key, secrets.randbits(31))
        stored = study._storage.get_study_system_attrs(study._study_id)
    return int(stored[key])
