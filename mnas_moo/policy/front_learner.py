"""The default learner: a policy for the whole Pareto front, and a model on which it practises.

Every trial draws a preference w, uniform on the simplex, and the controller reads it at every step. The policy learns
in two ways. By imitation: shown a preference, it is trained towards the networks of the history that are best under
it (pareto-conditioned networks, Reymond et al. 2022, with the cross-entropy method's elite instead of a return as the
target); that uses every trial for every preference and needs no log-probabilities, so trials of any other sampler
serve too. And by PPO on networks never tried, rewarded by a model of the objectives (DyNA-PPO, Angermueller et al.
2020). The model also chooses what is tried, among the policy's proposals and others (``generation.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo import ppo
from mnas_moo.controller import Genomes, choose
from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.genomes.history import Record, generator
from mnas_moo.policy.learner import Learner
from mnas_moo.ppo import PPOSettings
from mnas_moo.surrogate.gaussian_process import Kernel
from mnas_moo.surrogate.pool import Generation
from mnas_moo.surrogate.surrogate import Beliefs, Transfer

Floats = npt.NDArray[np.float64]

AUGMENTATION = 0.05  # weight of the sum beside the maximum in the Chebyshev scalarisation


class FrontLearner(Learner):
    """A model of the quantities, and a policy that imitates what did best under every preference and practises on it.

    Args:
        seed: of the initial weights, of the minibatches and of the pools.
        signs: one an objective: 1 where it is minimised, -1 where it is maximised.
        transfer: trials of another study.
        region: (M,) reference point in the study's units, NaN where there is none.
        limit: trials that the model sees at most.
    """

    BATCH = 10  # completed trials between two versions
    INITIAL = 20  # trials before anything is learnt
    STEPS = 6  # gradient steps of imitation a version
    MINIBATCH = 32  # preferences a step
    FRESH_RATIO = 2.0  # a fresh start whenever the history has grown by this: what a restart must replay at most
    FRESH_STEPS = 100  # gradient steps of a fresh start, or what an unbroken run had by then
    FIT_RATIO = 1.25  # the model's hyperparameters are fitted whenever the history has grown by this
    ELITE = 0.15  # typical rank of an imitated network, times the square root of the history's length
    ROUNDS = 1  # of practice a version
    ROLLOUTS = 64  # networks a round
    PROPOSED = 200  # networks of the policy in a pool
    PPO = PPOSettings(learning_rate=3e-3, entropy=0.02, clip=0.2, epochs=2)

    def __init__(self, seed: int, signs: Sequence[float], transfer: Transfer, region: Floats, limit: int) -> None:
        self.signs = np.array(signs, dtype=float)
        self.transfer, self.region, self.limit = transfer, region, limit
        self.generation: Generation | None = None
        self._fits: tuple[int, dict[str, Kernel]] = (0, {})
        self._believed: tuple[int, Beliefs] | None = None
        condition = len(signs) if len(signs) > 1 else 0
        super().__init__(seed, self.BATCH, 64, 24, condition, self.PPO.learning_rate)

    def begin(self, version: int) -> int:
        """The last fresh start before a version."""
        return max(fresh for fresh in range(version) if _passes(fresh, self.FRESH_RATIO)) if version else 0

    def learn(self, records: Sequence[Record], version: int) -> None:
        """The policy of a version, then the generation that follows it."""
        super().learn(records, version)
        past = self._past(records, version)
        if self._begun(version):
            rng = generator(self.seed, version, "pool")
            beliefs = self._beliefs(past, version)
            rows = self._rollout(beliefs.encoding, preferences(rng, self.PROPOSED, len(self.signs)), rng)[0]
            others = beliefs.encoding.encode([record for record in past if record.whole and record.values is None])
            tried = {row.tobytes() for row in (*beliefs.encoding.rows, *others)}
            self.generation = Generation(beliefs, rows, tried, self.region, rng)

    def update(self, records: Sequence[Record]) -> None:
        """Imitation of all trials up to the next version, then practice on what is believed of all others."""
        version = self.version + 1
        records = self._past(records, version)
        steps = self.STEPS
        if _passes(self.version, self.FRESH_RATIO):
            self.restart()
            steps = min(self.STEPS * version, self.FRESH_STEPS)
        self.grow(records)
        if self._begun(version):
            self._imitate([record for record in records if record.values is not None], steps)
            self._practise(self._beliefs(records, version))

    def _begun(self, version: int) -> bool:
        return version * self.batch >= self.INITIAL

    def _past(self, records: Sequence[Record], version: int) -> Sequence[Record]:
        """The trials up to the one that completed the version's last batch."""
        done = 0
        for end, record in enumerate(records):
            if done == version * self.batch:
                return records[:end]
            done += record.values is not None
        return records

    def _beliefs(self, records: Sequence[Record], version: int) -> Beliefs:
        """The model of a version; its hyperparameters are those of the last version at which they are fitted."""
        if self._believed is not None and self._believed[0] == version:
            return self._believed[1]
        first = math.ceil(self.INITIAL / self.batch)
        at = max(v for v in range(first, version + 1) if v == first or _passes(v, self.FIT_RATIO))

        def believe(past: Sequence[Record], fits: dict[str, Kernel]) -> Beliefs:
            rng = generator(self.seed, at, "model")
            return Beliefs(past, self.signs, fits, self.transfer, self.limit, rng)

        if self._fits[0] != at:
            self._fits = (at, {})
            believe(self._past(records, at), self._fits[1])
        # A copy: what is new since then (a first failure) is fitted anew each time, as a replay would.
        self._believed = version, believe(records, dict(self._fits[1]))
        return self._believed[1]

    def _imitate(self, records: Sequence[Record], steps: int) -> None:
        """Gradient steps towards the networks that are best under random preferences."""
        rng = generator(self.seed, self.version, "imitation")
        values = np.array([record.values for record in records]) * self.signs
        scores = normal_scores(values, np.array([record.violation for record in records]))
        lessons = []
        for _ in range(steps):
            weights = preferences(rng, self.MINIBATCH, len(self.signs))
            rank = rng.exponential(self.ELITE * math.sqrt(len(records)), self.MINIBATCH).astype(int)
            rank = np.minimum(rank, len(records) - 1)
            merit = scalarise(scores, weights)
            best = np.argpartition(merit, rank.max(), axis=1)[:, : rank.max() + 1]  # a whole sort would cost more
            order = np.argsort(np.take_along_axis(merit, best, axis=1), axis=1, kind="stable")
            each = np.arange(self.MINIBATCH)
            lessons.append((weights, best[each, order[each, rank]]))
        wanted = np.unique([chosen for _, chosen in lessons])
        genomes = self.controller.genomes([records[i].genome for i in wanted.tolist()])
        for weights, chosen in lessons:
            batch = genomes[torch.from_numpy(np.searchsorted(wanted, chosen))]
            log_prob, entropy = self.controller.evaluate(batch, self._condition(weights))
            loss = -(log_prob.sum() + self.PPO.entropy * entropy.sum()) / (batch.size > 0).sum()
            self.optimiser.zero_grad()
            torch.autograd.backward(loss)
            self.optimiser.step()

    def _practise(self, beliefs: Beliefs) -> None:
        """PPO on the model instead of on trials (DyNA-PPO, Angermueller et al. 2020).

        The model's own error, each trial predicted from the others, decides how far a round moves the policy.
        """
        rng = generator(self.seed, self.version, "practice")
        ideal = beliefs.values.min(axis=0)
        history = beliefs.values - ideal
        for _ in range(self.ROUNDS):
            weights = preferences(rng, self.ROLLOUTS, len(self.signs))
            rows, genomes, log_probs = self._rollout(beliefs.encoding, weights, rng)
            expected = beliefs.expected(rows) - ideal
            usual = chebyshev(history[None], weights[:, None]).mean(axis=1)
            advantage = usual - chebyshev(expected, weights)
            advantage = beliefs.trust * (advantage - advantage.mean()) / (advantage.std() + 1e-6)
            gain = torch.from_numpy(advantage.astype(np.float32))
            condition = self._condition(weights)
            ppo.update(self.controller, self.optimiser, self.PPO, genomes, log_probs, gain, condition)

    @torch.no_grad()
    def _rollout(
        self, encoding: Encoding, weights: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Genomes, torch.Tensor]:
        """Samples of the policy: rows (B, D), the same as genomes, and (B, D) the log-probabilities of the tokens."""
        n = len(weights)
        condition = self._condition(weights)
        rows = np.full((n, len(encoding.decisions)), ABSENT)
        sizes, tokens = torch.zeros(rows.shape, dtype=torch.long), torch.zeros(rows.shape, dtype=torch.long)
        log_probs = torch.zeros(rows.shape)
        last, state = self.controller.start(n)
        for j, decision in enumerate(encoding.decisions):
            exists = encoding.exists(rows, j)
            uniform, within = rng.random(n), rng.random(n)
            log_prob, next_state = self.controller.step(last, state, decision, condition)
            token = choose(log_prob, torch.from_numpy(uniform))
            there = torch.from_numpy(exists)
            last = torch.where(there, token + self.controller.rows[decision], last)
            hidden, cell = (torch.where(there[:, None], a, b) for a, b in zip(next_state, state, strict=True))
            state = hidden, cell
            span = decision.spans[token.numpy()]
            places = decision.snap(span[:, 0] + within * (span[:, 1] - span[:, 0]))
            rows[exists, j] = places[exists]
            sizes[:, j], tokens[:, j] = there * decision.size, there * token
            log_probs[:, j] = torch.where(there, log_prob.gather(1, token[:, None])[:, 0], 0.0)
        # A genome has no gaps: what does not exist goes to its end.
        order = torch.sort((sizes == 0).int(), dim=1, stable=True).indices
        first = torch.tensor([self.controller.rows[decision] for decision in encoding.decisions])
        genomes = Genomes(*(table.gather(1, order) for table in (first.expand(n, -1), sizes, tokens)))
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


def scalarise(scores: Floats, preferences: Floats) -> Floats:
    """Every score (N, M) under every preference (B, M), smaller is better: (B, N)."""
    return chebyshev((scores - scores.min(axis=0))[None], preferences[:, None])


def chebyshev(distance: Floats, preferences: Floats) -> Floats:
    """Augmented Chebyshev distance to the ideal point (Steuer & Choo 1983), smaller is better.

    Args:
        distance: (..., M) of each objective to the ideal, minimised.
        preferences: (..., M) weights, >= 0, of sum 1.

    Returns:
        (...,) of the shape that both broadcast to.
    """
    weighted = preferences * distance
    return np.asarray(weighted.max(axis=-1) + AUGMENTATION * weighted.sum(axis=-1))
