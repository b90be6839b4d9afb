"""A network's time as a Gaussian process of which sums over operations are observed.

An operation's time is a Gaussian process, so a network's time, their sum, is one too (Rasmussen & Williams 2006, eq.
2.23 f. and sec. 9.4), with

    t(a) = sum of its work,    cov(t(a), t(b)) = [same kind] (s1^2 w_a . w_b + s2^2 |w_a| |w_b| l(a, b)),

w the four kinds of work (multiply-adds, elements read and written, parameters, the call itself), each scaled to a
quarter of an average network's time (``design``), |w| their sum, and l the likeness in channels, pixels, kernel and
stride (``parts``). The first term learns what work costs in each kind of operation, the second which shapes are faster
or slower than that. Errors are relative. s1, s2 and the noise maximise the posterior (eq. 5.8 with log-normal priors).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.predictor.design import Design
from mnas_moo.objectives.predictor.parts import likeness_of
from mnas_moo.objectives.statistics import Floats

PRIOR = np.log([1.0, 0.5, 0.03])  # medians of s1, s2 and of the noise; all are shares of the time
PRIOR_SPREAD = 1.5
SMALLEST = math.log(1e-3)  # no clock is nearer than this, and without noise equal networks would have no inverse
CHOOSING = 200  # networks by which the scales are chosen: more change little and cost much


class Matrices:
    """Prior means and covariances among the fitted networks.

    Attributes:
        mean: (N,) prior means.
        rates: (N, N) covariances by work of the same kind, at s1 = 1.
        local: (N, N) covariances by likeness, at s2 = 1.
    """

    def __init__(self, design: Design) -> None:
        kinds = design.kinds.values()
        n = len(next(iter(kinds)).sums)
        self.mean, self.rates, self.local = np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
        for kind in kinds:
            self.mean += kind.sums.sum(axis=1)
            self.rates += kind.sums @ kind.sums.T  # w_a . w_b, summed over the operations of two networks
            self.local += kind.weights @ likeness_of(kind.coordinates, kind.coordinates) @ kind.weights.T

    def among(
        self, test: npt.NDArray[np.intp], train: npt.NDArray[np.intp], scales: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Prior means (T,), variances (T,), and covariances (T, M) of networks ``test`` with networks ``train``."""
        s1, s2, _ = np.exp(2 * scales)
        pairs = np.ix_(test, train)
        variances = s1 * self.rates[test, test] + s2 * self.local[test, test]
        return self.mean[test], variances, s1 * self.rates[pairs] + s2 * self.local[pairs]


class Process:
    """The posterior given the latencies of some networks, its scales chosen by them alone.

    Args:
        matrices: prior means and covariances of all networks.
        given: (M,) indices of the networks whose latencies are given.
        y: (M,) their latencies.
        rng: draws the networks by which the scales are chosen.
    """

    def __init__(self, matrices: Matrices, given: npt.NDArray[np.intp], y: Floats, rng: np.random.Generator) -> None:
        self._scale = float(y.mean())  # the prior mean of an average network is 1
        y = y / self._scale
        few = np.sort(rng.permutation(len(given))[:CHOOSING])
        self.scales = choose(matrices, given[few], y[few])
        _, _, covariances = matrices.among(given, given, self.scales)
        noise = float(np.exp(2 * self.scales[2]))
        # Divided by the measured times: errors are then relative, and the noise is the same for all networks.
        self._inverse = np.linalg.inv(covariances / np.outer(y, y) + noise * np.eye(len(y)))
        self._coefficients = self._inverse @ (1 - matrices.mean[given] / y) / y
        self._y = y
        self._noise = noise

    def predict(self, mean: Floats, variance: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Posterior means (T,) and relative deviations (T,), those of the noise included.

        Args:
            mean: (T,) prior means of the networks.
            variance: (T,) prior variances.
            covariances: (T, M) prior covariances with the given networks.
        """
        # Far from the fitted networks the mean may fall below 0, which no time does.
        predicted = np.maximum(mean + covariances @ self._coefficients, 0.05 * mean)  # eq. 2.23 with a prior mean
        scaled = covariances / self._y  # eq. 2.24 from here on
        left = np.maximum(variance - ((scaled @ self._inverse) * scaled).sum(axis=1), 0.0)
        return self._scale * predicted, np.sqrt(left / predicted**2 + self._noise)


def choose(matrices: Matrices, given: npt.NDArray[np.intp], y: Floats) -> Floats:
    """(3,) logarithms of s1, s2 and the noise at the highest posterior, by steps along one axis at a time."""
    outer, pairs = np.outer(y, y), np.ix_(given, given)
    rates, local, target = matrices.rates[pairs] / outer, matrices.local[pairs] / outer, 1 - matrices.mean[given] / y
    scales, step = PRIOR, 0.7
    best = loss(rates, local, target, scales)
    while step > 0.1:
        improved = False
        for move in (*np.eye(3) * step, *np.eye(3) * -step):
            moved = np.maximum(scales + move, SMALLEST)
            value = loss(rates, local, target, moved)
            if value < best - 1e-3:
                scales, best, improved = moved, value, True
        step = step if improved else step / 2
    return scales


def loss(rates: Floats, local: Floats, target: Floats, scales: Floats) -> float:
    """Minus the log posterior of the scales, up to a constant (Rasmussen & Williams 2006, eq. 5.8)."""
    s1, s2, noise = np.exp(2 * scales)
    n = len(target)
    # The matrix is bordered by the target: the last line of its factor is the whitened target, and the other triangle
    # is never read. The corner only has to be large enough for a positive definite matrix, and is, as the covariance
    # exceeds the noise.
    bordered = np.empty((n + 1, n + 1))
    bordered[:n, :n] = s1 * rates + s2 * local
    bordered[range(n), range(n)] += noise
    bordered[n, :n] = target
    bordered[n, n] = 1 + target @ target / noise
    factor = np.linalg.cholesky(bordered)
    whitened = factor[n, :n]
    prior = ((scales - PRIOR) / PRIOR_SPREAD) ** 2
    return float(0.5 * whitened @ whitened + np.log(np.diag(factor)[:n]).sum() + 0.5 * prior.sum())
