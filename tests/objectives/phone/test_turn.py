"""What a turn makes of a phone's speed, heat and model; the phone is a list of the reference network's times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import TransientError, TroubleError
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, Timing
from mnas_moo.objectives.phone.device import State
from mnas_moo.objectives.phone.turn import Bounds, LockedError, SwappedError, Times, Turn

BOUNDS = Bounds(precision=0.02, maximum_seconds=10.0, maximum_temperature_c=40.0, drift=0.05)
COOL = State(model="Pixel 6", battery_c=27.0)


def timing(median_ms: float) -> Timing:
    return Timing(5, median_ms, 0.9 * median_ms, 1.1 * median_ms, 0.1, median_ms)


class FakeSession:
    """A phone on which the reference network takes one of ``references`` after another."""

    def __init__(self, *references: float | Exception, state: Any = COOL, recent: float | None = None) -> None:
        self.references = list(references)
        self.state = state
        self.recent = recent
        self.broken: Exception | None = None

    def _next(self) -> float:
        value = self.references.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    def begin(self) -> Any:
        return self.state

    def end(self) -> State:
        raise TransientError("gone")

    def push(self, model: bytes) -> str:
        return "place"

    def time(self, graph: str, fewest: int, precision: float, most: float, halfway: Callable[[], None]) -> Any:
        if self.broken is not None:
            raise self.broken
        halfway()
        return [timing(10.0)] * fewest, 1.0

    def invoke(self, graph: str) -> Timing:
        return timing(self._next())

    def recent_reference(self) -> float | None:
        return self.recent

    def check_reference(self, drift: float, maximum_seconds: float) -> float:
        return self._next()

    def confirm_reference(self, before: float, drift: float, maximum_seconds: float) -> float:
        return self._next()


def turn(
    session: FakeSession,
    best: float | None = None,
    peer: float | None = None,
    settled: float | None = None,
    *,
    patient: bool = False,
) -> Turn:
    return Turn(session, "Pixel 6", BOUNDS, best, peer, settled, patient=patient)  # type: ignore[arg-type]


def test_first_time_of_the_reference_network_is_the_phone_at_its_best() -> None:
    made = turn(FakeSession(2.0))
    made.begin()
    assert (made.best_ms, made.settled_ms, made.speed) == (2.0, None, 1.0)


def test_a_recent_time_serves_without_another_unless_it_has_drifted() -> None:
    session = FakeSession(recent=2.05)
    turn(session, best=2.0).begin()
    drifted = FakeSession(2.0, recent=2.2)
    turn(drifted, best=2.0).begin()
    assert drifted.references == []


def test_a_faster_time_becomes_the_best() -> None:
    made = turn(FakeSession(1.5), best=2.0)
    made.begin()
    assert (made.best_ms, made.speed) == (1.5, 1.0)


@pytest.mark.parametrize(
    ("before", "settled", "patient", "speed"),
    [
        (2.4, None, False, None),  # slower, and not for long yet
        (2.4, None, True, 2.0 / 2.4),  # slower for so long that it has settled
        (2.4, 2.45, False, 2.0 / 2.4),  # where it had settled before
        (2.4, 2.8, False, None),  # and elsewhere
        (3.1, None, True, None),  # more than half as slow again is no settling
    ],
)
def test_a_slower_phone_is_in_trouble_or_has_settled(
    before: float, settled: float | None, patient: bool, speed: float | None
) -> None:
    made = turn(FakeSession(before), best=2.0, settled=settled, patient=patient)
    if speed is None:
        with pytest.raises(TroubleError, match="busy or throttled"):
            made.begin()
    else:
        made.begin()
        assert (made.speed, made.settled_ms, made.best_ms) == (pytest.approx(speed), before, 2.0)


def test_a_phone_much_slower_than_its_peer_when_first_timed_is_not_at_its_best() -> None:
    with pytest.raises(TroubleError, match=r"takes 2\.4 ms instead of 2 ms"):
        turn(FakeSession(2.4), peer=2.0).begin()
    made = turn(FakeSession(2.2), peer=2.0)
    made.begin()
    assert made.best_ms == 2.2


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        (lock.Attempt(held=False, owner="other"), LockedError, "another study"),
        (dataclasses.replace(COOL, model="Pixel 4"), SwappedError, "belongs to a Pixel 4; plug the Pixel 6 in again"),
        (dataclasses.replace(COOL, battery_c=40.1), TroubleError, r"too hot: 40\.1 °C, above 40 °C"),
    ],
)
def test_a_phone_that_cannot_be_used_now_says_why(state: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        turn(FakeSession(2.0, state=state)).begin()


def test_a_phone_without_a_thermometer_is_not_too_hot() -> None:
    turn(FakeSession(2.0, state=State(model="Pixel 6"))).begin()


def test_a_network_that_fails_is_at_fault_only_where_the_reference_network_runs() -> None:
    session = FakeSession(2.0, 2.0, BenchmarkError("signal 11"))
    session.broken = BenchmarkError("signal 6")
    made = turn(session)
    made.begin()
    with pytest.raises(BenchmarkError, match="signal 6"):
        made.time(b"")
    with pytest.raises(TroubleError, match=r"the reference network fails on it: signal 11"):
        made.time(b"")


@pytest.mark.parametrize(("glance", "is_trouble"), [(2.19, False), (2.21, True)])
def test_a_glance_in_the_middle_may_differ_by_twice_the_drift(glance: float, is_trouble: bool) -> None:
    made = turn(FakeSession(2.0, glance))
    made.begin()
    if is_trouble:
        with pytest.raises(TroubleError, match=r"took 2 ms, then 2\.21 ms"):
            made.time(b"")
    else:
        assert len(made.time(b"").timings) == 5


@pytest.mark.parametrize(("after", "is_trouble"), [(2.09, False), (2.11, True), (1.9, True)])
def test_all_of_a_turn_is_void_where_the_speed_changed(after: float, is_trouble: bool) -> None:
    made = turn(FakeSession(2.0, after))
    made.begin()
    if is_trouble:
        with pytest.raises(TroubleError, match="its speed changed"):
            made.end()
    else:
        made.end()  # though the phone does not answer any more


def measured(values: Sequence[Timing], speed: float = 1.0) -> dict[str, Any]:
    measurement = Times(values, 1.5).measurement(speed, {"serial": "a"})
    return {"value": measurement.value, **measurement.details}


def test_measurement_is_the_median_of_the_invocations_with_their_spread() -> None:
    values = [timing(ms) for ms in (10.0, 11.0, 12.0, 13.0, 30.0)]
    found = measured(values)
    assert (found["value"], found["minimum_ms"], found["maximum_ms"]) == (12.0, 9.0, pytest.approx(33.0))
    assert (found["invocations"], found["runs"], found["seconds"], found["serial"]) == (5, 25, 1.5, "a")
    assert (found["p10_ms"], found["p90_ms"]) == (pytest.approx(10.4), pytest.approx(23.2))


def test_all_times_are_multiplied_by_the_speed_and_no_count_is() -> None:
    values = [dataclasses.replace(timing(ms), p5_ms=0.95 * ms, p95_ms=1.05 * ms) for ms in (10.0, 11.0, 12.0)]
    full, half = measured(values), measured(values, speed=0.5)
    for name in full:
        if name == "value" or name.endswith("_ms"):
            assert half[name] == pytest.approx(0.5 * full[name]), name
    assert (half["speed"], half["runs"], half["invocations"], half["seconds"]) == (0.5, 15, 3, 1.5)
    assert (full["run_p5_ms"], full["run_p95_ms"]) == (pytest.approx(10.45), pytest.approx(11.55))


def test_a_program_that_prints_no_percentiles_leaves_them_out() -> None:
    assert measured([timing(10.0)] * 5)["run_p5_ms"] is None
