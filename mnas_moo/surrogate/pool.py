"""A generation: a pool of untried networks, what is believed of them, and which one a trial should try.

The pool is made once a batch of finished trials. At every ask the gain of each network in it is judged anew, against
the front as it is now and with what is running counted as known (at the value expected of it), so that ten workers
that ask at once are given ten networks that differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.history import Record
from mnas_moo.surrogate import proposals
from mnas_moo.surrogate.acquisition import directions, expected_gain, normal_cdf, reach
from mnas_moo.surrogate.gaussian_process import condition
from mnas_moo.surrogate.surrogate import Beliefs

Floats = npt.NDArray[np.float64]

POOL = 500  # networks
ROUNDS = 3  # of the evolutionary search on the model
DIRECTIONS = 64  # a trial looks along
MARGIN = 1.0  # of the reference point behind the front's worst, in deviations of the history


class Generation:
    """The pool that follows a version of the learner.

    Args:
        beliefs: of the model.
        policy: (N, D) rows that the policy proposes.
        tried: rows that were tried, as bytes.
        region: (M,) the reference point of the user in the study's units; NaN where there is none.
        rng: of the pool.
    """

    def __init__(
        self, beliefs: Beliefs, policy: Floats, tried: set[bytes], region: Floats, rng: np.random.Generator
    ) -> None:
        self.beliefs, self.encoding = beliefs, beliefs.encoding
        front = beliefs.front
        self.front: Floats = beliefs.fitted[front]
        worst = (self.front if len(self.front) else beliefs.values).max(axis=0) + MARGIN
        self.reference: Floats = np.where(np.isnan(region), worst, beliefs.scaled(np.nan_to_num(region)))
        parents = beliefs.rows[front] if len(self.front) else beliefs.rows[self._nearest()]
        pool = np.concatenate(
            [
                self.encoding.mask(self.encoding.random(rng, proposals.RANDOM)),
                policy,
                proposals.children(self.encoding, parents, POOL, rng),
                proposals.neighbours(self.encoding, parents, POOL, rng),
            ]
        )
        self.pool: Floats = proposals.refine(
            self.encoding, pool, parents, tried, beliefs.expected, self.reference, POOL, ROUNDS, rng
        )
        self._index = {row.tobytes(): i for i, row in enumerate(self.pool)}
        self._posterior = beliefs.posterior(self.pool) if len(self.pool) else []

    def order(self, results: Sequence[Record], running: Sequence[Floats], rng: np.random.Generator) -> Floats:
        """The pool's rows (P, D), those with the largest expected gain first.

        Args:
            results: trials that completed since the pool was made.
            running: rows of those under way.
            rng: of the trial.
        """
        if not len(self.pool):
            return self.pool
        beliefs = self.beliefs
        encoded = self.encoding.encode(results)
        places = [self._index.get(row.tobytes()) for row in (*encoded, *running)]
        inside = np.array([place is not None for place in places], dtype=bool)
        rows = np.array([place for place in places if place is not None], dtype=np.int64)
        m = len(beliefs.signs)
        values = np.array([record.values for record in results], dtype=float).reshape(len(results), m)
        scaled = beliefs.scaled(values)
        unknown = np.full(len(running), np.nan)

        means, deviations = [], []
        feasible: Floats = np.ones(len(self.pool))
        for j, (quantity, (mean, covariance)) in enumerate(zip(beliefs.quantities, self._posterior, strict=True)):
            if quantity.limit is None:
                known = scaled[:, j]
            else:
                known = np.full(len(results), np.nan)
                if quantity.constraint is not None:
                    k = quantity.constraint
                    known = quantity.scale([r.constraints[k] if k < len(r.constraints) else np.nan for r in results])
            at = np.concatenate([known, unknown])[inside]
            mean, variance = condition(mean, covariance, quantity.process.noise, rows, at)
            if quantity.limit is None:
                means.append(mean)
                deviations.append(np.sqrt(variance))
            else:
                feasible = feasible * normal_cdf((quantity.limit - mean) / np.sqrt(variance))
        mean, deviation = np.stack(means, axis=1), np.stack(deviations, axis=1)

        good = np.array([record.violation <= 0 for record in results], dtype=bool)
        pending = rows[len(rows) - int(inside[len(results) :].sum()) :]
        front = np.concatenate([self.front, scaled[good], mean[pending]])
        u = directions(rng, DIRECTIONS, m)
        gain = expected_gain(mean, deviation, front, self.reference, u) * feasible
        return np.asarray(self.pool[np.argsort(-gain, kind="stable")])

    def _nearest(self) -> npt.NDArray[np.int64]:
        """Trials to begin from while none is feasible: those that come closest."""
        beliefs = self.beliefs
        expected = beliefs.expected(beliefs.rows)
        u = np.eye(expected.shape[1]) + 1e-3
        best = np.argsort(-reach(expected, expected.max(axis=0), u), axis=0, kind="stable")[:10]
        return np.unique(best)
