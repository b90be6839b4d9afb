"""A Gaussian process over genomes: what the search believes of one objective, and how far.

The kernel joins two views of a genome (Durrande et al. 2012 for the additive part): a sum over features, as a latency
is nearly the sum of its layers, and a product over features, which sees every interaction,

    k(x, x') = c + s1 sum_i a_i f_i f_i' + s2 exp(-1/2 sum_i w_i (f_i - f_i')^2),

with f the features of ``Encoding.features``, one for each choice of each decision. Each has its own relevances a_i and
w_i, so that two choices may be alike and a third one apart; they, the scales and the noise maximise the posterior
(marginal likelihood with log-normal priors; Rasmussen & Williams 2006, eq. 5.8). On histories of some hundred genomes
this predicts better than ensembles of small networks did, knows the noise, and can be conditioned on one more result
in a few operations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]

INTERACTION = 2.0
"""Prior median of sum_j w_j: two random genomes are told apart well, neighbours hardly."""
JITTER = 1e-6
LEFT_OUT = 256
"""Trials that are predicted from the others at most."""


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
    def prior(cls, features: int, decisions: int) -> Kernel:
        """The medians of the priors, for so many features of so many decisions."""
        return cls(
            torch.full((features,), -math.log(decisions), dtype=torch.double),
            torch.full((features,), math.log(INTERACTION / decisions), dtype=torch.double),
            torch.full((2,), math.log(0.5), dtype=torch.double),
            torch.tensor(math.log(0.01), dtype=torch.double),
        )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, M) covariances of features a (N, S) and b (M, S)."""
        w, s = self.product.exp(), self.scales.exp()
        likeness = (a * w) @ b.T - 0.5 * ((a**2) @ w)[:, None] - 0.5 * ((b**2) @ w)  # minus the distance
        additive = a * (s[0] * self.additive.exp())
        if likeness.requires_grad:
            return additive @ b.T + s[1] * likeness.exp() + 1.0
        return likeness.exp_().mul_(s[1]).addmm_(additive, b.T).add_(1.0)  # in place: these matrices are large


class GaussianProcess:
    """The posterior of one objective given its history.

    Args:
        kernel: hyperparameters.
        x: (N, S) features.
        y: (N,) targets.

    Attributes:
        noise: variance of the noise.
        trust: in [0, 1]: share of the variance that is explained when each result is predicted from all others.
        caution: in [1, 3]: how far those errors go beyond what the model says of itself; widens its deviations.
        fitted: (N,) what is believed of the targets themselves, without their noise.
    """

    def __init__(self, kernel: Kernel, x: Tensor, y: Tensor) -> None:
        self.kernel, self.x = kernel, x
        self.noise = float(kernel.noise.exp()) + JITTER
        covariance = kernel(x, x) + self.noise * torch.eye(len(x), dtype=torch.double)
        self._root = _cholesky(covariance)
        self._weights = torch.cholesky_solve(y[:, None], self._root)[:, 0]
        self.fitted: Floats = (y - self.noise * self._weights).numpy()
        error, variance = self.leave_one_out()
        self.trust = float(np.clip(1.0 - (error**2).mean() / max(float(y.var()), 1e-12), 0.0, 1.0))
        self.caution = float(np.clip(np.sqrt((error**2 / variance).mean()), 1.0, 3.0))

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """Errors of the last targets, each predicted from all others, and the variances expected of them.

        In closed form (Rasmussen & Williams 2006, eq. 5.12), for at most ``LEFT_OUT`` targets: more cost much, and
        where the search has been last is where the model must be right.
        """
        n = len(self._weights)
        last = slice(max(n - LEFT_OUT, 0), n)
        unit = torch.eye(n, dtype=torch.double)[:, last]
        variance = 1.0 / (torch.linalg.solve_triangular(self._root, unit, upper=False) ** 2).sum(0)
        return (self._weights[last] * variance).numpy(), variance.numpy()

    def mean(self, x: Tensor) -> Floats:
        """(P,) expected values at features x (P, S)."""
        return np.asarray((self.kernel(x, self.x) @ self._weights).numpy())

    def posterior(self, x: Tensor) -> tuple[Floats, Floats]:
        """(P,) expected values and (P, P) covariances, without noise, at features x (P, S)."""
        cross = self.kernel(x, self.x)
        white = torch.linalg.solve_triangular(self._root, cross.T, upper=False)
        covariance = self.kernel(x, x) - white.T @ white
        return (cross @ self._weights).numpy(), (covariance * self.caution**2).numpy()


def fit(x: Tensor, y: Tensor, decisions: int, steps: int) -> Kernel:
    """Maximum a posteriori hyperparameters by Adam.

    Args:
        x: (N, S) features.
        y: (N,) targets, on a scale of about a standard normal.
        decisions: how many the features are of.
        steps: of Adam.
    """
    prior = Kernel.prior(x.shape[1], decisions)
    spread = Kernel(*(torch.tensor(variance) for variance in (1.0, 1.0, 2.0, 4.0)))
    p = {name: value.clone().requires_grad_(True) for name, value in vars(prior).items()}
    optimiser = torch.optim.Adam(p.values(), lr=0.1, fused=True)
    eye = torch.eye(len(x), dtype=torch.double)
    for _ in range(steps):
        kernel = Kernel(**p)
        covariance = kernel(x, x) + (kernel.noise.exp() + JITTER) * eye
        root = _cholesky(covariance)
        white = torch.linalg.solve_triangular(root, y[:, None], upper=False)
        loss = 0.5 * (white**2).sum() + root.diagonal().log().sum()
        for name, value in p.items():
            loss = loss + 0.5 * ((value - getattr(prior, name)) ** 2).sum() / getattr(spread, name)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            for value in p.values():
                value.clamp_(-9.0, 5.0)
    return Kernel(**{name: value.detach() for name, value in p.items()})


def condition(
    mean: Floats, covariance: Floats, noise: float, rows: npt.NDArray[np.int64], values: Floats
) -> tuple[Floats, Floats]:
    """A posterior over P points, given results at some of them.

    Args:
        mean: (P,).
        covariance: (P, P).
        noise: variance of a result.
        rows: (K,) where the results are; K may be 0.
        values: (K,) the results; NaN where there is none yet: what will be known there is then counted as known, at
            the value expected.

    Returns:
        (P,) mean and (P,) variance.
    """
    known = ~np.isnan(values)
    variance = np.diagonal(covariance).copy()
    if known.any():
        gain = _gain(covariance, rows[known], noise)
        mean = mean + gain @ (values[known] - mean[rows[known]])
    if len(rows):
        variance -= np.einsum("pk,pk->p", _gain(covariance, rows, noise), covariance[:, rows])
    return mean, np.maximum(variance, 1e-12)


def _gain(covariance: Floats, rows: npt.NDArray[np.int64], noise: float) -> Floats:
    """(P, K) how results at rows (K,) move the mean."""
    inner = covariance[np.ix_(rows, rows)] + noise * np.eye(len(rows))
    return np.asarray(np.linalg.solve(inner, covariance[:, rows].T).T)


def _cholesky(covariance: Tensor) -> Tensor:
    """The root of a covariance (N, N); with more noise where rounding has left it none."""
    eye = torch.eye(len(covariance), dtype=torch.double)
    root: Tensor
    for share in (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1.0):
        root, failed = torch.linalg.cholesky_ex(covariance + share * covariance.diagonal().mean().detach() * eye)
        if not failed:
            break
    return root
