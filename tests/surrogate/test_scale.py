"""The scale on which objectives are modelled."""

from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.surrogate.scale import LARGEST_VARIANCE, LINEAR, Scale
from mnas_moo.surrogate.surrogate import BENDS


def test_a_normal_history_is_its_own_scale() -> None:
    values = np.random.default_rng(0).standard_normal(100_000)
    scale = Scale.of(values, 4.0)
    assert scale(0.0) == pytest.approx(0.0, abs=0.02)
    assert scale(LINEAR * 0.9) == pytest.approx(LINEAR * 0.9, abs=0.05)


@pytest.mark.parametrize(("unit", "offset"), [(1e-9, 0.0), (1e12, -5.0), (3.0, 1e6)])
@pytest.mark.parametrize("bend", BENDS)
def test_units_and_offsets_do_not_matter(unit: float, offset: float, bend: float) -> None:
    values = np.random.default_rng(1).lognormal(size=200)
    moved = values * unit + offset
    assert Scale.of(moved, bend)(moved) == pytest.approx(Scale.of(values, bend)(values), abs=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unit", [1e-9, 1e12])
def test_where_most_values_are_the_scale_may_be_steeper(sign: int, unit: float) -> None:
    values = sign * unit * np.random.default_rng(1).lognormal(size=2000)
    straight, bent, free = (Scale.of(values, bend) for bend in (1.0, 2.0, 1e9))
    ends = np.quantile(sign * values, [0.1, 0.9]) * sign
    for scale, ratio in ((straight, 1.0), (bent, 2.0)):
        flat = scale._bend(ends + unit * 1e-6) - scale._bend(ends)
        assert flat[0] / flat[1] == pytest.approx(ratio, rel=1e-3)
    low, middle, high = free._bend(np.quantile(values, [0.1, 0.5, 0.9]))
    assert high - middle == pytest.approx(middle - low, rel=1e-6)
    for scale in (straight, bent, free):
        scaled = scale(np.sort(values))
        assert (np.diff(scaled) > 0).all()
        assert scale.inverse(scaled) == pytest.approx(np.sort(values))
        assert scale(np.median(values)) == pytest.approx(0, abs=1e-6)
        step = 1e-6 * np.abs(values)
        slope = (scale(values + step) - scale(values - step)) / (2 * step)
        assert np.median(scale.slope(values) / slope) == pytest.approx(1)
        assert scale.variance(values, 0.1 * unit) == pytest.approx((scale.slope(values) * 0.1 * unit) ** 2)


def test_what_has_no_skew_is_not_bent() -> None:
    even = np.linspace(-3, 11, 100)
    assert Scale.of(even, 16.0) == Scale.linear(even)
    ties = np.array([3.0] * 9 + [4.0])
    assert Scale.of(ties, 16.0) == Scale.linear(ties)


def test_an_outlier_neither_stretches_the_others_nor_loses_its_place() -> None:
    values = np.append(np.linspace(10, 20, 99), 1e6)
    scaled = Scale.of(values, 4.0)(values)
    assert scaled[:99].max() - scaled[:99].min() > 2.0
    assert scaled[-1] > scaled[:99].max()
    assert scaled[-1] < 15
    assert (np.diff(scaled) > 0).all()


def test_ties_and_constants_have_a_scale() -> None:
    assert Scale.of(np.full(5, 7.0), 4.0)(7.0) == 0.0
    mostly = np.array([3.0] * 9 + [4.0])
    assert Scale.of(mostly, 4.0)(4.0) > 0


def test_the_largest_number_stays_a_number() -> None:
    values = np.array([1.0, 1.0 + 1e-9, 1.0 + 2e-9, 1e308])
    assert np.isfinite(Scale.of(values[:3], 4.0)(values)).all()


def test_the_inverse_gives_the_values_back_near_and_far() -> None:
    scale = Scale.of(np.array([10.0, 20.0, 30.0, 35.0]), 4.0)
    values = np.array([-5000.0, 10.0, 20.0, 39.0, 1e6])
    assert scale.inverse(scale(values)) == pytest.approx(values)
    assert np.isfinite(scale.inverse(scale(1e300)))


def test_a_variance_is_scaled_by_the_slope() -> None:
    scale = Scale.of(np.array([10.0, 20.0, 30.0, 35.0]), 4.0)
    for value in (20.0, 25.0, 90.0, -500.0):
        slope = (scale(value + 1e-4) - scale(value - 1e-4)) / 2e-4
        assert scale.variance(value, 3.0) == pytest.approx((3.0 * slope) ** 2, rel=1e-6)
    assert scale.variance(20.0, 0.0) == 0.0


def test_no_variance_is_too_large_for_a_sum() -> None:
    scale = Scale.of(np.array([1.0, 1.0 + 1e-9]), 4.0)
    assert scale.variance([1.0, 1e308, 1.0], [1e308, 1e308, 1e-3]).tolist() == [LARGEST_VARIANCE] * 3
