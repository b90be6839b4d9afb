"""What the sampler knows of one study, in its two configurations.

Between the pure parts (history, learner, controller) and Optuna: which policy a trial follows, what is proposed, and
what is written to the storage for other processes to read. Storage calls cost tens of milliseconds on a database: a
trial of a static space makes two readings and one writing here (the paper's: one and one), however long the history.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from mnas_moo.controller import Controller, choose
from mnas_moo.genomes.history import ATTRIBUTE, History, Record, generator, key_of, ordinal_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.front_learner import FrontLearner, preferences
from mnas_moo.policy.learner import Learner
from mnas_moo.policy.paper import PaperLearner
from mnas_moo.ppo import PPOSettings
from mnas_moo.reward import Reward
from mnas_moo.surrogate.surrogate import Transfer

FORMAT = 1
"""Version of what is written to trials and studies."""

Canonical = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class PaperSettings:
    """Configuration of ``MnasSampler.paper``; its arguments, which say what was published."""

    reward: Reward | None = None
    ppo: PPOSettings = field(default_factory=PPOSettings)
    baseline_decay: float = 0.95
    batch: int = 20
    hidden: int = 100
    embedding: int = 32


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


class PaperState(StudyState):
    """As published: blocks of ``batch`` trials, each rolled out at once by one version of the policy.

    A trial's note holds the log-probabilities it was sampled with, the version that sampled it and a digest of the
    configuration, so that another process (or a restart) goes on with the same policy in the same block.
    """

    ROLLOUTS = 4  # blocks that are remembered, for workers that are behind

    def __init__(self, study: Study, seed: int | None, settings: PaperSettings) -> None:
        self.settings = settings
        self.roles: tuple[int, int] | None = None
        self.versions: dict[int, int] = {}
        self.rollouts: OrderedDict[tuple[Any, ...], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
        self.rollouts = OrderedDict()
        super().__init__(study, seed)
        self.digest = hashlib.blake2b(f"{FORMAT} {self.seed} {settings}".encode(), digest_size=8).hexdigest()

    def make_learner(self, study: Study) -> PaperLearner:
        """PPO on the reward."""
        if self.settings.reward is None and len(study.directions) > 1:
            raise ValueError(
                f"the study has {len(study.directions)} objectives and MnasSampler.paper() no reward; "
                "give it one, for example MnasSampler.paper(reward=MnasReward(target=75.0))"
            )
        self.sign = -1.0 if study.directions[0] == StudyDirection.MINIMIZE else 1.0
        s = self.settings
        return PaperLearner(self.seed, self.reward, s.ppo, s.baseline_decay, s.batch, s.hidden, s.embedding)

    def check(self, study: Study) -> None:
        """Binds the reward to the study's objectives."""
        if self.settings.reward is not None and self.roles is None:
            self.roles = self.settings.reward.bind(study.metric_names, study.directions)

    def reward(self, values: Sequence[float]) -> float:
        """A trial's reward, larger is better."""
        if self.settings.reward is None:
            return self.sign * values[0]
        accuracy, latency = self.roles or (0, 1)
        return self.settings.reward(values[accuracy], values[latency])

    def can_learn(self, record: Record) -> bool:
        """Trials this sampler proposed and whose reward exists; infeasible ones have none."""
        log_probs = record.note.get("log_probs", {})
        if record.values is None or record.violation or not record.genome:
            return False
        if not all(decision.name in log_probs for decision, _ in record.genome):
            return False
        try:
            self.reward(record.values)
        except ValueError as error:
            warnings.warn(f"trial {record.number} is not learnt from: {error}", stacklevel=2)
            return False
        return True

    def took(self, done: list[FrozenTrial]) -> None:
        """Notes which version other processes, or this one before a restart, follow in which block."""
        for trial in itertools.chain(done, self.history.running.values()):
            note = trial.system_attrs.get(ATTRIBUTE, {})
            if note.get("by") == self.digest:
                self.versions.setdefault(ordinal_of(trial) // self.settings.batch, note["policy"])

    def wanted(self, ordinal: int) -> int:
        """The version its block began with, or the newest there can be."""
        newest = super().wanted(ordinal)
        return min(self.versions.get(ordinal // self.settings.batch, newest), newest)

    def follow(self, trial: FrozenTrial) -> tuple[int, Controller]:
        """The policy of the trial's block, or the newest where that is no longer there."""
        ordinal = ordinal_of(trial)
        version = self.versions.setdefault(ordinal // self.settings.batch, self.wanted(ordinal))
        policy = self.learner.policy(version)
        return (version, policy) if policy else super().follow(trial)

    def propose(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """The trial's row of its block's roll-out."""
        with self.lock:
            walk, ordinal = self.walk(trial), ordinal_of(trial)
            block, row = divmod(ordinal, self.settings.batch)
            key = (block, walk.version, *decisions)
            if key not in self.rollouts:
                ordinals = range(block * self.settings.batch, (block + 1) * self.settings.batch)
                uniforms = np.stack([generator(self.seed, o, "tokens").random(len(decisions)) for o in ordinals])
                walk.policy.grow(decisions)
                # The whole block even if one trial of it is wanted: other batch sizes differ in the last bits.
                self.rollouts[key] = walk.policy.rollout(decisions, uniforms)
                if len(self.rollouts) > self.ROLLOUTS:
                    self.rollouts.popitem(last=False)
            tokens, log_probs = self.rollouts[key]
            for decision, log_prob in zip(decisions, log_probs[row], strict=True):
                walk.log_probs[decision.name] = round(float(log_prob), 6)
            self._note(study, trial, walk)
            return self.values(ordinal, decisions, tokens[row])

    def finish(self, study: Study, trial: FrozenTrial) -> None:
        """Writes down what was decided since the trial's note, in a conditional space all of it."""
        with self.lock:
            walk = self.walks.get(trial.number)
            if walk is not None and len(walk.log_probs) > walk.noted:
                self._note(study, trial, walk)
            super().finish(study, trial)

    def _note(self, study: Study, trial: FrozenTrial, walk: Walk) -> None:
        walk.noted = len(walk.log_probs)
        note: dict[str, Any] = {"format": FORMAT, "by": self.digest, "policy": walk.version}
        note["log_probs"] = walk.log_probs
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)


@dataclass(frozen=True)
class FrontSettings:
    """Configuration of ``MnasSampler``; its arguments."""

    canonical: Canonical | None = None
    reference_point: tuple[float | None, ...] | None = None
    transfer: Transfer = field(default_factory=Transfer)
    model_trials: int = 1000


class FrontState(StudyState):
    """The default: the network that the model expects most of, and no network tried twice while others remain.

    A trial's note holds its claim, the name of the network it is about to try: it is written first and then all
    claims are read, so of two workers that chose the same at once at least one sees the other and chooses again.
    """

    CANDIDATES = 8  # drawn from the policy at a time, until one is new
    DRAWS = 8  # times that many before the policy is given up for a walk through the whole space

    def __init__(self, study: Study, seed: int | None, settings: FrontSettings) -> None:
        self.settings = settings
        self.tried: set[str] = set()
        self.claims: dict[int, str] = {}
        self.proposed: dict[int, dict[str, Any]] = {}
        self.complete = False
        self._unnamed: list[FrozenTrial] = []
        self.directions = study.directions
        super().__init__(study, seed)

    def make_learner(self, study: Study) -> FrontLearner:
        """One model and one policy for the front."""
        signs = [1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in self.directions]
        s = self.settings
        wanted = s.reference_point or (None,) * len(signs)
        if len(wanted) != len(signs):
            raise ValueError(f"reference_point has {len(wanted)} values for a study of {len(signs)} objectives")
        foreign = [m for m in s.transfer.objectives if not 0 <= m < len(signs)]
        if foreign:
            raise ValueError(f"shared names objective {foreign[0]} of a study of {len(signs)}, from 0 on")
        region = np.array([np.nan if value is None else value for value in wanted])
        self.front_learner = FrontLearner(self.seed, signs, s.transfer, region, s.model_trials)
        return self.front_learner

    def can_learn(self, record: Record) -> bool:
        """Completed trials of any sampler, infeasible ones too, and failed ones; each as what it is."""
        return bool(record.genome) and (record.values is not None or record.failed)

    def wanted(self, ordinal: int) -> int:
        """A version for each batch of completed trials."""
        return sum(record.values is not None for record in self.learnable) // self.learner.batch

    def plan(self, study: Study, trial: FrozenTrial) -> None:
        """Chooses the whole genome beforehand; ``step`` follows it as far as the trial does."""
        if not self.history.static:
            self.propose(study, trial, [])

    def step(self, trial: FrozenTrial, decision: Decision) -> Any:
        """The plan's value, or the policy's where the plan has none or would end in a network that was tried."""
        with self.lock:
            plan = self.proposed.get(trial.number, {})
            if decision.name in plan:
                value = plan[decision.name]
                made = (*self.history.genome(trial.params, trial.distributions), (decision, decision.token(value)))
                # A range may have changed since the plan was made.
                if decision.at(decision.place(value)) == value and not self.history.tree.follow(made).exhausted:
                    return value
            return super().step(trial, decision)

    def condition(self, ordinal: int) -> torch.Tensor | None:
        """The trial's preference."""
        if len(self.directions) == 1:
            return None
        preference = preferences(generator(self.seed, ordinal, "preference"), 1, len(self.directions))
        return torch.from_numpy(preference.astype(np.float32))

    def took(self, done: list[FrozenTrial]) -> None:
        """Keeps the names of all networks tried, and of those under way."""
        self._unnamed += done
        for trial in done:
            self.proposed.pop(trial.number, None)
        if self.history.space:  # before, nobody knows which parameters make a whole network
            self.tried.update(filter(None, map(self._name_of, self._unnamed)))
            self._unnamed = []
            names = {number: self._name_of(trial) for number, trial in self.history.running.items()}
            self.claims = {number: name for number, name in names.items() if name is not None}

    def propose(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """A genome that nobody has tried or is trying; empty where a conditional space is to be walked instead."""
        with self.lock:
            params: dict[str, Any] = {}
            for params in self._candidates(trial, decisions):
                name = self._name(params)
                if self._is_taken(name, trial.number):
                    continue
                note: dict[str, Any] = {"format": FORMAT, "claim": name}
                study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)
                self.read(study)
                if not self._is_taken(name, trial.number):
                    break
            else:
                if not self.history.static:
                    return {}
            self.proposed[trial.number] = params
            return params

    def allowed(self, walk: Walk, decision: Decision) -> torch.Tensor:
        """Tokens after which something untried may remain; all of them if nothing does."""
        branch = self.history.tree.follow(tuple(walk.genome))
        open_ = [not branch.follow(((decision, token),)).exhausted for token in range(decision.size)]
        return torch.tensor([open_ if any(open_) else [True] * decision.size])

    def _candidates(self, trial: FrozenTrial, decisions: list[Decision]) -> Iterator[dict[str, Any]]:
        """Genomes in the order they should be tried: the generation's, then from the policy, then all there are.

        Ends with one that was tried if there is nothing else. In a conditional space there are only the generation's.
        """
        ordinal = ordinal_of(trial)
        generation = self.front_learner.generation
        if generation is not None and not self.complete:
            past = generation.beliefs.numbers
            results = [record for record in self.learnable if record.values is not None and record.number not in past]
            running = [
                generation.encoding.row(params)
                for number, other in self.history.running.items()
                if number != trial.number and (params := self._params_of(other))
            ]
            order = generation.order(results, running, generator(self.seed, ordinal, "gain"))
            yield from map(generation.encoding.params, order)
        if not self.history.static:
            return
        if generation is None:
            yield self._spread(ordinal, decisions)
        _, policy = self.follow(trial)
        policy.grow(decisions)
        condition = self.condition(ordinal)
        rng = generator(self.seed, ordinal, "tokens")
        shape = (self.CANDIDATES, len(decisions))
        conditions = None if condition is None else condition.expand(self.CANDIDATES, -1)
        for _ in range(self.DRAWS if not self.complete else 1):
            tokens, _ = policy.rollout(decisions, rng.random(shape), conditions)
            yield from (self.values(ordinal, decisions, row) for row in tokens)
        if not self.complete and all(decision.exact for decision in decisions):
            start = [int(rng.integers(decision.size)) for decision in decisions]
            for steps in itertools.product(*(range(decision.size) for decision in decisions)):
                row = np.array([(a + b) % d.size for a, b, d in zip(start, steps, decisions, strict=True)])
                yield self.values(ordinal, decisions, row)
            self.complete = True
        tokens, _ = policy.rollout(decisions, rng.random(shape), conditions)
        yield self.values(ordinal, decisions, tokens[0])

    def _spread(self, ordinal: int, decisions: Sequence[Decision]) -> dict[str, Any]:
        """A first genome: each decision takes all of its tokens in turn, in a random order (a Latin hypercube)."""
        tokens = []
        for j, decision in enumerate(decisions):
            block, place = divmod(ordinal, decision.size)
            tokens.append(generator(self.seed, block, f"order {j}").permutation(decision.size)[place])
        return self.values(ordinal, decisions, np.array(tokens))

    def _is_taken(self, name: str, number: int) -> bool:
        return name in self.tried or any(claim == name for other, claim in self.claims.items() if other != number)

    def _name(self, params: Mapping[str, Any]) -> str:
        return key_of(self.settings.canonical(params) if self.settings.canonical else params)

    def _params_of(self, trial: FrozenTrial) -> Mapping[str, Any]:
        """The parameters a trial under way has or will have, as far as they are known."""
        return trial.system_attrs.get("fixed_params") or self.proposed.get(trial.number) or trial.params

    def _name_of(self, trial: FrozenTrial) -> str | None:
        """The network a trial claims, has or will have; None while that is not known."""
        note = trial.system_attrs.get(ATTRIBUTE, {})
        fixed = trial.system_attrs.get("fixed_params")
        if "claim" in note and fixed is None and (self.history.static or not trial.state.is_finished()):
            return str(note["claim"])
        params = trial.params if fixed is None else fixed
        if trial.state.is_finished() and not self.history.static:
            return (
                self._name({name: params[name] for name in params if not trial.distributions[name].single()})
                if params
                else None
            )
        if self.history.space and self.history.space.keys() <= params.keys():
            return self._name(params)
        return None


def study_seed(study: Study) -> int:
    """The seed drawn for a study whose sampler was given none; the first process draws it and all others read it."""
    key = f"{ATTRIBUTE}:seed"
    stored = study._storage.get_study_system_attrs(study._study_id)
    if key not in stored:
        study._storage.set_study_system_attr(study._study_id, key, secrets.randbits(31))
        stored = study._storage.get_study_system_attrs(study._study_id)
    return int(stored[key])
