"""Expected gain in hypervolume, for any number of objectives, by random directions.

The hypervolume of a set is the mean, over directions u on the positive part of the unit sphere, of the M-th power of
how far the set reaches from the reference point r along u, up to a constant (Zhang & Golovin 2020, lemma 5):
max over y of min_m (r_m - y_m) / u_m. So a point's gain is the mean of what it adds to that reach. Every trial draws
a few directions of its own: trials asked for at once look at different parts of the front, and no part is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]


def directions(rng: np.random.Generator, n: int, objectives: int) -> Floats:
    """(n, M) random directions, uniform on the positive part of the unit sphere; of two objectives evenly spread."""
    if objectives == 2:
        angle = (np.arange(n) + rng.random(n)) / n * np.pi / 2
        u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        u = np.abs(rng.standard_normal((n, objectives)))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.asarray(np.maximum(u, 1e-3))


def reach(values: Floats, reference: Floats, directions: Floats) -> Floats:
    """How far from the reference point each value reaches along each direction; negative beyond the reference.

    Args:
        values: (..., M), minimised.
        reference: (M,).
        directions: (D, M).

    Returns:
        (..., D).
    """
    distance = (reference[0] - values[..., 0, None]) / directions[:, 0]
    for m in range(1, values.shape[-1]):
        np.minimum(distance, (reference[m] - values[..., m, None]) / directions[:, m], out=distance)
    return np.asarray(distance)


def expected_gain(mean: Floats, deviation: Floats, front: Floats, reference: Floats, directions: Floats) -> Floats:
    """What each of P points is expected to add to the hypervolume, up to a constant.

    Along a direction u a point of independent normal objectives reaches beyond t with the probability that all of
    them are below r - u t, so that its gain is the integral over t, from what is reached on, of
    M t^(M-1) prod_m Phi((r_m - u_m t - mean_m) / deviation_m); by Gauss-Legendre.

    Args:
        mean: (P, M) expected values, minimised.
        deviation: (P, M) their standard deviations, > 0.
        front: (F, M) values reached; F may be 0.
        reference: (M,) reference point.
        directions: (D, M).

    Returns:
        (P,), >= 0. Points without a gain are told apart by a little: the nearer, the more.
    """
    objectives = mean.shape[1]
    reached = reach(front, reference, directions).max(axis=0, initial=0.0)
    distance = reach(mean, reference, directions)
    end = np.maximum(reach(mean - WIDE * deviation, reference, directions).max(axis=0), reached + 1e-3)
    t = reached + (end - reached) * _NODES[:, None]  # (Q, D)
    weight = (end - reached) * _WEIGHTS[:, None] * objectives * t ** (objectives - 1)
    limits = (reference - directions * t[..., None]).reshape(-1, objectives)  # (Q D, M)
    probability = np.ones((len(mean), len(limits)))
    for m in range(objectives):
        z = (limits[:, m] - mean[:, m, None]) / deviation[:, m, None]
        probability *= normal_cdf(z)
    gain = probability @ weight.reshape(-1) / len(directions)
    nearness = (distance - reached).mean(axis=1)
    return np.asarray(gain + 1e-9 * np.exp(np.minimum(nearness, 0.0)))


def normal_cdf(z: Floats) -> Floats:
    """The standard normal's distribution function, elementwise."""
    return np.asarray(torch.special.ndtr(torch.from_numpy(z)).numpy())


WIDE = 3.0
"""Deviations below the mean up to which an objective is thought possible."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
