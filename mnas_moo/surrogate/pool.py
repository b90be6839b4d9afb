"""The pool: untried networks, what is expected of them, and which one a trial should try.

It is made once a batch of completed trials. Every trial computes the gain of each network in it anew, against the
front as it is then and with running trials counted as finished with the values expected of them, so that ten workers
that ask at once get ten networks that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.history import Record
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate import proposals
from mnas_moo.surrogate.acquisition import expected_gain, normal_cdf, orthant_volume, reach, unit_vectors
from mnas_moo.surrogate.gaussian_process import condition
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
        # r_m = max over the front + margin, unless the user gave one
        worst = (self.front if len(self.front) else surrogate.values).max(axis=0) + settings.reference_margin
        self.reference: Floats = np.where(np.isnan(region), worst, surrogate.scaled(np.nan_to_num(region)))
        parents = surrogate.rows[front] if len(self.front) else surrogate.rows[self._nearest()]
        parts = [  # in the order of SOURCES
            self.encoding.mask(self.encoding.random(rng, settings.random_networks)),
            policy,
            proposals.children(self.encoding, parents, settings.child_networks, settings, rng),
            proposals.neighbours(self.encoding, parents, settings.neighbour_networks, settings, rng),
        ]
        self.rows, self.sources = proposals.refine(
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
        self._index = {row.tobytes(): i for i, row in enumerate(self.rows)}
        self._posterior = surrogate.posterior(self.rows) if len(self.rows) else []

    def rank(self, results: Sequence[Record], running: Sequence[Floats], rng: np.random.Generator) -> Ranking:
        """The pool in the order in which a trial should try it.

        Args:
            results: trials that completed since the pool was made.
            running: rows (D,) of the running trials.
            rng: random generator of the trial.
        """
        surrogate = self.surrogate
        m = len(surrogate.signs)
        if not len(self.rows):
            return Ranking(np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, m)), np.empty((0, m)))
        found = [self._index.get(row.tobytes()) for row in (*self.encoding.encode(results), *running)]
        inside = np.array([i is not None for i in found], dtype=bool)  # (R + running,), those K in the pool
        indices = np.array([i for i in found if i is not None], dtype=np.int64)  # (K,)
        values = np.array([record.values for record in results], dtype=float).reshape(len(results), m)  # (R, M)
        scaled = surrogate.scaled(values)  # (R, M)
        known_variances = surrogate.variances(results)  # (R, M)
        unknown = np.full(len(running), np.nan)

        means, variances = [], []
        feasible: Floats = np.ones(len(self.rows))  # (P,), probability that no constraint is broken
        for j, (quantity, (mean, covariance)) in enumerate(zip(surrogate.quantities, self._posterior, strict=True)):
            process = quantity.process
            noise = np.full(len(found), process.result_noise)  # (R + running,)
            if quantity.limit is None:
                known = scaled[:, j]
                noise[: len(results)] = process.noise + known_variances[:, j]
            else:
                known = np.full(len(results), np.nan)
                if quantity.constraint is not None:
                    k = quantity.constraint
                    known = quantity.scale([r.constraints[k] if k < len(r.constraints) else np.nan for r in results])
            at = np.concatenate([known, unknown])[inside]  # (K,)
            mean, variance = condition(mean, covariance, noise[inside], indices, at)  # (P,), (P,)
            if quantity.limit is None:
                means.append(mean)
                variances.append(variance)
            else:
                # prod_c Phi((limit_c - mean_c) / deviation_c)
                feasible = feasible * normal_cdf((quantity.limit - mean) / np.sqrt(variance))
        mean, variance = np.stack(means, axis=1), np.stack(variances, axis=1)  # (P, M)
        noise = np.array([quantity.process.result_noise for quantity in surrogate.quantities[:m]])  # (M,)
        deviation = np.sqrt(variance + noise)  # (P, M), those of a result; the gain is that of the value without noise

        acquisition = self.settings.acquisition
        if acquisition == "random":
            return Ranking(rng.permutation(len(self.rows)), np.zeros(len(self.rows)), mean, deviation)
        if acquisition == "mean":
            ray = unit_vectors(rng, 1, m)
            far = reach(surrogate.expected(self.rows), self.reference, ray)[:, 0]  # (P,)
            return Ranking(np.argsort(-far, kind="stable"), np.zeros(len(self.rows)), mean, deviation)
        reached = self._reached(results, scaled, known_variances)  # (R, M)
        good = np.array([record.violation <= 0 for record in results], dtype=bool)
        pending = indices[len(indices) - int(inside[len(results) :].sum()) :]
        front = np.concatenate([self.front, reached[good], mean[pending]])  # (F', M)
        rays = unit_vectors(rng, self.settings.gain_rays, m)
        # E[gain] x P(feasible)
        gain = expected_gain(mean, np.sqrt(variance), front, self.reference, rays) * feasible  # (P,)
        return Ranking(np.argsort(-gain, kind="stable"), gain * orthant_volume(m), mean, deviation)

    def _reached(self, results: Sequence[Record], scaled: Floats, variances: Floats) -> Floats:
        """(R, M) where results lie on the model's scales: where the model expects them if they are known to be noisy.

        Args:
            results: trials that completed since the pool was made.
            scaled: (R, M) their values on the model's scales.
            variances: (R, M) known variances of these, 0 where none is known.
        """
        noisy = np.flatnonzero((variances > 0).any(axis=1))  # (K,)
        if not len(noisy):
            return scaled
        reached = scaled.copy()
        posteriors = self.surrogate.posterior(self.encoding.encode([results[i] for i in noisy.tolist()]))
        for m in range(scaled.shape[1]):
            noise = self.surrogate.quantities[m].process.noise + variances[noisy, m]  # (K,)
            mean, _ = condition(*posteriors[m], noise, np.arange(len(noisy)), scaled[noisy, m])
            reached[noisy, m] = np.where(variances[noisy, m] > 0, mean, scaled[noisy, m])
        return reached

    def _nearest(self) -> Integers:
        """Indices of the trials to begin from while none is feasible: those that come closest."""
        expected = self.surrogate.expected(self.surrogate.rows)  # (N, M)
        rays = np.eye(expected.shape[1]) + 1e-3
        best = np.argsort(-reach(expected, expected.max(axis=0), rays), axis=0, kind="stable")[:10]
        return np.unique(best)
