"""A Gaussian process over genomes: what one objective is expected to be, and how far that can be relied on.

The kernel joins two views of a genome (Durrande et al. 2012 for the additive part): a sum over features, as a latency
is nearly the sum of its layers, and a product over features, which sees every interaction,

    k(x, x') = c + s1 sum_i a_i f_i f_i' + s2 exp(-1/2 sum_i w_i (f_i - f_i')^2),

with f the features of ``View``, such as one for each choice of each decision. Each has its own relevances a_i and w_i,
so that two choices may be alike and a third one apart; they, the scales and the noise maximise the posterior (marginal
likelihood with log-normal priors; Rasmussen & Williams 2006, eq. 5.8). What matters in one place of a network is likely
to matter in others, so the relevances share factors a priori (``Ties``): with each fitted by itself, the process learnt
less from a history and was too sure far from it.

On histories of some hundred genomes this predicts better than ensembles of small networks did, knows the noise, and can
be conditioned on one more result in a few operations. Where the standard error of a target is known, its square is
added to the noise that is fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnas_moo.adam import Adam
from mnas_moo.settings import DEFAULTS, SearchSettings

Floats = npt.NDArray[np.float64]

OWN_VARIANCE = 0.05
"""Prior variance of the logarithm of a feature's own factor of its relevances; that of a shared factor is 1."""
LEAST_VARIANCE = 1e-12
"""Variances are at least this, as rounding could make them negative."""
JITTER = 1e-6
"""Variance added to the noise, so that a covariance of equal genomes has a Cholesky root."""


@dataclass(frozen=True)
class Kernel:
    """Hyperparameters, all of them logarithms.

    Attributes:
        additive: (S,) relevances a_i.
        product: (S,) relevances w_i.
        scales: (2,) s1, s2.
        noise: () variance of the noise.
    """

    additive: Tensor
    product: Tensor
    scales: Tensor
    noise: Tensor

    @classmethod
    def prior(cls, features: int, decisions: int, interaction: float = DEFAULTS.interaction) -> Kernel:
        """The medians of the priors, at which the fit begins.

        Args:
            features: number of features, S.
            decisions: number of decisions that they describe.
            interaction: median of sum_i w_i.
        """
        return cls(
            torch.full((features,), -math.log(decisions), dtype=torch.double),
            torch.full((features,), math.log(interaction / decisions), dtype=torch.double),
            torch.full((2,), math.log(0.5), dtype=torch.double),
            torch.tensor(math.log(0.01), dtype=torch.double),
        )

    def __call__(self, x: Tensor, other: Tensor) -> Tensor:
        """(N, P) covariances of genomes with features x (N, S) and genomes with features other (P, S)."""
        w, s = self.product.exp(), self.scales.exp()  # (S,), (2,)
        # -1/2 sum_i w_i (f_i - f_i')^2 = sum_i w_i f_i f_i' - 1/2 sum_i w_i f_i^2 - 1/2 sum_i w_i f_i'^2
        exponent = (x * w) @ other.T - 0.5 * ((x**2) @ w)[:, None] - 0.5 * ((other**2) @ w)  # (N, P)
        additive = x * (s[0] * self.additive.exp())  # (N, S), s1 a_i f_i
        # k = s1 sum_i a_i f_i f_i' + s2 exp(exponent) + c, with c = 1
        if exponent.requires_grad:
            return additive @ other.T + s[1] * exponent.exp() + 1.0
        return exponent.exp_().mul_(s[1]).addmm_(additive, other.T).add_(1.0)  # in place: these matrices are large

    def variance(self, x: Tensor) -> Tensor:
        """(N,) variances of genomes with features x (N, S)."""
        s = self.scales.exp()  # (2,)
        return (x**2) @ (s[0] * self.additive.exp()) + s[1] + 1.0


@dataclass(frozen=True)
class Ties:
    """Which features share factors of their relevances.

    A relevance is its prior median times a factor of the decision, a factor of the alternative and one of its own, all
    log-normal a priori.

    Attributes:
        decision: (S,) index of the decision that a feature describes, the largest index for all that describe several.
        alternative: (S,) index of what it says of it, such as "kernel 5", equal for decisions with equal alternatives.
    """

    decision: Tensor
    alternative: Tensor


@dataclass(frozen=True)
class Posterior:
    """What a process knows of P points before further results; ``GaussianProcess.given`` adds some.

    Attributes:
        x: (P, S) features.
        white: (N, P) L^-1 k(X, x), with L the root of the covariance of the process's N results.
        mean: (P,) expected values.
        variance: (P,) their variances, without noise.
    """

    x: Tensor
    white: Tensor
    mean: Floats
    variance: Floats

    def __getitem__(self, part: slice | npt.NDArray[np.int64]) -> Posterior:
        """Some of the points."""
        return Posterior(self.x[part], self.white[:, part], self.mean[part], self.variance[part])

    def joined(self, other: Posterior) -> Posterior:
        """The points of both."""
        return Posterior(
            torch.cat([self.x, other.x]),
            torch.cat([self.white, other.white], dim=1),
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.variance, other.variance]),
        )


class GaussianProcess:
    """The posterior of one objective given its history.

    Args:
        kernel: hyperparameters.
        x: (N, S) features.
        y: (N,) targets.
        known: (N,) known variances of the targets, 0 where none is known; they come on top of the fitted noise.
        settings: how many targets are left out, and how far the calibration may go.

    Attributes:
        noise: variance of the fitted noise.
        result_noise: variance expected of one more target: the fitted noise and the mean of the known variances.
        left_out: (K,) errors of the last K targets, each predicted from all others.
        r2: leave-one-out R², clipped to [0, 1]: 1 minus the mean square of those K errors over the variance of all N
            targets.
        calibration: root mean square of those errors in units of the deviations expected of them, clipped to [1,
            ``calibration_limit``]; the posterior's deviations are multiplied by it.
        fitted: (N,) expected values at the targets themselves, without their noise.
    """

    def __init__(
        self, kernel: Kernel, x: Tensor, y: Tensor, known: Tensor, settings: SearchSettings = DEFAULTS
    ) -> None:
        self.kernel, self.x, self.y = kernel, x, y
        self.noise = float(kernel.noise.exp()) + JITTER
        self.result_noise = self.noise + float(known.mean())
        noise = self.noise + known  # (N,), the diagonal of S
        self._root = _cholesky(kernel(x, x) + torch.diag(noise))  # (N, N), K + S = L L'
        # alpha = (K + S)^-1 y, with S the covariance of the noise
        self._weights = torch.cholesky_solve(y[:, None], self._root)[:, 0]  # (N,)
        # K alpha = y - S alpha: the mean at the targets (eq. 2.23)
        self.fitted: Floats = (y - noise * self._weights).numpy()
        self._left_out_trials = settings.left_out_trials
        error, variance = self.leave_one_out()
        self.left_out = error
        # R² = 1 - mean e^2 / Var[y]
        self.r2 = float(np.clip(1.0 - (error**2).mean() / max(float(y.var()), 1e-12), 0.0, 1.0))
        # sqrt( mean_i e_i^2 / v_i )
        self.calibration = float(np.clip(np.sqrt((error**2 / variance).mean()), 1.0, settings.calibration_limit))

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """(K,) errors of the last targets, each predicted from all others, and (K,) the variances expected of them.

        In closed form (Rasmussen & Williams 2006, eq. 5.12), for the last targets only: all would cost much, and the
        model must be right where the search has been last.
        """
        n = len(self._weights)
        last = slice(max(n - self._left_out_trials, 0), n)
        unit = torch.eye(n, dtype=torch.double)[:, last]  # (N, K)
        # v_i = 1 / [(K + S)^-1]_ii  (eq. 5.12), and [L^-T L^-1]_ii is the squared length of column i of L^-1
        variance = 1.0 / (torch.linalg.solve_triangular(self._root, unit, upper=False) ** 2).sum(0)  # (K,)
        # e_i = y_i - mu_i = alpha_i v_i  (eq. 5.12)
        return (self._weights[last] * variance).numpy(), variance.numpy()

    def mean(self, x: Tensor) -> Floats:
        """(P,) expected values at features x (P, S)."""
        return np.asarray((self.kernel(x, self.x) @ self._weights).numpy())  # K* alpha  (eq. 2.23)

    def posterior(self, x: Tensor) -> Posterior:
        """What is known at features x (P, S)."""
        cross = self.kernel(x, self.x)  # (P, N)
        white = torch.linalg.solve_triangular(self._root, cross.T, upper=False)  # (N, P)
        # diag(K** - K* (K + S)^-1 K*')  (Rasmussen & Williams 2006, eq. 2.24)
        variance = (self.kernel.variance(x) - (white**2).sum(0)).clamp_(min=LEAST_VARIANCE) * self.calibration**2
        return Posterior(x, white, (cross @ self._weights).numpy(), variance.numpy())

    def given(self, points: Posterior, at: Posterior, noise: Floats, values: Floats) -> tuple[Floats, Floats]:
        """What is known of P points once there are results at K others (eq. 2.38 and 2.24).

        Args:
            points: the points.
            at: the points of the results; K may be 0.
            noise: (K,) variances of the results.
            values: (K,) results; NaN where one is pending: it narrows the variances, which do not depend on its value,
                and leaves the means as they are.

        Returns:
            (P,) mean and (P,) variance.
        """
        mean, variance = points.mean, points.variance
        if not len(values):
            return mean, variance
        cross = self._covariance(points, at)  # (P, K)
        inner = self._covariance(at, at) + np.diag(noise)  # (K, K)
        known = ~np.isnan(values)
        if known.any():
            gain = np.linalg.solve(inner[np.ix_(known, known)], (values - at.mean)[known])  # (K',)
            mean = mean + cross[:, known] @ gain  # m + C_k (C_kk + S)^-1 (y - m_k)  (eq. 2.38)
        # diag(C - C_k (C_kk + S)^-1 C_k')  (eq. 2.24)
        variance = variance - np.einsum("pk,kp->p", cross, np.linalg.solve(inner, cross.T))
        return mean, np.maximum(variance, LEAST_VARIANCE)

    def _covariance(self, points: Posterior, others: Posterior) -> Floats:
        """(P, K) covariances, without noise, of what is not known yet."""
        covariance = self.kernel(points.x, others.x) - points.white.T @ others.white
        return np.asarray((covariance * self.calibration**2).numpy())


def fit(
    x: Tensor,
    y: Tensor,
    known: Tensor,
    ties: Ties,
    decisions: int,
    steps: int,
    interaction: float = DEFAULTS.interaction,
) -> Kernel:
    """Hyperparameters that maximise the posterior, by Adam.

    Args:
        x: (N, S) features.
        y: (N,) targets, on a scale of about a standard normal.
        known: (N,) known variances of the targets, 0 where none is known.
        ties: which features share factors of their relevances.
        decisions: number of decisions that the features describe.
        steps: number of Adam's steps.
        interaction: prior median of sum_i w_i.

    Returns:
        The hyperparameters after the last step, without gradient.
    """
    prior = Kernel.prior(x.shape[1], decisions, interaction)
    factors = [
        torch.zeros(2, count, dtype=torch.double)  # of the relevances a and w
        for count in (int(ties.decision.max()) + 1, int(ties.alternative.max()) + 1, x.shape[1])
    ]
    medians, variances = [*factors, prior.scales, prior.noise], (1.0, 1.0, OWN_VARIANCE, 2.0, 4.0)
    p = [median.clone().requires_grad_(True) for median in medians]

    def kernel() -> Kernel:
        relevances = p[0][:, ties.decision] + p[1][:, ties.alternative] + p[2]  # (2, S)
        additive, product = (torch.stack([prior.additive, prior.product]) + relevances).clamp(-9.0, 5.0)
        return Kernel(additive, product, p[3], p[4])

    optimiser = Adam(p, 0.1)
    for _ in range(steps):
        loss = _misfit(kernel(), x, y, known)
        for value, median, variance in zip(p, medians, variances, strict=True):
            # -log p(theta) = sum (theta - median)^2 / (2 variance) + const, theta the logarithms
            loss = loss + 0.5 * ((value - median) ** 2).sum() / variance
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            for value in p[3:]:
                value.clamp_(-9.0, 5.0)
    found = kernel()
    return Kernel(*(value.detach() for value in vars(found).values()))


def evidence(kernel: Kernel, x: Tensor, y: Tensor, known: Tensor) -> float:
    """Logarithm of the marginal likelihood of targets, without its constant; arguments as of ``fit``."""
    return -float(_misfit(kernel, x, y, known))


def _misfit(kernel: Kernel, x: Tensor, y: Tensor, known: Tensor) -> Tensor:
    """() negative logarithm of the marginal likelihood of targets, without its constant; arguments as of ``fit``."""
    root = _cholesky(kernel(x, x) + torch.diag(kernel.noise.exp() + JITTER + known))  # (N, N), of K + S
    white = torch.linalg.solve_triangular(root, y[:, None], upper=False)  # (N, 1), L^-1 y
    # -log p(y) = 1/2 y' (K + S)^-1 y + 1/2 log |K + S| + const  (Rasmussen & Williams 2006, eq. 5.8)
    misfit: Tensor = 0.5 * (white**2).sum() + root.diagonal().log().sum()
    return misfit


def _cholesky(covariance: Tensor) -> Tensor:
    """Cholesky root of a covariance (N, N); of one with more noise where rounding has made it indefinite."""
    eye = torch.eye(len(covariance), dtype=torch.double)
    root: Tensor
    for share in (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1.0):
        root, failed = torch.linalg.cholesky_ex(covariance + share * covariance.diagonal().mean().detach() * eye)
        if not failed:
            break
    return root
