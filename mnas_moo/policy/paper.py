"""The published learner: PPO on one scalar reward, 20 trials an update (Zoph et al. 2018, app. A.2; Tan et al. 2019).

Published: the moving average of earlier rewards as baseline (weight 0.95), the batch of 20, and what
``PPOSettings`` names so. Ours: the baseline begins at the mean of the first batch.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
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
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.learner import Learner
from mnas_moo.policy.study_state import FORMAT, StudyState, Walk
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
        seed: of the initial weights.
        reward: the scalar reward of a trial's objective values, larger is better.
        settings: of PPO.
        baseline_decay: weight of the past in the moving average of rewards.
        batch: trials an update.
        hidden: LSTM units.
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
        """Always 0: PPO's path is part of the method, so a replay starts at its beginning."""
        return 0

    def update(self, records: Sequence[Record]) -> None:
        """PPO on the next batch."""
        batch = records[self.version * self.batch : (self.version + 1) * self.batch]
        self.grow(batch)
        rewards = [self.reward(record.values) for record in batch if record.values is not None]
        if self.baseline is None:
            self.baseline = sum(rewards) / len(rewards)
        advantages = []
        for reward in rewards:
            advantages.append(reward - self.baseline)
            self.baseline += (1 - self.baseline_decay) * (reward - self.baseline)
        genomes = self.controller.genomes([record.genome for record in batch])
        old = torch.zeros(genomes.token.shape)
        for b, record in enumerate(batch):
            log_probs = record.note["log_probs"]
            old[b, : len(record.genome)] = torch.tensor([log_probs[decision.name] for decision, _ in record.genome])
        ppo.update(self.controller, self.optimiser, self.settings, genomes, old, torch.tensor(advantages))


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
