"""The default learner: a policy for the whole Pareto front, and a model on which it practises.

Every trial draws a preference w, uniform on the simplex, and the controller reads it at every step. The policy learns
in two ways. By imitation: shown a preference, it is trained towards the networks of the history that are best under
it (pareto-conditioned networks, Reymond et al. 2022, with the cross-entropy method's elite instead of a return as the
target); that uses every trial for every preference and needs no log-probabilities, so trials of any other sampler
serve too. And by PPO on networks never tried, rewarded by a model of the objectives (DyNA-PPO, Angermueller et al.
2020). The model also chooses what is tried, among the policy's proposals and others (``surrogate/pool.py``).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo import ppo
from mnas_moo.controller import Genomes, RollOut
from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.genomes.history import Record, generator
from mnas_moo.policy.learner import Learner
from mnas_moo.ppo import PPOSettings
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.gaussian_process import Kernel
from mnas_moo.surrogate.pool import Pool
from mnas_moo.surrogate.surrogate import Surrogate, Transfer

Floats = npt.NDArray[np.float64]


class FrontLearner(Learner):
    """A model of the quantities, and a policy that imitates what did best under every preference and practises on it.

    Args:
        seed: seed of the initial weights, the minibatches and the pools.
        signs: M numbers, 1 where an objective is minimised, -1 where it is maximised.
        transfer: trials of another study.
        region: (M,) reference point in the study's units, NaN where there is none.
        settings: all numbers of the search.

    Attributes:
        pool: pool that follows the newest version; None until the first.
    """

    def __init__(
        self, seed: int, signs: Sequence[float], transfer: Transfer, region: Floats, settings: SearchSettings
    ) -> None:
        self.signs = np.array(signs, dtype=float)
        self.transfer, self.region, self.settings = transfer, region, settings
        self.pool: Pool | None = None
        self._fits: tuple[int, dict[str, Kernel]] = (0, {})
        self._surrogate: tuple[int, Surrogate] | None = None
        s = settings
        self._ppo = PPOSettings(s.learning_rate, s.entropy, s.practice_clip, s.practice_epochs)
        condition = len(signs) if len(signs) > 1 else 0
        super().__init__(seed, s.batch_trials, s.hidden, s.embedding, condition, s.learning_rate)

    def begin(self, version: int) -> int:
        """The last fresh start before a version."""
        ratio = self.settings.fresh_ratio
        return max(fresh for fresh in range(version) if _passes(fresh, ratio)) if version else 0

    def learn(self, records: Sequence[Record], version: int) -> None:
        """The policy of a version, then the pool that follows it."""
        super().learn(records, version)
        past = self._past(records, version)
        if self._begun(version):
            rng = generator(self.seed, version, "pool")
            surrogate = self._surrogate_of(past, version)
            weights = preferences(rng, self.settings.policy_networks, len(self.signs))
            rows = self._sample(surrogate.encoding, weights, rng)[0]
            others = surrogate.encoding.encode([record for record in past if record.whole and record.values is None])
            tried = {row.tobytes() for row in (*surrogate.encoding.rows, *others)}
            self.pool = Pool(surrogate, rows, tried, self.region, self.settings, rng)
            self.diagnostics[version] = {
                **self.diagnostics.get(version, {}),
                "model": [dataclasses.asdict(quality) for quality in surrogate.quality()],
                "scales": [dataclasses.asdict(scale) for scale in surrogate.scales],
                "reference": self.pool.reference.tolist(),
            }

    def update(self, records: Sequence[Record]) -> Mapping[str, Any]:
        """Imitation of all trials up to the next version, then practice on what is expected of all others."""
        version = self.version + 1
        records = self._past(records, version)
        steps = self.settings.imitation_steps
        if _passes(self.version, self.settings.fresh_ratio):
            self.restart()
            steps = min(steps * version, self.settings.fresh_imitation_steps)
        self.grow(records)
        if not self._begun(version):
            return {}
        self._imitate([record for record in records if record.values is not None], steps)
        return self._practise(self._surrogate_of(records, version))

    def _begun(self, version: int) -> bool:
        return version * self.batch >= self.settings.initial_trials

    def _past(self, records: Sequence[Record], version: int) -> Sequence[Record]:
        """The trials up to the one that completed the version's last batch."""
        done = 0
        for end, record in enumerate(records):
            if done == version * self.batch:
                return records[:end]
            done += record.values is not None
        return records

    def _surrogate_of(self, records: Sequence[Record], version: int) -> Surrogate:
        """The model of a version; its hyperparameters are those of the last version at which they are fitted."""
        if self._surrogate is not None and self._surrogate[0] == version:
            return self._surrogate[1]
        first = math.ceil(self.settings.initial_trials / self.batch)
        at = max(v for v in range(first, version + 1) if v == first or _passes(v, self.settings.fit_ratio))

        def model(past: Sequence[Record], fits: dict[str, Kernel]) -> Surrogate:
            rng = generator(self.seed, at, "model")
            return Surrogate(past, self.signs, fits, self.transfer, self.settings, rng)

        if self._fits[0] != at:
            self._fits = (at, {})
            model(self._past(records, at), self._fits[1])
        # A copy: what is new since then (a first failure) is fitted anew each time, as a replay would.
        self._surrogate = version, model(records, dict(self._fits[1]))
        return self._surrogate[1]

    def _imitate(self, records: Sequence[Record], steps: int) -> None:
        """Gradient steps towards the networks that are best under random preferences."""
        if not steps:
            return
        s = self.settings
        rng = generator(self.seed, self.version, "imitation")
        values = np.array([record.values for record in records]) * self.signs  # (N, M), minimised
        scores = normal_scores(values, np.array([record.violation for record in records]))  # (N, M)
        minibatches = []
        for _ in range(steps):
            weights = preferences(rng, s.minibatch, len(self.signs))  # (B, M)
            # rank ~ Exponential(mean c sqrt(N)): near the best, and the farther the longer the history
            rank = rng.exponential(s.elite_rank * math.sqrt(len(records)), s.minibatch).astype(int)  # (B,)
            rank = np.minimum(rank, len(records) - 1)
            merit = scalarise(scores, weights, s.augmentation)  # (B, N)
            best = np.argpartition(merit, rank.max(), axis=1)[:, : rank.max() + 1]  # a whole sort would cost more
            order = np.argsort(np.take_along_axis(merit, best, axis=1), axis=1, kind="stable")
            each = np.arange(s.minibatch)
            minibatches.append((weights, best[each, order[each, rank]]))
        indices = np.unique([chosen for _, chosen in minibatches])  # of all records that are imitated
        genomes = self.controller.genomes([records[i].genome for i in indices.tolist()])
        for weights, chosen in minibatches:
            batch = genomes[torch.from_numpy(np.searchsorted(indices, chosen))]
            log_prob, entropy = self.controller.evaluate(batch, self._condition(weights))  # (B, T), (B, T)
            # loss = -(1/D) sum_bt [ log pi(a_bt | s_bt, w_b) + c H_bt ]
            loss = -(log_prob.sum() + s.entropy * entropy.sum()) / (batch.size > 0).sum()
            self.optimiser.zero_grad()
            torch.autograd.backward(loss)
            self.optimiser.step()

    def _practise(self, surrogate: Surrogate) -> Mapping[str, Any]:
        """PPO on the model instead of on trials (DyNA-PPO, Angermueller et al. 2020).

        The model's leave-one-out R² decides how far a round moves the policy. Returns the last round's diagnostics.
        """
        s = self.settings
        rng = generator(self.seed, self.version, "practice")
        ideal = surrogate.values.min(axis=0)  # (M,)
        history = surrogate.values - ideal  # (N, M)
        found: Mapping[str, Any] = {}
        for _ in range(s.practice_rounds):
            weights = preferences(rng, s.practice_networks, len(self.signs))  # (B, M)
            rows, genomes, log_probs = self._sample(surrogate.encoding, weights, rng)
            expected = surrogate.expected(rows) - ideal  # (B, M)
            # R = -chebyshev(E[y], w), and its baseline the mean of the history under the same preference
            usual = chebyshev(history[None], weights[:, None], s.augmentation).mean(axis=1)  # (B, N) -> (B,)
            reward = -chebyshev(expected, weights, s.augmentation)  # (B,)
            advantage = usual + reward
            # A = R2 (A - mean A) / (std A + 1e-6)
            advantage = surrogate.r2 * (advantage - advantage.mean()) / (advantage.std() + 1e-6)
            diagnostics = ppo.update(
                self.controller,
                self.optimiser,
                self._ppo,
                genomes,
                log_probs,
                torch.from_numpy(advantage.astype(np.float32)),
                self._condition(weights),
                reward=torch.from_numpy(reward),
                baseline=torch.from_numpy(-usual),
            )
            found = dataclasses.asdict(diagnostics)
        return found

    def _sample(
        self, encoding: Encoding, weights: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Genomes, torch.Tensor]:
        """Samples of the policy: rows (B, D), the same as genomes, and (B, D) the log-probabilities of the tokens."""
        n = len(weights)
        rows = np.full((n, len(encoding.decisions)), ABSENT)
        sizes, tokens = torch.zeros(rows.shape, dtype=torch.long), torch.zeros(rows.shape, dtype=torch.long)
        log_probs = torch.zeros(rows.shape)
        roll = RollOut(self.controller, n, self._condition(weights))
        for j, decision in enumerate(encoding.decisions):
            exists = encoding.exists(rows, j)  # (B,)
            uniform, within = rng.random(n), rng.random(n)
            there = torch.from_numpy(exists)
            token, log_probs[:, j] = roll.decide(decision, torch.from_numpy(uniform), exists=there)
            span = decision.spans[token.numpy()]  # (B, 2)
            places = decision.snap(span[:, 0] + within * (span[:, 1] - span[:, 0]))
            rows[exists, j] = places[exists]
            sizes[:, j], tokens[:, j] = there * decision.size, there * token
        # A genome has no gaps: what does not exist goes to its end.
        order = torch.sort((sizes == 0).int(), dim=1, stable=True).indices  # (B, D)
        offsets = torch.tensor([self.controller.offsets[decision] for decision in encoding.decisions])
        genomes = Genomes(*(table.gather(1, order) for table in (offsets.expand(n, -1), sizes, tokens)))
        return rows, genomes, log_probs.gather(1, order)

    def _condition(self, weights: Floats) -> torch.Tensor | None:
        return torch.from_numpy(weights.astype(np.float32)) if len(self.signs) > 1 else None


def _passes(version: int, ratio: float) -> bool:
    """Whether version + 1 passes a power of a ratio: geometrically spaced versions, 0 the first."""
    level = math.log(version + 1, ratio)
    return version == 0 or math.floor(level + 1e-9) > math.floor(math.log(version, ratio) + 1e-9)


def preferences(rng: np.random.Generator, n: int, objectives: int) -> Floats:
    """(n, M) preferences, uniform on the simplex."""
    return rng.dirichlet(np.ones(objectives), n)


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


def scalarise(scores: Floats, preferences: Floats, augmentation: float) -> Floats:
    """Every score (N, M) under every preference (B, M), smaller is better: (B, N)."""
    return chebyshev((scores - scores.min(axis=0))[None], preferences[:, None], augmentation)


def chebyshev(distance: Floats, preferences: Floats, augmentation: float) -> Floats:
    """Augmented Chebyshev distance to the ideal point (Steuer & Choo 1983), smaller is better.

    Args:
        distance: (..., M) distance of each objective to the ideal, minimised.
        preferences: (..., M) weights, >= 0, of sum 1.
        augmentation: weight of the sum beside the maximum.

    Returns:
        (...,) the shape that both broadcast to.
    """
    weighted = preferences * distance
    # max_m w_m d_m + rho sum_m w_m d_m
    return np.asarray(weighted.max(axis=-1) + augmentation * weighted.sum(axis=-1))
