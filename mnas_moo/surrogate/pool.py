"""The pool: untried networks, what is expected of them, and which one a trial should try.

It is made once a batch of completed trials: the neighbours of the front, and in every second batch networks from all of
the space as well. Neighbours are what the model knows best, and where it is poor they are all that it should be asked
about (Pareto local search); where decisions are many, they are too few. A result that reaches the front brings its own
neighbours into the pool at once. Every trial computes the gain of each network anew, against the front as it is then
and with running trials counted as finished with the values expected of them, so that ten workers that ask at once get
ten networks that differ. The less the model explains, the more trials look along one random ray instead of at the whole
front, which keeps a poor model from spending all trials on one end of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.history import Record
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate import proposals
from mnas_moo.surrogate.acquisition import exact_gain, expected_gain, normal_cdf, orthant_volume, reach, unit_vectors
from mnas_moo.surrogate.gaussian_process import Posterior
from mnas_moo.surrogate.proposals import NEIGHBOUR, RANDOM
from mnas_moo.surrogate.surrogate import Surrogate

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """The pool as one trial sees it.

    Attributes:
        order: (P,) indices into the pool, the one to be tried first.
        gain: (P,) expected gain in hypervolume, on the model's scales; 0 for the other acquisitions.
        mean: (P, M) expected objectives on the model's scales, minimised.
        deviation: (P, M) their standard deviations, with the noise of a result.
    """

    order: Integers
    gain: Floats
    mean: Floats
    deviation: Floats


def efficient(front: Floats, largest_trade: float) -> npt.NDArray[np.bool_]:
    """(F,) which members of a front are properly efficient (Geoffrion 1968).

    One that is a trifle better than all others in one objective, and far worse in another, is of no interest: a broken
    network that is fast. A member counts if no other is better once a deviation of one objective is worth at least
    1 / ``largest_trade`` of each other.

    Args:
        front: (F, M) values, minimised.
        largest_trade: deviations of one objective that a deviation of another may cost.
    """
    m = front.shape[1]
    mixed = front @ (np.eye(m) + (1 - np.eye(m)) / largest_trade)  # (F, M)
    return pareto_mask(mixed)


class Pool:
    """The pool that follows a version of the learner.

    Args:
        surrogate: model of the objectives.
        policy: (N, D) rows that the policy proposes.
        tried: rows that were tried, as bytes.
        region: (M,) reference point of the user in the study's units; NaN where there is none.
        settings: settings of the search; the pool reads its sizes and the acquisition.
        rng: random generator of the pool.

    Attributes:
        rows: (P, D) the networks, as rows of the encoding.
        sources: (P,) source of each, an index into ``proposals.SOURCES``.
        front: (F, M) the front on the model's scales, minimised.
        reference: (M,) the reference point on the model's scales.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        policy: Floats,
        tried: set[bytes],
        region: Floats,
        settings: SearchSettings,
        rng: np.random.Generator,
    ) -> None:
        self.surrogate, self.encoding, self.settings = surrogate, surrogate.encoding, settings
        front = surrogate.front
        self.front: Floats = surrogate.fitted[front]  # (F, M)
        # r_m = max over the front's efficient members + margin + c e_m, unless the user gave one; e_m is the root mean
        # square of the leave-one-out errors: where an objective is poorly known, so are the ends of the front
        known = self.front if len(self.front) else surrogate.values
        errors = [np.sqrt(np.square(quantity.process.left_out).mean()) for quantity in surrogate.objectives]
        worst = (
            known[efficient(known, settings.largest_trade)].max(axis=0)
            + settings.reference_margin
            + settings.reference_errors * np.array(errors)
        )
        self.reference: Floats = np.where(np.isnan(region), worst, surrogate.scaled(np.nan_to_num(region)))
        parents = surrogate.rows[front] if len(self.front) else surrogate.rows[self._nearest()]
        self.rows, self.sources = np.empty((0, parents.shape[1])), np.empty(0, dtype=np.int64)
        self._taken = set(tried)  # and those that were ever in the pool
        self._posterior: list[Posterior] = []
        self._followed = 0  # results whose neighbours were considered
        self._seed = int(rng.integers(2**31))
        batches = len(surrogate.numbers) // settings.batch_trials
        if len(surrogate.numbers) < settings.global_trials or batches % 2:
            parts = [  # in the order of SOURCES
                self.encoding.mask(self.encoding.random(rng, settings.random_networks)),
                policy,
                proposals.children(self.encoding, parents, settings.child_networks, settings, rng),
            ]
            rows, sources = proposals.refine(
                self.encoding,
                np.concatenate(parts),
                np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
                parents,
                tried,
                surrogate.expected,
                self.reference,
                settings,
                rng,
            )
            self._add(rows, sources)
        self._add_neighbours(parents, rng)
        if not len(self.rows):
            rows = self.encoding.mask(self.encoding.random(rng, settings.random_networks))
            self._add(rows, np.full(len(rows), RANDOM))
        self._keep_the_best(rng)

    def _keep_the_best(self, rng: np.random.Generator) -> None:
        """Leaves the networks with the largest gains; a batch tries ten of them."""
        if len(self.rows) <= self.settings.kept_networks or self.settings.acquisition != "gain":
            return
        mean, variance, feasible = self._joint([(points.mean, points.variance) for points in self._posterior])
        gain = self._gain(mean, variance, self.front, self.settings.gain_rays, rng) * feasible
        kept = np.sort(np.argsort(-gain, kind="stable")[: self.settings.kept_networks])
        self.rows, self.sources = self.rows[kept], self.sources[kept]
        self._posterior = [points[kept] for points in self._posterior]

    def _joint(self, known: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
        """What is known of the pool by quantity, (P,) means and variances each, as one.

        Returns:
            (P, M) means and (P, M) variances of the objectives, and (P,) probabilities that no constraint is broken.
        """
        m = len(self.surrogate.signs)
        feasible: Floats = np.ones(len(self.rows))
        for quantity, (mean, variance) in zip(self.surrogate.quantities, known, strict=True):
            if quantity.limit is not None:  # prod_c Phi((limit_c - mean_c) / deviation_c)
                feasible = feasible * normal_cdf((quantity.limit - mean) / np.sqrt(variance))
        means, variances = (np.stack(each, axis=1) for each in zip(*known[:m], strict=True))
        return means, variances, feasible

    def _gain(self, mean: Floats, variance: Floats, front: Floats, rays: int, rng: np.random.Generator) -> Floats:
        """(P,) expected gains in hypervolume: exact for up to two objectives, unless it is along a lone ray."""
        m = mean.shape[1]
        if m <= 2 and rays > 1:
            return exact_gain(mean, np.sqrt(variance), front, self.reference)
        directions = unit_vectors(rng, rays, m)
        return expected_gain(mean, np.sqrt(variance), front, self.reference, directions) * orthant_volume(m)

    def _add_neighbours(self, parents: Floats, rng: np.random.Generator) -> None:
        """Adds the untried networks one decision away from parents (N, D)."""
        settings = self.settings
        rows = proposals.neighbours(self.encoding, parents, settings.neighbour_networks, settings, rng)
        self._add(rows, np.full(len(rows), NEIGHBOUR))

    def _add(self, rows: Floats, sources: Integers) -> None:
        """Adds those of rows (N, D), with sources (N,), that are new and untried."""
        kept = proposals.distinct(rows, self._taken)
        if not len(kept):
            return
        rows = rows[kept]
        self._taken |= {row.tobytes() for row in rows}
        self.rows = np.concatenate([self.rows, rows])
        self.sources = np.concatenate([self.sources, sources[kept]])
        more = self.surrogate.posterior(rows)
        known = self._posterior
        self._posterior = [a.joined(b) for a, b in zip(known, more, strict=True)] if known else more

    def _follow(self, results: Sequence[Record], scaled: Floats) -> None:
        """Adds the neighbours of results that are on the front as it was when they came.

        Args:
            results: trials that completed since the pool was made.
            scaled: (R, M) their values on the model's scales. Not where the model expects them, which depends on the
                results that came after.
        """
        for i in range(self._followed, len(results)):
            if results[i].violation <= 0:
                before = np.concatenate([self.front, scaled[:i][[r.violation <= 0 for r in results[:i]]]])
                if not (before <= scaled[i]).all(axis=1).any():
                    rng = np.random.default_rng([self._seed, results[i].number])
                    self._add_neighbours(self.encoding.encode([results[i]]), rng)
        self._followed = len(results)

    def rank(self, results: Sequence[Record], running: Sequence[Floats], rng: np.random.Generator) -> Ranking:
        """The pool in the order in which a trial should try it.

        Args:
            results: trials that completed since the pool was made.
            running: rows (D,) of the running trials.
            rng: random generator of the trial.
        """
        surrogate = self.surrogate
        m = len(surrogate.signs)
        values = np.array([record.values for record in results], dtype=float).reshape(len(results), m)  # (R, M)
        scaled = surrogate.scaled(values)  # (R, M)
        known_variances = surrogate.variances(results)  # (R, M)
        self._follow(results, scaled)
        if not len(self.rows):
            return Ranking(np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, m)), np.empty((0, m)))
        places = np.concatenate(
            [self.encoding.encode(results), np.reshape(running, (len(running), self.rows.shape[1]))]
        )
        at = surrogate.posterior(places) if len(places) else self._posterior  # K = R + running points a quantity
        unknown = np.full(len(running), np.nan)

        found, pending = [], []
        for j, (quantity, points, there) in enumerate(zip(surrogate.quantities, self._posterior, at, strict=True)):
            process = quantity.process
            noise = np.full(len(places), process.result_noise)  # (K,)
            if quantity.limit is None:
                known = scaled[:, j]
                noise[: len(results)] = process.noise + known_variances[:, j]
            else:
                known = np.full(len(results), np.nan)
                if quantity.constraint is not None:
                    k = quantity.constraint
                    known = quantity.scale([r.constraints[k] if k < len(r.constraints) else np.nan for r in results])
            found.append(process.given(points, there, noise, np.concatenate([known, unknown])))  # (P,), (P,)
            if running and quantity.limit is None:
                r = len(results)
                pending.append(process.given(there[r:], there[:r], noise[:r], known)[0])  # (running,)
        mean, variance, feasible = self._joint(found)
        noise = np.array([quantity.process.result_noise for quantity in surrogate.objectives])  # (M,)
        deviation = np.sqrt(variance + noise)  # (P, M), those of a result; the gain is that of the value without noise

        acquisition = self.settings.acquisition
        if acquisition == "random":
            return Ranking(rng.permutation(len(self.rows)), np.zeros(len(self.rows)), mean, deviation)
        if acquisition == "mean":
            ray = unit_vectors(rng, 1, m)
            far = reach(surrogate.expected(self.rows), self.reference, ray)[:, 0]  # (P,)
            return Ranking(np.argsort(-far, kind="stable"), np.zeros(len(self.rows)), mean, deviation)
        reached = self._reached(at, scaled, known_variances)  # (R, M)
        good = np.array([record.violation <= 0 for record in results], dtype=bool)
        front = np.concatenate(
            [self.front, reached[good], *([np.stack(pending, axis=1)] if running else [])]
        )  # (F', M)
        # A poor model may see the largest gain in one part of the front again and again: the less it is to be trusted,
        # the more trials look along one ray alone.
        trust = min(quantity.process.r2 for quantity in surrogate.objectives)
        lone = m > 1 and rng.random() > trust
        gain = self._gain(mean, variance, front, 1 if lone else self.settings.gain_rays, rng) * feasible
        return Ranking(np.lexsort((mean.sum(axis=1), -gain)), gain, mean, deviation)

    def _reached(self, at: Sequence[Posterior], scaled: Floats, variances: Floats) -> Floats:
        """(R, M) where results lie on the model's scales: where the model expects them if they are known to be noisy.

        Args:
            at: what was known of each quantity at the results, before them; others may follow.
            scaled: (R, M) their values on the model's scales.
            variances: (R, M) known variances of these, 0 where none is known.
        """
        noisy = np.flatnonzero((variances > 0).any(axis=1))  # (K,)
        if not len(noisy):
            return scaled
        reached = scaled.copy()
        for m, quantity in enumerate(self.surrogate.objectives):
            process = quantity.process
            noise = process.noise + variances[noisy, m]  # (K,)
            there = at[m][noisy]
            mean, _ = process.given(there, there, noise, scaled[noisy, m])
            reached[noisy, m] = np.where(variances[noisy, m] > 0, mean, scaled[noisy, m])
        return reached

    def _nearest(self) -> Integers:
        """Indices of the trials to begin from while none is feasible: those that come closest."""
        expected = self.surrogate.expected(self.surrogate.rows)  # (N, M)
        rays = np.eye(expected.shape[1]) + 1e-3
        best = np.argsort(-reach(expected, expected.max(axis=0), rays), axis=0, kind="stable")[:10]
        return np.unique(best)
