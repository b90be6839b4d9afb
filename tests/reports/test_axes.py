from __future__ import annotations

import math

import pytest

from mnas_moo.reports.axes import log_ticks, padded, tick_text, ticks


@pytest.mark.parametrize(
    ("ends", "most", "expected"),
    [
        ((0, 10), 5, [0, 2, 4, 6, 8, 10]),
        ((0.0012, 0.0049), 4, [0.002, 0.003, 0.004]),
        ((-1, 1), 4, [-1, -0.5, 0, 0.5, 1]),
        ((5, 5), 4, [5]),
        ((1e6, 3e6), 3, [1e6, 2e6, 3e6]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(ends: tuple[float, float], most: int, expected: list[float]) -> None:
    assert ticks(ends, most) == pytest.approx(expected)


def test_ticks_have_as_many_digits_as_tell_them_apart() -> None:
    marks = [0.985, 0.99, 0.995]
    assert [tick_text(mark, True, marks) for mark in marks] == ["98.5 %", "99.0 %", "99.5 %"]
    assert tick_text(1500.0, False, [1000.0, 1500.0]) == "1,500"
    assert tick_text(2e-9, False, [1e-9, 2e-9]) == "2e-09"


def test_ends_of_an_axis_leave_room_and_ignore_what_is_no_number() -> None:
    assert padded([1.0, math.nan, 2.0], 0.1) == pytest.approx((0.9, 2.1))
    assert padded([]) == (0.0, 1.0)
    low, high = padded([3.0])
    assert low < 3 < high


@pytest.mark.parametrize(
    ("ends", "most", "expected"),
    [
        ((1.0, 100.0), 9, [1, 2, 5, 10, 20, 50, 100]),
        ((1.0, 100.0), 4, [1, 10, 100]),
        ((1e-3, 1e3), 4, [1e-3, 1e-1, 1e1, 1e3]),
        ((3.0, 4.0), 4, []),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_1_2_and_5_or_powers(
    ends: tuple[float, float], most: int, expected: list[float]
) -> None:
    assert log_ticks(ends, most) == expected
