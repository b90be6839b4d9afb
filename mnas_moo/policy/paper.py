"""The published learner: PPO on one scalar reward, 20 trials an update (Zoph et al. 2018, app. A.2; Tan et al. 2019).

Published: the moving average of earlier rewards as baseline (weight 0.95), the batch of 20, and what
``PPOSettings`` names so. Ours: the baseline begins at the mean of the first batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from mnas_moo import ppo
from mnas_moo.genomes.history import Record
from mnas_moo.policy.learner import Learner


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
