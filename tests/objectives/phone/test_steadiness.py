"""When repeats end, and what counts as drift."""

from __future__ import annotations

import pytest

from mnas_moo.objectives.phone.steadiness import REFERENCE, drifted, enough, half_width


def test_steady_times_are_enough_at_the_fewest() -> None:
    assert not enough([10.0] * 4, 5, 0.02, 1.0, 10.0)
    assert enough([10.0, 10.1, 9.9, 10.0, 10.05], 5, 0.02, 1.0, 10.0)


def test_one_spike_needs_a_few_more_and_then_does_not_matter() -> None:
    times = [10.0, 10.1, 9.9, 10.0, 50.0]
    assert not enough(times, 5, 0.02, 1.0, 10.0)
    times += [10.05, 9.95, 10.0]
    assert enough(times, 5, 0.02, 1.0, 10.0)
    assert half_width(times) < 0.2


def test_unsteady_times_end_with_the_seconds() -> None:
    times = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0]
    assert not enough(times, 5, 0.02, 9.9, 10.0)
    assert enough(times, 5, 0.02, 10.0, 10.0)
    assert not enough(times[:4], 5, 0.02, 10.0, 10.0)


@pytest.mark.parametrize(("before", "after", "is_drift"), [(2.0, 2.09, False), (2.0, 2.11, True), (2.11, 2.0, True)])
def test_drift_is_beyond_the_bound_in_either_direction(before: float, after: float, is_drift: bool) -> None:
    assert drifted(before, after, 0.05) is is_drift


def test_reference_is_small() -> None:
    assert 5e6 < REFERENCE.multiply_adds < 50e6
    assert REFERENCE.parameters < 500_000
