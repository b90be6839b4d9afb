from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import multivariate_normal  # type: ignore[import-untyped]

from mnas_moo.objectives.predictor import process
from mnas_moo.objectives.predictor.design import Design
from mnas_moo.objectives.predictor.process import Matrices, Process
from tests.objectives.predictor.conftest import part


def fitted(n: int = 30, noise: float = 0.02) -> tuple[Design, np.ndarray]:
    """Networks of random parts, and latencies that are their work, times a factor of each part, times noise."""
    rng = np.random.default_rng(0)
    parts = [part(channels=channels, multiply_adds=channels**2, elements=channels) for channels in (8, 12, 16, 24, 32)]
    counts = rng.integers(1, 5, (n, len(parts)))
    design = Design([Counter(dict(zip(parts, own.tolist(), strict=True))) for own in counts])
    work = np.array([design.compare(each).work.sum() for each in parts]) * rng.uniform(0.7, 1.4, len(parts))
    return design, counts @ work * np.exp(noise * rng.standard_normal(n))


def test_the_loss_is_the_log_posterior_up_to_a_constant() -> None:
    rng = np.random.default_rng(0)
    rates, local = (m @ m.T for m in rng.standard_normal((2, 12, 12)))
    target = rng.standard_normal(12)

    def posterior(logs: np.ndarray) -> float:
        s1, s2, noise = np.exp(2 * logs)
        covariance = s1 * rates + s2 * local + noise * np.eye(12)
        prior = -0.5 * (((logs - process.PRIOR) / process.PRIOR_SPREAD) ** 2).sum()
        return float(multivariate_normal(np.zeros(12), covariance).logpdf(target) + prior)

    one, other = rng.standard_normal((2, 3))
    expected = posterior(one) - posterior(other)
    assert process.loss(rates, local, target, other) - process.loss(rates, local, target, one) == pytest.approx(
        expected
    )


def test_the_scales_are_at_a_maximum_of_the_posterior() -> None:
    design, y = fitted()
    y = y / y.mean()
    matrices, every = Matrices(design), np.arange(len(y))
    scales = process.choose(matrices, every, y)
    outer, target = np.outer(y, y), 1 - matrices.mean / y
    best = process.loss(matrices.rates / outer, matrices.local / outer, target, scales)
    for step in np.eye(3):
        for sign in (-0.2, 0.2):
            moved = np.maximum(scales + sign * step, process.SMALLEST)
            assert process.loss(matrices.rates / outer, matrices.local / outer, target, moved) > best - 1e-2
    assert best < process.loss(matrices.rates / outer, matrices.local / outer, target, process.PRIOR)


def test_predictions_are_those_of_the_textbook() -> None:
    """Rasmussen & Williams 2006, eq. 2.23 f., with a noise in proportion to what was measured."""
    design, y = fitted()
    matrices = Matrices(design)
    given, asked = np.arange(20), np.arange(20, 30)
    made = Process(matrices, given, y[given], np.random.default_rng(0))
    scale = y[given].mean()
    own = y[given] / scale
    noise = np.exp(2 * made.scales[2])
    _, _, among = matrices.among(given, given, made.scales)
    mean, variance, cross = matrices.among(asked, given, made.scales)
    weights = cross @ np.linalg.inv(among + noise * np.diag(own**2))
    expected = mean + weights @ (own - matrices.mean[given])
    left = variance - (weights * cross).sum(axis=1)
    predicted, deviation = made.predict(mean, variance, cross)
    assert predicted.tolist() == pytest.approx((scale * expected).tolist(), rel=1e-6)
    assert deviation.tolist() == pytest.approx(np.sqrt(left / expected**2 + noise).tolist(), rel=1e-4)
    assert np.median(np.abs(predicted / y[asked] - 1)) < 0.03


def test_a_prediction_never_falls_below_a_twentieth_of_the_prior_mean() -> None:
    design, y = fitted()
    made = Process(Matrices(design), np.arange(len(y)), y, np.random.default_rng(0))
    mean, against = np.array([1.0]), np.sign(made._coefficients)[None] * -1e3
    predicted, _ = made.predict(mean, np.array([1.0]), against)
    assert predicted.tolist() == pytest.approx([0.05 * y.mean()])
