"""What the sampler knows of one study, in its two configurations.

Between the pure parts (history, learner, controller) and Optuna: which policy a trial follows, what is proposed, and
what is written to the storage for other processes to read. Storage calls cost tens of milliseconds on a database: a
trial of a static space makes two readings and one writing here (the paper's: one and one), however long the history.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnas_moo.controller import Controller, choose
from mnas_moo.genomes.history import ATTRIBUTE, History, Record, generator, ordinal_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.learner import Learner

FORMAT = 1
"""Version of what is written to trials and studies."""

Canonical = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class Walk:
    """A trial under way: which policy it follows, and where its LSTM stands.

    Attributes:
        version: of the policy.
        policy: the controller.
        condition: (1, C) its preference, or None.
        rng: of its decisions.
        last: (1,) row of the last decision's token.
        state: of the LSTM.
        genome: its decisions so far.
        log_probs: of those that the policy made, by name.
        noted: how many of them are written down.
    """

    version: int
    policy: Controller
    condition: torch.Tensor | None
    rng: np.random.Generator
    last: torch.Tensor
    state: tuple[torch.Tensor, torch.Tensor]
    genome: list[tuple[Decision, int]] = field(default_factory=list)
    log_probs: dict[str, float] = field(default_factory=dict)
    noted: int = 0


class StudyState:
    """What the sampler knows of one study.

    ``lock`` guards all of it but the learner, which ``learning`` guards: a thread that finds another one learning
    goes on with the policy that is there.
    """

    WALKS = 1000  # trials under way that are remembered; one that is asked for and never told must not stay for ever

    def __init__(self, study: Study, seed: int | None) -> None:
        self.seed = study_seed(study) if seed is None else seed
        self.lock = threading.RLock()
        self.learning = threading.Lock()
        self.history = History()
        self.walks: OrderedDict[int, Walk] = OrderedDict()
        self.learnable: list[Record] = []
        self.learner = self.make_learner(study)

    def make_learner(self, study: Study) -> Learner:
        """The learner of this configuration."""
        raise NotImplementedError

    def check(self, study: Study) -> None:
        """Raises ValueError where the study is not one that the configuration can mean."""

    def can_learn(self, record: Record) -> bool:
        """Whether the learner can use a trial."""
        raise NotImplementedError

    def propose(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """Values of all parameters of a static space."""
        raise NotImplementedError

    def read(self, study: Study) -> None:
        """Takes up the trials that are new."""
        with self.lock:
            before = len(self.history.finished)
            done = self.history.read(study._storage.get_all_trials(study._study_id, deepcopy=False))
            self.learnable += filter(self.can_learn, self.history.finished[before:])
            self.took(done)

    def plan(self, study: Study, trial: FrozenTrial) -> None:
        """Called before the first parameter of a trial of a conditional space."""

    def took(self, done: list[FrozenTrial]) -> None:
        """Called with the trials that finished since the last time."""

    def wanted(self, ordinal: int) -> int:
        """The version of the policy that a trial should follow."""
        return len(self.learnable) // self.learner.batch

    def learn(self, ordinal: int) -> None:
        """Brings the policy up to date, unless another thread is at it."""
        if self.learning.acquire(blocking=False):
            try:
                with self.lock:
                    version = self.wanted(ordinal)
                if version > self.learner.newest:
                    self.learner.learn(list(self.learnable), version)
            finally:
                self.learning.release()

    def follow(self, trial: FrozenTrial) -> tuple[int, Controller]:
        """The version of the policy that a trial follows from now on, and the policy."""
        version = self.learner.newest
        policy = self.learner.policy(version)
        assert policy is not None
        return version, policy

    def condition(self, ordinal: int) -> torch.Tensor | None:
        """(1, C) what the policy is conditioned on in a trial."""
        return None

    def walk(self, trial: FrozenTrial) -> Walk:
        """The walk of a trial, begun if it has none."""
        if trial.number not in self.walks:
            version, policy = self.follow(trial)
            ordinal = ordinal_of(trial)
            rng = generator(self.seed, ordinal, "steps")
            self.walks[trial.number] = Walk(version, policy, self.condition(ordinal), rng, *policy.start(1))
            if len(self.walks) > self.WALKS:
                self.walks.popitem(last=False)
        return self.walks[trial.number]

    @torch.no_grad()
    def step(self, trial: FrozenTrial, decision: Decision) -> Any:
        """A value for a trial's next parameter."""
        with self.lock:
            walk = self.walk(trial)
            known = {made.name for made, _ in walk.genome}
            for made, token in self.history.genome(trial.params, trial.distributions):
                if made.name not in known:  # enqueued, fixed, or sampled at once
                    self.advance(walk, made)
                    self.decide(walk, made, token)
            log_prob = self.advance(walk, decision)
            allowed = self.allowed(walk, decision)
            token = int(choose(log_prob.masked_fill(~allowed, -torch.inf), torch.tensor([walk.rng.random()])))
            self.decide(walk, decision, token)
            walk.log_probs[decision.name] = round(float(log_prob[0, token]), 6)
            return decision.value(token, walk.rng.random())

    def allowed(self, walk: Walk, decision: Decision) -> torch.Tensor:
        """(1, size) the tokens that may be chosen."""
        return torch.ones(1, decision.size, dtype=torch.bool)

    def finish(self, study: Study, trial: FrozenTrial) -> None:
        """Forgets a trial's walk."""
        with self.lock:
            self.walks.pop(trial.number, None)

    def values(self, ordinal: int, decisions: Sequence[Decision], tokens: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Values of the tokens chosen."""
        places = generator(self.seed, ordinal, "places").random(len(decisions))
        return {
            decision.name: decision.value(int(token), float(place))
            for decision, token, place in zip(decisions, tokens, places, strict=True)
        }

    @staticmethod
    def advance(walk: Walk, decision: Decision) -> torch.Tensor:
        """Moves the LSTM on to a decision; (1, size) log-probabilities of its tokens."""
        walk.policy.grow([decision])
        log_prob, walk.state = walk.policy.step(walk.last, walk.state, decision, walk.condition)
        return log_prob

    @staticmethod
    def decide(walk: Walk, decision: Decision, token: int) -> None:
        """Takes a token."""
        walk.last = torch.tensor([walk.policy.rows[decision] + token])
        walk.genome.append((decision, token))


def study_seed(study: Study) -> int:
    """The seed drawn for a study whose sampler was given none; the first process draws it and all others read it."""
    key = f"{ATTRIBUTE}:seed"
    stored = study._storage.get_study_system_attrs(study._study_id)
    if key not in stored:
        study._storage.set_study_system_attr(study._study_id, key, secrets.randbits(31))
        stored = study._storage.get_study_system_attrs(study._study_id)
    return int(stored[key])
