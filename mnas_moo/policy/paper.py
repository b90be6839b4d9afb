"""The search as published: PPO on one scalar reward, 20 trials an update (Zoph et al. 2018, app. A.2; Tan et al. 2019).

Trials come in batches. Batch k is rolled out at once by one version of the policy, which has learnt from the batches
before it (``PaperState.sample_at_once``); when it is finished, ``PaperLearner.update`` makes the next version of it:

    R_i = reward of trial i                                     (Tan et al. 2019, eq. 2)
    b_i = moving average of the rewards before trial i          (Zoph et al. 2018, app. A.2)
    A_i = R_i - b_i                                             the advantage that all decisions of trial i share
    old = log-probabilities that trial i was sampled with       read from its note

and ``ppo.update`` makes decisions with a positive advantage likelier. Published: the weight of the past in the baseline
(0.95), the batch of 20, and the values that ``PPOSettings`` marks as published. Ours: the baseline begins at the mean
of the first batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from mnas_moo import ppo
from mnas_moo.controller import Controller
from mnas_moo.genomes.history import ATTRIBUTE, Record, generator, ordinal_of
from mnas_moo.genomes.notes import FORMAT
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.learner import Learner
from mnas_moo.policy.study_state import StudyState, Walk
from mnas_moo.ppo import PPOSettings
from mnas_moo.reward import Reward


@dataclass(frozen=True)
class PaperSettings:
    """Configuration of ``MnasSampler.paper``; its arguments, which say what was published."""

    reward: Reward | None = None
    ppo: PPOSettings = field(default_factory=PPOSettings)
    baseline_decay: float = 0.95
    batch: int = 20
    hidden: int = 100
    embedding: int = 32


class PaperLearner(Learner):
    """Learns from trials whose log-probabilities are known, in batches, each once.

    Args:
        seed: seed of the initial weights.
        reward: function from a trial's objective values to its scalar reward, larger is better.
        settings: PPO's settings.
        baseline_decay: weight of the past in the moving average of rewards.
        batch: number of trials in an update, B.
        hidden: number of LSTM units.
        embedding: size of a token's embedding.
    """

    def __init__(
        self,
        seed: int,
        reward: Callable[[Sequence[float]], float],
        settings: ppo.PPOSettings,
        baseline_decay: float,
        batch: int,
        hidden: int,
        embedding: int,
    ) -> None:
        self.reward, self.settings, self.baseline_decay = reward, settings, baseline_decay
        super().__init__(seed, batch, hidden, embedding, 0, settings.learning_rate)

    def restart(self) -> None:
        """A fresh controller without a baseline."""
        super().restart()
        self.baseline: float | None = None

    def begin(self, version: int) -> int:
        """Always 0: the published search never starts afresh, so a replay makes all updates again."""
        return 0

    def update(self, records: Sequence[Record]) -> Mapping[str, Any]:
        """PPO on the next batch of B trials."""
        batch = records[self.version * self.batch : (self.version + 1) * self.batch]
        self.grow(batch)
        rewards = [self.reward(record.values) for record in batch if record.values is not None]  # R_i, B of them
        if self.baseline is None:
            self.baseline = sum(rewards) / len(rewards)  # b_0 = (1/B) sum_i R_i; ours
        baselines, advantages = [], []
        for reward in rewards:
            baselines.append(self.baseline)  # b_i
            advantages.append(reward - self.baseline)  # A_i = R_i - b_i
            # b_(i+1) = decay b_i + (1 - decay) R_i  (Zoph et al. 2018, app. A.2)
            self.baseline += (1 - self.baseline_decay) * (reward - self.baseline)
        genomes = self.controller.genomes([record.genome for record in batch])
        old = torch.zeros(genomes.token.shape)  # (B, T), log pi_old(a_it | s_it)
        for i, record in enumerate(batch):
            log_probs = record.note["log_probs"]
            old[i, : len(record.genome)] = torch.tensor([log_probs[decision.name] for decision, _ in record.genome])
        diagnostics = ppo.update(
            self.controller,
            self.optimiser,
            self.settings,
            genomes,
            old,
            torch.tensor(advantages),  # (B,)
            reward=torch.tensor(rewards),  # (B,)
            baseline=torch.tensor(baselines),  # (B,)
        )
        return {"reward": sum(rewards) / len(rewards), **dataclasses.asdict(diagnostics)}


class PaperState(StudyState):
    """Batches of trials, each rolled out at once by one version of the policy.

    A trial's note holds the log-probabilities it was sampled with, the version that sampled it and a digest of the
    configuration, so that another process (or a restart) goes on with the same policy in the same batch.

    Args:
        study: study that is sampled.
        seed: seed of the search; None: the one that is stored with the study, or is drawn for it.
        settings: configuration of the sampler.
    """

    ROLLOUTS = 4
    """Batches whose roll-out is remembered, for workers that are behind."""

    def __init__(self, study: Study, seed: int | None, settings: PaperSettings) -> None:
        self.settings = settings
        self.roles: tuple[int, int] | None = None
        self.versions: dict[int, int] = {}  # version of the policy by batch
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

    def reward(self, values: Sequence[float]) -> float:
        """A trial's reward, larger is better."""
        if self.settings.reward is None:
            return self.sign * values[0]
        accuracy, latency = self.roles or (0, 1)
        return self.settings.reward(values[accuracy], values[latency])

    def before_trial(self, study: Study) -> None:
        """Binds the reward to the study's objectives."""
        if self.settings.reward is not None and self.roles is None:
            self.roles = self.settings.reward.bind(study.metric_names, study.directions)

    def can_learn_from(self, record: Record) -> bool:
        """Feasible trials with a reward whose decisions were all made by a policy, with known log-probabilities."""
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

    def on_trials_read(self, done: list[FrozenTrial]) -> None:
        """Reads which version each batch follows in other processes, or followed in this one before a restart."""
        for trial in itertools.chain(done, self.history.running.values()):
            note = trial.system_attrs.get(ATTRIBUTE, {})
            if note.get("by") == self.digest:
                self.versions.setdefault(ordinal_of(trial) // self.settings.batch, note["policy"])

    def version_for(self, ordinal: int) -> int:
        """The version that the trial's batch began with; in a new batch the newest that can be made."""
        newest = super().version_for(ordinal)
        return min(self.versions.get(ordinal // self.settings.batch, newest), newest)

    def policy_for(self, trial: FrozenTrial) -> tuple[int, Controller]:
        """The policy of the trial's batch, or the newest where that one is not kept."""
        ordinal = ordinal_of(trial)
        version = self.versions.setdefault(ordinal // self.settings.batch, self.version_for(ordinal))
        policy = self.learner.policy(version)
        return (version, policy) if policy else super().policy_for(trial)

    def sample_at_once(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """The trial's genome in the roll-out of its batch."""
        with self.lock:
            walk, ordinal = self.walk_of(trial), ordinal_of(trial)
            batch, position = divmod(ordinal, self.settings.batch)
            key = (batch, walk.version, *decisions)
            if key not in self.rollouts:
                ordinals = range(batch * self.settings.batch, (batch + 1) * self.settings.batch)
                # (B, T)
                uniforms = np.stack([generator(self.seed, o, "tokens").random(len(decisions)) for o in ordinals])
                walk.roll.policy.grow(decisions)
                # The whole batch even if one trial of it is needed: another batch size would change the last bits.
                self.rollouts[key] = walk.roll.policy.rollout(decisions, uniforms)  # (B, T), (B, T)
                if len(self.rollouts) > self.ROLLOUTS:
                    self.rollouts.popitem(last=False)
            tokens, log_probs = self.rollouts[key]
            for decision, log_prob in zip(decisions, log_probs[position], strict=True):
                walk.log_probs[decision.name] = round(float(log_prob), 6)
            self._note(study, trial, walk)
            return self.values(ordinal, decisions, tokens[position])

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Writes the decisions made since the trial's note was written, in a conditional space all of them."""
        with self.lock:
            walk = self.walks.get(trial.number)
            if walk is not None and len(walk.log_probs) > walk.noted:
                self._note(study, trial, walk)
            super().after_trial(study, trial)

    def _note(self, study: Study, trial: FrozenTrial, walk: Walk) -> None:
        walk.noted = len(walk.log_probs)
        walk.learning += self.take_diagnostics()
        note: dict[str, Any] = {"format": FORMAT, "by": self.digest, "policy": walk.version}
        note["log_probs"] = walk.log_probs
        if walk.learning:
            note["learning"] = walk.learning
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)
