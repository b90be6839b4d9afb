"""The model of one objective."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from mnas_moo.surrogate.gaussian_process import GaussianProcess, Kernel, Ties, fit


def features(tokens: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.eye(3)[tokens].reshape(len(tokens), -1))


TIES = Ties(torch.arange(18) // 3, torch.arange(18) % 3)


def tokens(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, (n, 6))


def quantity(t: np.ndarray) -> np.ndarray:
    """Additive but for one interaction."""
    return (t @ np.array([0.5, 0.3, 0.2, 0.1, 0.0, 0.0])) + 0.5 * (t[:, 0] == t[:, 1])


def unknown(n: int) -> torch.Tensor:
    return torch.zeros(n, dtype=torch.double)


def fitted(n: int, noise: float = 0.0, known: torch.Tensor | None = None) -> GaussianProcess:
    t = tokens(n, 0)
    y = torch.from_numpy(quantity(t) - 1.0 + noise * np.random.default_rng(1).standard_normal(n))
    known = unknown(n) if known is None else known
    return GaussianProcess(fit(features(t), y, known, TIES, 6, 40), features(t), y, known)


def test_predictions_become_exact_and_say_so() -> None:
    unseen = tokens(300, 5)
    errors = []
    for n in (20, 150):
        process = fitted(n)
        errors.append(np.abs(process.mean(features(unseen)) - (quantity(unseen) - 1.0)).mean())
    assert errors[1] < 0.05 < errors[0]
    assert process.r2 > 0.98


def test_deviations_cover_the_errors() -> None:
    process, unseen = fitted(60), tokens(400, 5)
    found = process.posterior(features(unseen))
    z = (quantity(unseen) - 1.0 - found.mean) / np.sqrt(found.variance)
    assert np.mean(np.abs(z) < 2) > 0.9


def test_noise_is_recognised_and_smoothed_away() -> None:
    process = fitted(200, noise=0.5)
    assert 0.08 < process.noise < 0.4  # it is 0.25
    assert fitted(200).noise < 0.02
    truth = quantity(tokens(200, 0)) - 1.0
    noisy = truth + 0.5 * np.random.default_rng(1).standard_normal(200)
    assert np.abs(process.fitted - truth).mean() < 0.6 * np.abs(noisy - truth).mean()


def test_noise_that_is_known_is_not_found_again() -> None:
    process = fitted(200, noise=0.5, known=torch.full((200,), 0.25, dtype=torch.double))
    assert process.noise < 0.05 < fitted(200, noise=0.5).noise
    assert process.result_noise == pytest.approx(process.noise + 0.25)


def test_two_results_of_a_network_weigh_as_their_precisions_and_as_one_result_of_the_joint_precision() -> None:
    t, kernel = tokens(2, 0), Kernel.prior(18, 6)
    y, known = torch.tensor([1.0, 2.0, -1.0]).double(), torch.tensor([0.3, 1.2, 0.0]).double()
    two = GaussianProcess(kernel, features(t[[0, 0, 1]]), y, known)
    precision = 1 / (two.noise + known[:2])
    joint, noise = (precision * y[:2]).sum() / precision.sum(), 1 / precision.sum() - two.noise
    one = GaussianProcess(kernel, features(t), torch.stack([joint, y[2]]), torch.stack([noise, known[2]]))
    unseen = features(tokens(5, 8))
    assert two.mean(unseen) == pytest.approx(one.mean(unseen), abs=1e-9)
    assert two.fitted == pytest.approx(two.mean(features(t[[0, 0, 1]])), abs=1e-9)


def test_conditioning_a_posterior_equals_fitting_with_one_more_result() -> None:
    t, more, unseen = tokens(40, 0), tokens(3, 7), tokens(50, 8)
    y, new = quantity(t), quantity(more)
    kernel = Kernel.prior(18, 6)
    known = np.random.default_rng(3).random(43)  # the new results are the last three
    small = GaussianProcess(kernel, features(t), torch.from_numpy(y), torch.from_numpy(known[:40]))
    small.calibration = 1.0
    points, at = small.posterior(features(unseen)), small.posterior(features(more))
    moved, variance = small.given(points, at, small.noise + known[40:], new)
    everything = torch.from_numpy(np.append(y, new))
    large = GaussianProcess(kernel, features(np.concatenate([t, more])), everything, torch.from_numpy(known))
    large.calibration = 1.0
    exact = large.posterior(features(unseen))
    assert moved == pytest.approx(exact.mean, abs=1e-6)
    assert variance == pytest.approx(exact.variance, abs=1e-6)
    one_by_one = [small.posterior(features(unseen[i : i + 1])) for i in range(len(unseen))]
    joined = functools.reduce(lambda some, other: some.joined(other), one_by_one)
    again, narrowed = small.given(joined, at, small.noise + known[40:], new)
    assert again == pytest.approx(moved, abs=1e-9)
    assert narrowed == pytest.approx(variance, abs=1e-9)


def test_a_pending_result_narrows_the_deviations_and_leaves_the_mean() -> None:
    process, t = fitted(30), tokens(40, 9)
    points, at = process.posterior(features(t)), process.posterior(features(t[4:5]))
    moved, variance = process.given(points, at, np.array([1e-6]), np.array([np.nan]))
    assert np.array_equal(moved, points.mean)
    assert variance[4] < 1e-3
    assert (variance <= points.variance + 1e-12).all()


def test_of_pure_noise_the_leave_one_out_r2_is_near_zero() -> None:
    t = tokens(80, 0)
    y = torch.from_numpy(np.random.default_rng(2).standard_normal(80))
    process = GaussianProcess(fit(features(t), y, unknown(80), TIES, 6, 40), features(t), y, unknown(80))
    assert process.r2 < 0.2
    assert 1.0 <= process.calibration <= 3.0


def test_what_one_decision_taught_is_known_of_another_with_the_same_alternatives() -> None:
    t = tokens(60, 0)
    t[:, 5] = 0  # nothing is known of the last decision; of the others only the third alternative matters
    y = torch.from_numpy((t == 2).sum(axis=1) - 1.5)
    apart = Ties(TIES.decision, torch.arange(18))  # no alternative is shared
    tied, untied = (fit(features(t), y, unknown(60), ties, 6, 100) for ties in (TIES, apart))
    matters = tied.additive[17] - tied.additive[16]
    assert matters > 1.0
    assert matters > 5.0 * abs(untied.additive[17] - untied.additive[16])


def test_leaving_one_out_equals_fitting_without_it() -> None:
    t = tokens(20, 0)
    y, kernel = torch.from_numpy(quantity(t)), Kernel.prior(18, 6)
    known = torch.from_numpy(np.random.default_rng(3).random(20))
    error, variance = GaussianProcess(kernel, features(t), y, known).leave_one_out()
    others = GaussianProcess(kernel, features(t[1:]), y[1:], known[1:])
    left = others.posterior(features(t[:1]))
    assert error[0] == pytest.approx(float(y[0]) - left.mean[0])
    factor = others.calibration**2
    assert variance[0] == pytest.approx(left.variance[0] / factor + others.noise + float(known[0]))


def test_a_covariance_without_noise_is_mended() -> None:
    x = features(np.repeat(tokens(3, 0), 20, axis=0))  # three genomes, twenty times each
    kernel = replace(Kernel.prior(18, 6), scales=torch.full((2,), 40.0, dtype=torch.double))
    process = GaussianProcess(kernel, x, unknown(60), unknown(60))
    assert np.isfinite(process.mean(x)).all()
