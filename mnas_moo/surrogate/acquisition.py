"""Expected gain in hypervolume: exact for one and two objectives, by random rays for more.

The hypervolume of a set is, up to a constant, the mean over unit vectors u with positive components of the M-th power
of how far the set reaches from the reference point r along the ray through u (Zhang & Golovin 2020, lemma 5):

    HV(Y) = c_M E_u [ max_y max(0, min_m (r_m - y_m) / u_m)^M ],  c_M = pi^(M/2) / (2^M Gamma(M/2 + 1)).

So a point's gain is the mean of what it adds to that reach. Every trial draws a few rays of its own: trials asked for
at once look at different parts of the front, and no part is left out.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo.objectives.front import pareto_mask

Floats = npt.NDArray[np.float64]


def unit_vectors(rng: np.random.Generator, n: int, objectives: int) -> Floats:
    """(n, M) random rays, uniform on the positive part of the unit sphere; for two objectives evenly spaced."""
    if objectives == 2:
        angle = (np.arange(n) + rng.random(n)) / n * np.pi / 2  # (n,)
        u = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    else:
        u = np.abs(rng.standard_normal((n, objectives)))  # (n, M)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.asarray(np.maximum(u, 1e-3))


def reach(values: Floats, reference: Floats, rays: Floats) -> Floats:
    """How far from the reference point each value reaches along each ray; negative beyond the reference.

    Args:
        values: (..., M) objective values, minimised.
        reference: (M,) reference point.
        rays: (U, M) unit vectors u.

    Returns:
        (..., U) distances from the reference point.
    """
    # min_m (r_m - y_m) / u_m  (Zhang & Golovin 2020, lemma 5)
    distance = (reference[0] - values[..., 0, None]) / rays[:, 0]  # (..., U)
    for m in range(1, values.shape[-1]):
        np.minimum(distance, (reference[m] - values[..., m, None]) / rays[:, m], out=distance)
    return np.asarray(distance)


def expected_gain(mean: Floats, deviation: Floats, front: Floats, reference: Floats, rays: Floats) -> Floats:
    """What each of P points is expected to add to the hypervolume, divided by ``orthant_volume``.

    Along a ray u a point of independent normal objectives reaches beyond t with the probability that all of them are
    below r - u t, so with R(u) what the front reaches already

        gain = E_u int_R(u)^inf M t^(M-1) prod_m Phi((r_m - u_m t - mean_m) / deviation_m) dt,

    by Gauss-Legendre quadrature with Q nodes.

    Args:
        mean: (P, M) expected values, minimised.
        deviation: (P, M) their standard deviations, > 0.
        front: (F, M) values reached; F may be 0.
        reference: (M,) reference point.
        rays: (U, M) unit vectors u.

    Returns:
        (P,) gains, >= 0. To each at most 1e-9 is added, the more the nearer the point is to the front, so that points
        without a gain have an order.
    """
    objectives = mean.shape[1]
    reached = reach(front, reference, rays).max(axis=0, initial=0.0)  # (U,), R(u)
    distance = reach(mean, reference, rays)  # (P, U)
    end = np.maximum(reach(mean - WIDE * deviation, reference, rays).max(axis=0), reached + 1e-3)  # (U,)
    t = reached + (end - reached) * _NODES[:, None]  # (Q, U)
    weight = (end - reached) * _WEIGHTS[:, None] * objectives * t ** (objectives - 1)  # (Q, U), M t^(M-1) dt
    limits = (reference - rays * t[..., None]).reshape(-1, objectives)  # (Q U, M), r - u t
    probability = np.ones((len(mean), len(limits)))  # (P, Q U)
    for m in range(objectives):
        z = (limits[:, m] - mean[:, m, None]) / deviation[:, m, None]  # (P, Q U)
        probability *= normal_cdf(z)  # prod_m Phi(z_m)
    # (1/U) sum_u sum_q weight_qu prod_m Phi(z_m)
    gain = probability @ weight.reshape(-1) / len(rays)  # (P,)
    nearness = (distance - reached).mean(axis=1)  # (P,)
    return np.asarray(gain + 1e-9 * np.exp(np.minimum(nearness, 0.0)))


def exact_gain(mean: Floats, deviation: Floats, front: Floats, reference: Floats) -> Floats:
    """What each of P points is expected to add to the hypervolume of at most two objectives, exactly.

    Of one objective it is the expected improvement. Of two independent normal ones, with psi_m(t) = E[max(0, t - y_m)]
    and the front's members in the order of the first objective, what is not dominated is a strip left of each member,
    below the one before it, and each strip adds (psi_1(right) - psi_1(left)) psi_2(height) (Emmerich et al. 2011).

    Args:
        mean: (P, M) expected values, minimised, M <= 2.
        deviation: (P, M) their standard deviations, > 0.
        front: (F, M) values reached; F may be 0.
        reference: (M,) reference point.

    Returns:
        (P,) gains, >= 0.
    """

    def psi(t: Floats, m: int) -> Floats:
        """(P, T) expected improvements of objective m below t (T,)."""
        z = (t - mean[:, m, None]) / deviation[:, m, None]
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        return np.asarray(deviation[:, m, None] * (z * normal_cdf(z) + density))

    front = front[(front < reference).all(axis=1)]
    if mean.shape[1] == 1:
        return psi(np.min(front, axis=0, initial=float(reference[0])), 0)[:, 0]
    front = front[pareto_mask(front)]
    front = front[np.argsort(front[:, 0])]
    right = psi(np.r_[front[:, 0], reference[0]], 0)  # (P, F + 1)
    width = np.diff(right, axis=1, prepend=0.0)  # (P, F + 1); the first strip has no left end
    height = psi(np.r_[reference[1], front[:, 1]], 1)  # (P, F + 1)
    return np.asarray(np.maximum(np.einsum("pf,pf->p", width, height), 0.0))


def orthant_volume(objectives: int) -> float:
    """Volume c_M of the positive part of the unit ball: the factor from a mean power of the reach to a hypervolume."""
    # c_M = pi^(M/2) / (2^M Gamma(M/2 + 1))
    return float(math.pi ** (objectives / 2) / (2**objectives * math.gamma(objectives / 2 + 1)))


def normal_cdf(z: Floats) -> Floats:
    """Distribution function Phi of the standard normal, elementwise; any shape."""
    return np.asarray(torch.special.ndtr(torch.from_numpy(z)).numpy())


WIDE = 3.0
"""Deviations below the mean at which the integral ends: better values are neglected."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # from [-1, 1] to [0, 1]; (Q,), (Q,)
