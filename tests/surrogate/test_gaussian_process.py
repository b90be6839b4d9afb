"""The model of one objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mnas_moo.surrogate.gaussian_process import GaussianProcess, Kernel, condition, fit


def features(tokens: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.eye(3)[tokens].reshape(len(tokens), -1))


def tokens(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, (n, 6))


def quantity(t: np.ndarray) -> np.ndarray:
    """Additive but for one interaction."""
    return (t @ np.array([0.5, 0.3, 0.2, 0.1, 0.0, 0.0])) + 0.5 * (t[:, 0] == t[:, 1])


def fitted(n: int, noise: float = 0.0) -> GaussianProcess:
    t = tokens(n, 0)
    y = torch.from_numpy(quantity(t) - 1.0 + noise * np.random.default_rng(1).standard_normal(n))
    return GaussianProcess(fit(features(t), y, 6, 40), features(t), y)


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
    mean, covariance = process.posterior(features(unseen))
    z = (quantity(unseen) - 1.0 - mean) / np.sqrt(np.diagonal(covariance))
    assert np.mean(np.abs(z) < 2) > 0.9


def test_noise_is_recognised_and_smoothed_away() -> None:
    process = fitted(200, noise=0.5)
    assert 0.08 < process.noise < 0.4  # it is 0.25
    assert fitted(200).noise < 0.02
    truth = quantity(tokens(200, 0)) - 1.0
    noisy = truth + 0.5 * np.random.default_rng(1).standard_normal(200)
    assert np.abs(process.fitted - truth).mean() < 0.6 * np.abs(noisy - truth).mean()


def test_conditioning_a_posterior_equals_fitting_with_one_more_result() -> None:
    t, more, unseen = tokens(40, 0), tokens(3, 7), tokens(50, 8)
    y, new = quantity(t), quantity(more)
    kernel = Kernel.prior(18, 6)
    small = GaussianProcess(kernel, features(t), torch.from_numpy(y))
    small.calibration = 1.0
    mean, covariance = small.posterior(features(np.concatenate([more, unseen])))
    moved, variance = condition(mean, covariance, small.noise, np.arange(3), new)
    large = GaussianProcess(kernel, features(np.concatenate([t, more])), torch.from_numpy(np.append(y, new)))
    large.calibration = 1.0
    expected, exact = large.posterior(features(unseen))
    assert moved[3:] == pytest.approx(expected, abs=1e-6)
    assert variance[3:] == pytest.approx(np.diagonal(exact), abs=1e-6)


def test_a_pending_result_narrows_the_deviations_and_leaves_the_mean() -> None:
    mean, covariance = fitted(30).posterior(features(tokens(40, 9)))
    moved, variance = condition(mean, covariance, 1e-6, np.array([4]), np.array([np.nan]))
    assert np.array_equal(moved, mean)
    assert variance[4] < 1e-3
    assert (variance <= np.diagonal(covariance) + 1e-12).all()


def test_of_pure_noise_the_leave_one_out_r2_is_near_zero() -> None:
    t = tokens(80, 0)
    y = torch.from_numpy(np.random.default_rng(2).standard_normal(80))
    process = GaussianProcess(fit(features(t), y, 6, 40), features(t), y)
    assert process.r2 < 0.2
    assert 1.0 <= process.calibration <= 3.0


def test_leaving_one_out_equals_fitting_without_it() -> None:
    t = tokens(20, 0)
    y, kernel = torch.from_numpy(quantity(t)), Kernel.prior(18, 6)
    error, variance = GaussianProcess(kernel, features(t), y).leave_one_out()
    others = GaussianProcess(kernel, features(t[1:]), y[1:])
    mean, covariance = others.posterior(features(t[:1]))
    assert error[0] == pytest.approx(float(y[0]) - mean[0])
    assert variance[0] == pytest.approx(covariance[0, 0] + others.noise)


def test_a_covariance_without_noise_is_mended() -> None:
    x = features(np.repeat(tokens(3, 0), 20, axis=0))  # three genomes, twenty times each
    kernel = replace(Kernel.prior(18, 6), scales=torch.full((2,), 40.0, dtype=torch.double))
    process = GaussianProcess(kernel, x, torch.zeros(60, dtype=torch.double))
    assert np.isfinite(process.mean(x)).all()
