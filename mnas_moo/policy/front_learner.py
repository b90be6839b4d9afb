"""The default learner: a model of the objectives, and a policy for the whole Pareto front that may practise on it.

The model chooses which network is tried (``surrogate/pool.py``). The policy is off unless ``SearchSettings.policy`` is
set: beside the model it has changed no result yet, not with few trials or thousands, conditions or a hundred workers
(docs/sampler.md). Where it is on, every trial draws a preference w, uniform on the simplex, and the controller reads it
at every step. It learns in two ways. By imitation: shown a preference, it is trained towards the networks of the
history that are best under it (pareto-conditioned networks, Reymond et al. 2022, with the cross-entropy method's elite
instead of a return as the target); that uses every trial for every preference and needs no log-probabilities, so trials
of any other sampler serve too. And by PPO on networks never tried, rewarded by the model (DyNA-PPO, Angermueller et al.
2020). Its samples are candidates among others.
"""

from __future__ import annotations

import dataclasses
import functools
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
from mnas_moo.surrogate.pool import Pool
from mnas_moo.surrogate.surrogate import Fit, Surrogate, Transfer
from mnas_moo.surrogate.view import Reader

Floats = npt.NDArray[np.float64]

DOUBLINGS = 63
"""Up to this version, fresh starts come whenever the number of versions has doubled: a start forgets something, and
updates of a short history are quickly made again."""


class FrontLearner(Learner):
    """A model of the objectives, and a policy that imitates the best trials under every preference and practises on it.

    Args:
        seed: seed of the initial weights, the minibatches and the pools.
        signs: M numbers, 1 where an objective is minimised, -1 where it is maximised.
        transfer: trials of another study.
        region: (M,) reference point of the user in the study's units; NaN where there is none.
        settings: settings of the search.
        reader: reads genomes for the model.

    Attributes:
        pool: pool of the newest version; None before the first.
    """

    def __init__(
        self,
        seed: int,
        signs: Sequence[float],
        transfer: Transfer,
        region: Floats,
        settings: SearchSettings,
        reader: Reader,
    ) -> None:
        self.signs = np.array(signs, dtype=float)
        self.transfer, self.region, self.settings, self.reader = transfer, region, settings, reader
        self.pool: Pool | None = None
        self._fits: tuple[int, dict[str, Fit]] = (0, {})
        self._surrogate: tuple[int, Surrogate] | None = None
        s = settings
        self._ppo = PPOSettings(s.learning_rate, s.entropy, s.practice_clip, s.practice_epochs)
        condition = len(signs) if len(signs) > 1 else 0
        super().__init__(seed, s.batch_trials, s.hidden, s.embedding, condition, s.learning_rate)

    def restart(self) -> None:
        """A fresh controller, which has met no decision."""
        super().restart()
        self._grown = 0  # trials whose decisions it has met

    def begin(self, version: int) -> int:
        """The last fresh start before a version."""
        return max(fresh for fresh in range(version) if self._fresh(fresh)) if version else 0

    def learn(self, records: Sequence[Record], version: int) -> None:
        """Makes the policy of a version, then its pool."""
        super().learn(records, version)
        past = self._past(records, version)
        if self._begun(version):
            rng = generator(self.seed, version, "pool")
            surrogate = self._surrogate_of(past, version)
            rows = np.empty((0, len(surrogate.encoding.decisions)))
            if self.settings.policy:
                weights = preferences(rng, self.settings.policy_networks, len(self.signs))  # (B, M)
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
        """Imitation of the trials up to the next version, then practice on the model."""
        version = self.version + 1
        records = self._past(records, version)
        steps = self.settings.imitation_steps
        if self._fresh(self.version):
            self.restart()
            steps = min(steps * version, self.settings.fresh_imitation_steps)
        self.grow(records[self._grown :])
        self._grown = len(records)
        if not self._begun(version) or not self.settings.policy:
            return {}
        self._imitate([record for record in records if record.values is not None], steps)
        return self._practise(self._surrogate_of(records, version))

    def _fresh(self, version: int) -> bool:
        """Whether the update of a version starts with a fresh controller."""
        late = version >= DOUBLINGS and (version + 1) % self.settings.fresh_versions == 0
        return late or _passes(version, 2.0)

    def _begun(self, version: int) -> bool:
        """Whether the first trials are over at a version."""
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

        def model(past: Sequence[Record], fits: dict[str, Fit]) -> Surrogate:
            rng = generator(self.seed, at, "model")
            return Surrogate(past, self.signs, fits, self.transfer, self.settings, rng, self.reader)

        if self._fits[0] != at:
            self._fits = (at, {})
            model(self._past(records, at), self._fits[1])
        # A copy: a quantity that is new since then (a first failure) is fitted anew by each version, as by a replay.
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
            # rank ~ Exponential(mean c sqrt(N)), c = elite_rank: near the best, and the farther the longer the history
            rank = rng.exponential(s.elite_rank * math.sqrt(len(records)), s.minibatch).astype(int)  # (B,)
            rank = np.minimum(rank, len(records) - 1)
            merit = scalarise(scores, weights, s.augmentation)  # (B, N)
            best = np.argpartition(merit, rank.max(), axis=1)[:, : rank.max() + 1]  # a whole sort would cost more
            order = np.argsort(np.take_along_axis(merit, best, axis=1), axis=1, kind="stable")
            b = np.arange(s.minibatch)  # (B,)
            minibatches.append((weights, best[b, order[b, rank]]))  # (B, M), (B,)
        indices = np.unique([chosen for _, chosen in minibatches])  # (I,) indices of all records that are imitated
        genomes = self.controller.genomes([records[i].genome for i in indices.tolist()])
        for weights, chosen in minibatches:
            batch = genomes[torch.from_numpy(np.searchsorted(indices, chosen))]
            log_prob, entropy = self.controller.evaluate(batch, self._condition(weights))  # (B, T), (B, T)
            # loss = -(1/D) sum_bt [ log pi(a_bt | s_bt, w_b) + c H_bt ], D decisions in all, c the entropy's weight
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
            # b_i = -(1/N) sum_n chebyshev(y_n - ideal, w_i): the history under the same preference
            baseline = -chebyshev(history[None], weights[:, None], s.augmentation).mean(axis=1)  # (B, N) -> (B,)
            # R_i = -chebyshev(E[y_i] - ideal, w_i)
            reward = -chebyshev(expected, weights, s.augmentation)  # (B,)
            advantage = reward - baseline  # (B,), A_i = R_i - b_i
            # A_i <- R² (A_i - mean A) / (std A + 1e-6)
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
                baseline=torch.from_numpy(baseline),
            )
            found = dataclasses.asdict(diagnostics)
        return found

    def _sample(
        self, encoding: Encoding, weights: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Genomes, torch.Tensor]:
        """Samples of the policy, one for each preference (B, M).

        Returns:
            Rows (B, D), the same as genomes (B, D), and the log-probability of each of their tokens (B, D), in nats.
        """
        n = len(weights)
        rows = np.full((n, len(encoding.decisions)), ABSENT)
        sizes, tokens = torch.zeros(rows.shape, dtype=torch.long), torch.zeros(rows.shape, dtype=torch.long)
        log_probs = torch.zeros(rows.shape)
        roll = RollOut(self.controller, n, self._condition(weights))
        for j, decision in enumerate(encoding.decisions):
            exists = encoding.exists(rows, j)  # (B,)
            uniform, within = rng.random(n), rng.random(n)  # (B,), (B,)
            present = torch.from_numpy(exists)
            token, log_probs[:, j] = roll.decide(decision, torch.from_numpy(uniform), exists=present)  # (B,), (B,)
            span = decision.spans[token.numpy()]  # (B, 2)
            places = decision.snap(span[:, 0] + within * (span[:, 1] - span[:, 0]))  # (B,)
            rows[exists, j] = places[exists]
            sizes[:, j], tokens[:, j] = present * decision.size, present * token
        # A genome has no gaps: decisions that do not exist go to its end.
        order = torch.sort((sizes == 0).int(), dim=1, stable=True).indices  # (B, D)
        offsets = torch.tensor([self.controller.offsets[decision] for decision in encoding.decisions])
        genomes = Genomes(*(table.gather(1, order) for table in (offsets.expand(n, -1), sizes, tokens)))
        return rows, genomes, log_probs.gather(1, order)

    def _condition(self, weights: Floats) -> torch.Tensor | None:
        """(B, M) preferences as the controller reads them; None where there is one objective."""
        return torch.from_numpy(weights.astype(np.float32)) if len(self.signs) > 1 else None


def _passes(version: int, ratio: float) -> bool:
    """Whether a power of the ratio lies in (version, version + 1]: versions at geometric distances, 0 the first."""
    level = math.log(version + 1, ratio)
    return version == 0 or math.floor(level + 1e-9) > math.floor(math.log(version, ratio) + 1e-9)


def preferences(rng: np.random.Generator, n: int, objectives: int) -> Floats:
    """(n, M) preferences, uniform on the simplex."""
    return rng.dirichlet(np.ones(objectives), n)


def normal_scores(values: Floats, violation: Floats) -> Floats:
    """Each objective's rank in the history as a quantile of the standard normal, infeasible trials last.

    Args:
        values: (N, M), minimised.
        violation: (N,) sum of the violations, 0 where feasible; infeasible trials rank by it, whatever their values.

    Returns:
        (N, M), smaller is better.
    """
    feasible = violation <= 0
    scores = np.empty_like(values)
    for m in range(values.shape[1]):
        keys = np.where(feasible, values[:, m], violation)
        # (N,) group of equal keys, (G,) its size
        _, group, count = np.unique(np.stack([~feasible, keys], 1), axis=0, return_inverse=True, return_counts=True)
        middle = (count.cumsum() - count / 2) / len(values)  # (G,), ties share the middle of their ranks
        # Phi^-1(middle)
        scores[:, m] = torch.special.ndtri(torch.from_numpy(middle)).numpy()[group.reshape(-1)]
    return scores


def scalarise(scores: Floats, preferences: Floats, augmentation: float) -> Floats:
    """(B, N) Chebyshev distances of every score (N, M) under every preference (B, M), smaller is better."""
    # (1, N, M), (B, 1, M) -> (B, N)
    return chebyshev((scores - scores.min(axis=0))[None], preferences[:, None], augmentation)


def chebyshev(distance: Floats, preferences: Floats, augmentation: float) -> Floats:
    """Augmented Chebyshev distance to the ideal point (Steuer & Choo 1983), smaller is better.

    Args:
        distance: (..., M) objectives minus the ideal point's, minimised.
        preferences: (..., M) weights, >= 0, of sum 1.
        augmentation: weight rho of the sum beside the maximum.

    Returns:
        (...,) distances, of the shape that both broadcast to.
    """
    # One array for each objective: numpy is slow along a last axis of two or three.
    weighted = [preferences[..., m] * distance[..., m] for m in range(distance.shape[-1])]
    # max_m w_m d_m + rho sum_m w_m d_m
    return np.asarray(functools.reduce(np.maximum, weighted) + augmentation * functools.reduce(np.add, weighted))
