"""The queue that phones take from, and what a worker does after each kind of turn; no phone is needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mnas_moo.objectives.objective import DeviceError, Graph, Measurement
from mnas_moo.objectives.phone import work as work_module
from mnas_moo.objectives.phone.adb import PhoneError, TransientError, TroubleError, UnusableError
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, Timing
from mnas_moo.objectives.phone.pool import Pool, Standing
from mnas_moo.objectives.phone.session import LockLostError
from mnas_moo.objectives.phone.turn import Bounds, LockedError, SwappedError, Times
from mnas_moo.objectives.phone.work import Item, Work, Worker
from tests.objectives.phone.conftest import network

BOUNDS = Bounds(precision=0.02, maximum_seconds=10.0, maximum_temperature_c=40.0, drift=0.05)


def work_for(*serials: str, networks: int = 0) -> tuple[Work, list[Item]]:
    """Work for phones of one model, at time 0, with networks in its queue."""
    pool = Pool(None, None, rest_s=(1.0, 8.0), patience_s=60.0, grace_s=5.0)
    pool.observe(dict.fromkeys(serials, "device"), 0.0)
    for serial in serials:
        pool.introduce(serial, "Pixel 6")
    work = Work(pool, clock=lambda: 100.0)
    work.changed.acquire()  # as all callers do; this thread may do so again
    return work, [work.item(network(8 + i)) for i in range(networks)]


def test_a_network_under_way_is_not_queued_again_and_a_finished_one_is_answered_from_memory() -> None:
    work, (item,) = work_for("a", networks=1)
    assert work.item(network(8)) is item
    assert work.take("a") == [item]
    assert work.item(network(8)) is item
    assert work.take("a") == []
    result = Measurement(3.0)
    work.finish(item, result)
    assert work.item(network(8)).outcome is result
    assert not work.wanted


def test_a_failed_network_is_tried_anew_when_it_is_asked_for_again() -> None:
    work, (item,) = work_for("a", networks=1)
    work.take("a")
    work.finish(item, ValueError("cannot be timed"))
    assert work.item(network(8)).outcome is None
    assert work.wanted


@pytest.mark.parametrize(
    ("phones", "networks", "shares"), [("a", 20, [8, 8, 4]), ("ab", 5, [3, 1, 1]), ("abc", 1, [1])]
)
def test_share_of_a_phone_is_its_part_of_the_queue_and_at_most_eight(
    phones: str, networks: int, shares: list[int]
) -> None:
    work, items = work_for(*phones, networks=networks)
    taken = [work.take("a") for _ in shares]
    assert [len(part) for part in taken] == shares
    assert [item for part in taken for item in part] == items


def test_networks_without_an_outcome_go_to_the_front_in_their_order_with_the_reason() -> None:
    work, items = work_for("a", networks=10)
    taken = work.take("a")
    work.finish(taken[1], Measurement(1.0))
    work.put_back(taken, "a: the connection broke")
    again = work.take("a")
    assert again == [items[0], *items[2:9]]
    assert items[0].notes == ["a: the connection broke"]
    assert items[1].notes == []


def test_a_network_that_fails_three_times_here_is_left_to_another_phone_and_ends_after_five_failures() -> None:
    work, (item,) = work_for("a", "b", networks=1)
    error = BenchmarkError("exit code 1")
    assert [work.failed(item, "a", error) for _ in range(3)] == [True, True, False]
    assert (item.outcome, work.any_for("a"), work.any_for("b")) == (None, False, True)
    assert work.take("a") == []
    assert [work.failed(item, "b", error) for _ in range(3)] == [True, True, False]
    assert isinstance(item.outcome, ValueError)
    assert "cannot be timed, while others can: exit code 1" in str(item.outcome)
    assert item.notes == ["a: exit code 1"] * 3 + ["b: exit code 1"] * 3


def test_the_only_phone_tries_five_times() -> None:
    work, (item,) = work_for("a", networks=1)
    assert [work.failed(item, "a", BenchmarkError("x")) for _ in range(5)] == [True] * 4 + [False]


def test_wishes_are_granted_once_a_phone_is_known_or_end_with_the_error() -> None:
    work, _ = work_for("a")
    first = work.wish()
    assert work.wanted
    work.grant_wishes()
    second = work.wish()
    work.give_up(DeviceError("none"))
    assert isinstance(first.outcome, Measurement)
    assert isinstance(second.outcome, DeviceError)
    assert not work.wanted


def test_giving_up_ends_what_no_phone_has() -> None:
    work, items = work_for("a", networks=9)
    taken = work.take("a")
    work.give_up(DeviceError("none"))
    assert [isinstance(item.outcome, DeviceError) for item in items] == [False] * 8 + [True]
    assert [item.outcome for item in taken] == [None] * 8


def test_waiting_ends_with_an_error_where_it_would_never_end() -> None:
    work, items = work_for("a", networks=1)
    work.break_down(KeyError("x"))
    with pytest.raises(RuntimeError, match="broken down") as caught:
        work.wait(items)
    work.closed = True
    with pytest.raises(RuntimeError, match="closed while a phone was waited for"):
        work.wait(items)
    assert isinstance(caught.value.__cause__, KeyError)


class FakeSession:
    """What a worker asks of a session itself; the rest is for ``FakeTurn``."""

    token, threads = "1-ffff", 2

    def __init__(self) -> None:
        self.calls: list[str] = []

    def end(self) -> None:
        self.calls.append("end")

    def forget_reference(self) -> None:
        self.calls.append("forget")


class FakeTurn:
    """A turn that raises ``fault`` at its end; its networks take 10 ms at 80 % of the phone's speed."""

    fault: Exception | None = None
    patient: bool
    best_ms, settled_ms, speed = 2.0, 2.5, 0.8

    def __init__(self, *arguments: object, patient: bool) -> None:
        type(self).patient = patient

    def begin(self) -> None:
        pass

    def time(self, model: bytes) -> Times:
        return Times([Timing(5, 10.0, 9.0, 11.0, 0.1, 10.0)] * 5, 1.5)

    def end(self) -> None:
        if self.fault is not None:
            raise self.fault

    def details(self) -> dict[str, object]:
        return {"serial": "a"}


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> type[FakeTurn]:
    class Turn(FakeTurn):
        pass

    monkeypatch.setattr(work_module, "Turn", Turn)
    return Turn


def worker(
    work: Work, session: FakeSession, said: list[str], write: Callable[[Graph], bytes] = lambda graph: b""
) -> Worker:
    work.pool.begin("a")
    return Worker(work, work.pool.seats["a"], session, BOUNDS, write, said.append)  # type: ignore[arg-type]


def test_times_are_delivered_in_proportion_with_who_waited_how_long(turn: type[FakeTurn]) -> None:
    work, (item,) = work_for("a", networks=1)
    item.since = 90.0
    said: list[str] = []
    worker(work, FakeSession(), said).take_turn()
    assert isinstance(item.outcome, Measurement)
    assert item.outcome.value == pytest.approx(8.0)
    details = item.outcome.details
    assert (details["waited_seconds"], details["retries"], details["threads"], details["serial"]) == (10.0, [], 2, "a")
    assert (work.best_ms, work.settled_ms) == ({"a": 2.0}, {"a": 2.5})
    assert said == ["a: it has settled at 80% of its speed; its times are put in proportion"]
    assert work.pool.seats["a"].standing is Standing.FREE


@pytest.mark.parametrize(
    ("fault", "standing", "until", "calls"),
    [
        (TransientError("gone"), Standing.RESTING, 101.0, []),
        (TroubleError("hot"), Standing.RESTING, 101.0, ["forget", "end"]),
        (UnusableError("denied"), Standing.RETIRED, 0.0, ["forget", "end"]),
        (SwappedError("another"), Standing.RETIRED, 0.0, ["forget", "end"]),
        (LockedError("busy"), Standing.RESTING, 100.7, []),
        (LockLostError(), Standing.FREE, 0.0, []),
        (InterruptedError(), Standing.FREE, 0.0, []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_turn_that_ends_badly_puts_its_networks_back_and_the_phone_where_it_belongs(
    turn: type[FakeTurn], fault: PhoneError, standing: Standing, until: float, calls: list[str]
) -> None:
    turn.fault = fault
    work, items = work_for("a", networks=2)
    session = FakeSession()
    worker(work, session, []).take_turn()
    seat = work.pool.seats["a"]
    assert (seat.standing, seat.until) == (standing, pytest.approx(until))
    assert session.calls == calls
    assert [item.outcome for item in items] == [None, None]
    assert work.take("a") == items
    assert items[0].notes == [f"a: {fault}"]


@pytest.mark.parametrize(("since", "patient"), [(None, False), (100.0 - 119.0, False), (100.0 - 121.0, True)])
def test_a_phone_that_has_been_in_trouble_for_two_minutes_has_settled(
    turn: type[FakeTurn], since: float | None, patient: bool
) -> None:
    work, _ = work_for("a", networks=1)
    work.pool.seats["a"].trouble_since = since
    worker(work, FakeSession(), []).take_turn()
    assert turn.patient is patient


def test_a_network_that_has_no_file_is_refused_and_the_others_are_timed(turn: type[FakeTurn]) -> None:
    work, (bad, good) = work_for("a", networks=2)

    def write(graph: Graph) -> bytes:
        if graph == bad.graph:
            raise ValueError("no such layer")
        return b""

    worker(work, FakeSession(), [], write).take_turn()
    assert str(bad.outcome) == "no such layer"
    assert isinstance(good.outcome, Measurement)
