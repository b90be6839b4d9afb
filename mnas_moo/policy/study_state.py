"""The sampler's state of one study: the hooks of both configurations, in the order in which a trial calls them.

Between the pure parts (history, learner, controller) and Optuna: which policy a trial follows, what is proposed, and
what is written to the storage for other processes to read. Storage calls cost tens of milliseconds on a database: for a
trial of a static space the storage is read twice (by the paper's configuration once) and written once, however long the
history.

A trial's note is one private attribute: what the configuration needs of the trial later, and under ``learning`` the
diagnostics of the updates before it, if no earlier trial's note holds them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnas_moo.controller import Controller, RollOut
from mnas_moo.genomes.history import ATTRIBUTE, History, Record, generator, ordinal_of
from mnas_moo.genomes.notes import rounded, study_seed
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.learner import Learner


@dataclass
class Walk:
    """A trial under way: which policy it follows, and what it has decided.

    Attributes:
        version: version of the policy.
        rng: random generator of the trial's decisions.
        roll: roll-out of this one genome, with the LSTM's state after the decisions so far.
        genome: decisions so far, with their tokens.
        log_probs: log-probabilities of the decisions that the policy made, in nats, by name.
        learning: diagnostics that the trial's note holds.
        noted: number of log-probabilities that the note holds.
    """

    version: int
    rng: np.random.Generator
    roll: RollOut
    genome: list[tuple[Decision, int]] = field(default_factory=list)
    log_probs: dict[str, float] = field(default_factory=dict)
    learning: list[dict[str, Any]] = field(default_factory=list)
    noted: int = 0


class StudyState:
    """The sampler's state of one study.

    ``lock`` guards all of it except the learner, which ``learning`` guards: a thread that finds another one learning
    samples from the newest finished policy.

    Args:
        study: study that is sampled.
        seed: seed of the search; None: the one that is stored with the study, or is drawn for it.
    """

    WALKS = 1000
    """Trials under way that are kept; the oldest are dropped, as some are asked for and never finished."""

    def __init__(self, study: Study, seed: int | None) -> None:
        self.seed = study_seed(study) if seed is None else seed
        self.lock = threading.RLock()
        self.learning = threading.Lock()
        self.history = History()
        self.walks: OrderedDict[int, Walk] = OrderedDict()
        self.learnable: list[Record] = []
        self.stored_version = 0  # the newest version whose diagnostics are in a trial's note
        self.learner = self.make_learner(study)

    def make_learner(self, study: Study) -> Learner:
        """The learner of this configuration, made once."""
        raise NotImplementedError

    # 1. before_trial: nothing is known of the trial yet.

    def before_trial(self, study: Study) -> None:
        """Raises ValueError where the study does not fit the configuration."""

    # 2. infer_relative_search_space: new trials are read.

    def read_trials(self, study: Study) -> None:
        """Reads the trials that are new, and what their notes hold."""
        with self.lock:
            before = len(self.history.finished)
            done = self.history.read(study._storage.get_all_trials(study._study_id, deepcopy=False))
            self.learnable += filter(self.can_learn_from, self.history.finished[before:])
            for trial in (*done, *self.history.running.values()):
                stored = trial.system_attrs.get(ATTRIBUTE, {}).get("learning", ())
                self.stored_version = max([self.stored_version, *(each["version"] for each in stored)])
            self.on_trials_read(done)

    def can_learn_from(self, record: Record) -> bool:
        """Whether the learner can use a trial."""
        raise NotImplementedError

    def on_trials_read(self, done: list[FrozenTrial]) -> None:
        """Called with the trials that finished since the last time."""

    # 3. sample_relative, or the first sample_independent: the policy is brought up to date.

    def learn_before_sampling(self, ordinal: int) -> None:
        """Brings the policy up to date, unless another thread is doing so."""
        if self.learning.acquire(blocking=False):
            try:
                with self.lock:
                    version = self.version_for(ordinal)
                if version > self.learner.newest:
                    self.learner.learn(list(self.learnable), version)
            finally:
                self.learning.release()

    def version_for(self, ordinal: int) -> int:
        """The version of the policy that a trial should follow: the number of finished batches."""
        return len(self.learnable) // self.learner.batch

    # 4a. sample_relative in a static space: all parameters at once.

    def sample_at_once(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """Values of all parameters of a static space."""
        raise NotImplementedError

    # 4b. In a conditional space sample_relative may plan, and sample_independent samples one parameter after the other.

    def before_first_parameter(self, study: Study, trial: FrozenTrial) -> None:
        """Called before the first parameter of a trial of a conditional space."""

    def sample_parameter(self, trial: FrozenTrial, decision: Decision) -> Any:
        """A value for a trial's next parameter, sampled by the policy given the trial's decisions so far."""
        with self.lock:
            walk = self.walk_of(trial)
            known = {made.name for made, _ in walk.genome}
            for made, token in self.history.genome(trial.params, trial.distributions):
                if made.name not in known:  # enqueued, fixed, or sampled at once
                    walk.roll.policy.grow([made])
                    walk.roll.follow(made, token)
                    walk.genome.append((made, token))
            walk.roll.policy.grow([decision])
            uniform = torch.tensor([walk.rng.random()])  # (1,)
            # (1,), (1,)
            tokens, log_prob = walk.roll.decide(decision, uniform, allowed=self.allowed_tokens(walk, decision))
            token = int(tokens)
            walk.genome.append((decision, token))
            walk.log_probs[decision.name] = round(float(log_prob), 6)
            return decision.value(token, walk.rng.random())

    def allowed_tokens(self, walk: Walk, decision: Decision) -> torch.Tensor | None:
        """(1, K) whether each token may be chosen; None: all may."""
        return None

    # 5. after_trial: the trial is finished.

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forgets a trial's walk."""
        with self.lock:
            self.walks.pop(trial.number, None)

    # Used by several of the above.

    def policy_for(self, trial: FrozenTrial) -> tuple[int, Controller]:
        """The version of the policy that a trial follows to its end, and that policy."""
        version = self.learner.newest
        policy = self.learner.policy(version)
        assert policy is not None
        return version, policy

    def preference_for(self, ordinal: int) -> torch.Tensor | None:
        """(1, C) condition of the policy in a trial; None where it has none."""
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
        """Values of the tokens chosen (T,), by name; within the range of a token a value is drawn."""
        within = generator(self.seed, ordinal, "places").random(len(decisions))  # (T,)
        return {
            decision.name: decision.value(int(token), float(u))
            for decision, token, u in zip(decisions, tokens, within, strict=True)
        }

    def take_diagnostics(self) -> list[dict[str, Any]]:
        """Diagnostics of the updates that no note holds yet, oldest first; the caller must write them to one."""
        if not self.learning.acquire(blocking=False):  # another thread is learning
            return []
        try:
            found = self.learner.diagnostics
            taken = [{"version": v, **rounded(found[v])} for v in sorted(found) if v > self.stored_version and found[v]]
            found.clear()
        finally:
            self.learning.release()
        if taken:
            self.stored_version = taken[-1]["version"]
        return taken
