from __future__ import annotations

import time

import pytest

from mnas_moo.objectives.host import timing
from mnas_moo.objectives.statistics import median_interval


class Clock:
    """A clock that runs advance by hand, one entry of ``durations`` after another, round and round."""

    def __init__(self, *durations: float) -> None:
        self.durations = durations
        self.runs = 0
        self.now = 0.0

    def run(self) -> None:
        self.now += self.durations[self.runs % len(self.durations)]
        self.runs += 1

    def __call__(self) -> float:
        return self.now


def test_equal_runs_stop_at_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MINIMUM_SECONDS", 0.0)
    clock = Clock(0.25)
    assert timing.repeat(timing.timed(clock.run, clock), 0.02, 60.0) == [0.25] * timing.MINIMUM_RUNS


def test_unequal_runs_are_repeated_until_the_median_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MINIMUM_SECONDS", 0.0)
    # Uniform on [1, 1.5]: the half width is about 0.98 * 0.5 / sqrt(n), a share of 0.01 of 1.25 at n = 1,537.
    clock = Clock(*(1 + 0.5 * (i * 0.618034 % 1) for i in range(100_000)))
    times = timing.repeat(timing.timed(clock.run, clock), 0.01, 60.0)
    median, low, high = median_interval(times)
    assert (high - low) / 2 <= 0.01 * median
    assert 1_200 < len(times) < 2_500


def test_the_maximum_time_ends_runs_that_never_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MINIMUM_SECONDS", 0.0)
    clock = Clock(1.0, 100.0)
    started = time.perf_counter()
    times = timing.repeat(timing.timed(clock.run, clock), 1e-9, 0.05)
    assert len(times) >= timing.MINIMUM_RUNS
    assert 0.05 <= time.perf_counter() - started < 5


def test_a_warm_up_has_three_runs_at_least_and_ends_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.05)
    monkeypatch.setattr(timing.time, "perf_counter", clock)
    assert timing.warm_up(clock.run) == 4  # 0.2 s
    assert timing.warm_up(clock.run, 0.01) == 3
    monkeypatch.setattr(timing, "WARM_UP_SECONDS", 0.6)
    assert timing.warm_up(clock.run, 60.0) == 12


def test_runs_go_on_until_the_minimum_time_also_where_all_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.01)
    monkeypatch.setattr(timing.time, "perf_counter", clock)
    times = timing.repeat(timing.timed(clock.run, clock), 0.02, 60.0)
    assert 0.5 <= sum(times) <= 0.52  # MINIMUM_SECONDS
    assert len(timing.repeat(timing.timed(clock.run, clock), 0.02, 0.2)) == pytest.approx(20, abs=1)


def test_the_summary_is_in_milliseconds() -> None:
    figures = timing.summary([i / 1000 for i in range(101)])
    assert figures == {
        "median_ms": pytest.approx(50.0),
        "p10_ms": pytest.approx(10.0),
        "p90_ms": pytest.approx(90.0),
        "confidence_half_width_ms": pytest.approx(10.0),  # ranks 50.5 - 9.85 and 50.5 + 9.85: 40 and 60
        "runs": 101,
    }
