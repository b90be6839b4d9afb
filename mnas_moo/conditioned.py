"""The default learner: one policy for a whole Pareto front, conditioned on a preference among the objectives.

Every trial draws a preference w, uniform on the simplex, and the controller reads it at every step. The policy learns
by imitation: shown a preference, it is trained towards the networks of the history that are best under it
(pareto-conditioned networks, Reymond et al. 2022, with the cross-entropy method's elite instead of a return as the
target). That uses every finished trial for every preference, needs no log-probabilities, and so learns from trials
of any other sampler too; PPO, which can use a trial once and only if it sampled it, learns far slower from so few.

Objectives are compared by their normal scores in the history, so that units, signs and outliers do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo.history import Record, generator
from mnas_moo.learner import Learner

Floats = npt.NDArray[np.float64]

AUGMENTATION = 0.05  # weight of the sum beside the maximum in the Chebyshev scalarisation


class ConditionedLearner(Learner):
    """Imitates, for every preference, what did best under it.

    Args:
        seed: of the initial weights and of the minibatches.
        signs: one an objective: 1 where it is minimised, -1 where it is maximised.
    """

    BATCH = 20  # finished trials between two versions
    STEPS = 20  # gradient steps a version
    MINIBATCH = 64  # preferences a step
    FRESH_RATIO = 2.0  # a fresh start whenever the history has grown by this: what a restart must replay at most
    FRESH_STEPS = 150  # gradient steps of a fresh start, or what an unbroken run had by then
    LEARNING_RATE = 3e-3
    ENTROPY = 0.02
    ELITE = 0.15  # typical rank of an imitated network, times the square root of the history's length

    def __init__(self, seed: int, signs: Sequence[float]) -> None:
        self.signs = np.array(signs)
        condition = len(signs) if len(signs) > 1 else 0
        super().__init__(seed, self.BATCH, 100, 32, condition, self.LEARNING_RATE)

    def begin(self, version: int) -> int:
        """The last fresh start before a version."""
        return max(fresh for fresh in range(version) if self._is_fresh(fresh)) if version else 0

    def update(self, records: Sequence[Record]) -> None:
        """Gradient steps on all trials up to the next version."""
        steps = self.STEPS
        if self._is_fresh(self.version):
            self.restart()
            steps = min(self.STEPS * (self.version + 1), self.FRESH_STEPS)
        records = records[: (self.version + 1) * self.batch]
        self.grow(records)
        rng = generator(self.seed, self.version, "imitation")
        scores = normal_scores(np.array([record.values for record in records]) * self.signs, violations(records))
        genomes = self.controller.genomes([record.genome for record in records])
        for _ in range(steps):
            preferences = rng.dirichlet(np.ones(len(self.signs)), self.MINIBATCH)
            order = np.argsort(scalarise(scores, preferences), axis=1, kind="stable")
            rank = rng.exponential(self.ELITE * math.sqrt(len(records)), self.MINIBATCH).astype(int)
            chosen = order[np.arange(self.MINIBATCH), np.minimum(rank, len(records) - 1)]
            condition = torch.from_numpy(preferences.astype(np.float32)) if len(self.signs) > 1 else None
            batch = genomes[torch.from_numpy(chosen)]
            log_prob, entropy = self.controller.evaluate(batch, condition)
            loss = -(log_prob.sum() + self.ENTROPY * entropy.sum()) / (batch.size > 0).sum()
            self.optimiser.zero_grad()
            torch.autograd.backward(loss)
            self.optimiser.step()

    def _is_fresh(self, version: int) -> bool:
        """Whether the update after ``version`` starts afresh: version + 1 passes a power of ``FRESH_RATIO``."""
        level = math.log(version + 1, self.FRESH_RATIO)
        return version == 0 or math.floor(level + 1e-9) > math.floor(math.log(version, self.FRESH_RATIO) + 1e-9)


def violations(records: Sequence[Record]) -> Floats:
    """(N,) constraint violations, 0 where feasible."""
    return np.array([record.violation for record in records])


def normal_scores(values: Floats, violation: Floats) -> Floats:
    """Each objective's rank in the history on the scale of a standard normal; any infeasible ranks behind.

    Args:
        values: (N, M), minimised.
        violation: (N,), 0 where feasible; infeasible trials rank by it, whatever their values.

    Returns:
        (N, M), smaller is better.
    """
    feasible = violation <= 0
    scores = np.empty_like(values)
    for m in range(values.shape[1]):
        keys = np.where(feasible, values[:, m], violation)
        _, place, count = np.unique(np.stack([~feasible, keys], 1), axis=0, return_inverse=True, return_counts=True)
        middle = (count.cumsum() - count / 2) / len(values)  # ties share the middle of their ranks
        scores[:, m] = torch.special.ndtri(torch.from_numpy(middle)).numpy()[place.reshape(-1)]
    return scores


def scalarise(scores: Floats, preferences: Floats) -> Floats:
    """Augmented Chebyshev distance to the ideal point (Steuer & Choo 1983), smaller is better.

    Args:
        scores: (N, M), minimised.
        preferences: (B, M) weights, >= 0, each row of sum 1.

    Returns:
        (B, N).
    """
    weighted = preferences[:, None] * (scores - scores.min(axis=0))
    return np.asarray(weighted.max(axis=2) + AUGMENTATION * weighted.sum(axis=2))
