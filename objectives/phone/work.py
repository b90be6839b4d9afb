"""How the networks to be timed are distributed over the phones.

``Work`` is the queue that all phones take from; ``Worker`` is the thread of one phone. Between taking networks and
delivering their times lies one turn (``turn``). If it ends badly, its networks go back to the front of the queue, for
this phone or another; so a loose cable never costs a trial.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mnas_moo.objectives.objective import JSON, DeviceError, Graph, Measurement
from mnas_moo.objectives.phone.adb import PhoneError, TransientError, TroubleError, UnusableError
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError
from mnas_moo.objectives.phone.pool import Pool, Seat, Standing
from mnas_moo.objectives.phone.session import LockLostError, Session
from mnas_moo.objectives.phone.turn import Bounds, LockedError, SwappedError, Times, Turn

SETTLE_S = 120.0
"""A phone that has been slower for so long has settled at that speed: it cannot cool down further at work."""

_TURN = 8  # most networks in a turn: what a drift throws away, and how long other studies wait for the phone
_FAILURES_HERE = 3  # failures of a network on a phone that runs the reference network, before another is tried
_FAILURES = 5  # its failures on all phones, before it is the network's fault


@dataclass(eq=False)
class Item:
    """A network to be timed, and how that is going.

    Attributes:
        graph: the network; None: only the phone's identity is wanted.
        outcome: the result; an exception that is to be raised; None: not yet.
        failures: number of failures on each phone that ran the reference network well.
        notes: what went wrong on the way.
        since: when it was asked for, by the clock of ``Work``.
    """

    graph: Graph | None
    outcome: Measurement | Exception | None = None
    failures: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    since: float = 0.0


class Work:
    """The networks that are waited for, and the results of those that were timed.

    Methods are called and attributes used while ``changed`` is held, which guards the pool too.

    Args:
        pool: the phones.
        clock: the time in seconds.

    Attributes:
        changed: condition that is notified of every change.
        closed: whether all waiting and all threads are to end.
        broken: a fault of our own that ended a thread.
        told: the last reason for waiting that was reported; empty after a result.
        best_ms: time of the reference network on each phone at its best.
        settled_ms: time of the reference network on each phone that has settled at a slower speed.
    """

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self.changed = threading.Condition()
        self.pool = pool
        self.clock = clock
        self.closed = False
        self.broken: Exception | None = None
        self.told = ""
        self.best_ms: dict[str, float] = {}
        self.settled_ms: dict[str, float] = {}
        self._queue: deque[Item] = deque()  # not taken by any phone
        self._items: dict[Graph, Item] = {}  # in the queue or on a phone
        self._wishes: list[Item] = []  # callers who only ask what the phone is
        self._results: dict[Graph, Measurement] = {}

    @property
    def wanted(self) -> bool:
        """Whether something is waited for."""
        return bool(self._items or self._wishes)

    def item(self, graph: Graph) -> Item:
        """The item of a network: a finished one, the one under way, or a new one."""
        if graph in self._results:
            return Item(graph, self._results[graph])
        if graph not in self._items:
            self._items[graph] = Item(graph, since=self.clock())
            self._queue.append(self._items[graph])
        return self._items[graph]

    def wish(self) -> Item:
        """An item that is answered as soon as any phone has said what it is."""
        wish = Item(None, since=self.clock())
        self._wishes.append(wish)
        return wish

    def grant_wishes(self) -> None:
        """A phone has said what it is."""
        for wish in self._wishes:
            wish.outcome = wish.outcome or Measurement(0.0)
        self._wishes.clear()

    def wait(self, items: Sequence[Item]) -> None:
        """Waits until all have an outcome.

        Raises:
            RuntimeError: closed, or a thread has broken down.
        """
        self.changed.notify_all()
        while not all(item.outcome is not None for item in items):
            if self.closed:
                raise RuntimeError("closed while a phone was waited for; measure with a new object")
            if self.broken is not None:
                raise RuntimeError("measuring on phones has broken down; measure with a new object") from self.broken
            self.changed.wait()

    def finish(self, item: Item, outcome: Measurement | Exception) -> None:
        """Delivers."""
        item.outcome = outcome
        if item.graph is not None:
            self._items.pop(item.graph, None)
            if isinstance(outcome, Measurement):
                self._results[item.graph] = outcome
                self.told = ""
        self.changed.notify_all()

    def give_up(self, error: DeviceError) -> None:
        """All that is waited for and not on a phone ends with ``error``."""
        for item in [*self._wishes, *self._queue]:
            self.finish(item, error)
        self._wishes.clear()
        self._queue.clear()

    def break_down(self, error: Exception) -> None:
        """A fault of our own in a thread: better an error than an endless wait."""
        self.broken = error
        self.changed.notify_all()

    def any_for(self, serial: str) -> bool:
        """Whether there is a network that a phone should try."""
        return any(self._suits(item, serial) for item in self._queue)

    def take(self, serial: str) -> list[Item]:
        """Takes a phone's share of the queue."""
        share = min(_TURN, -(-len(self._queue) // max(1, len(self.pool.can_measure()))))
        taken = [item for item in self._queue if self._suits(item, serial)][:share]
        for item in taken:
            self._queue.remove(item)
        return taken

    def put_back(self, items: Sequence[Item], note: str) -> None:
        """Those of a turn that have no outcome yet go to the front of the queue, in their order."""
        for item in reversed(items):
            if item.outcome is None:
                item.notes.append(note)
                self._queue.appendleft(item)
        self.changed.notify_all()

    def failed(self, item: Item, serial: str, error: Exception) -> bool:
        """A network failed where the reference network runs well; after several failures it is at fault itself.

        Returns:
            Whether the phone should try it again; else it has its outcome, or is left to another phone.
        """
        assert item.graph is not None
        item.notes.append(f"{serial}: {error}")
        item.failures[serial] = item.failures.get(serial, 0) + 1
        if not self._suits(item, serial):
            return False
        if item.failures[serial] >= _FAILURES_HERE and sum(item.failures.values()) >= _FAILURES:
            name = item.graph.name or "the network"
            self.finish(item, ValueError(f"{name} cannot be timed, while others can: {error}"))
            return False
        return True

    def _suits(self, item: Item, serial: str) -> bool:
        """Whether a phone should try a network: not one that keeps failing on it while another may do better."""
        if item.failures.get(serial, 0) < _FAILURES_HERE:
            return True
        others = (seat.serial for seat in self.pool.can_measure() if seat.serial != serial)
        return all(item.failures.get(other, 0) >= _FAILURES_HERE for other in others)


class Worker:
    """Takes turns on one phone for as long as there is work for it.

    Args:
        work: where networks are taken from.
        seat: the phone's place in the pool.
        session: the phone.
        bounds: what is good enough.
        write: makes the .tflite file of a network; raises ValueError where it cannot.
        report: called with one line for people.
    """

    def __init__(
        self,
        work: Work,
        seat: Seat,
        session: Session,
        bounds: Bounds,
        write: Callable[[Graph], bytes],
        report: Callable[[str], None],
    ) -> None:
        self._work = work
        self._seat = seat
        self._serial = seat.serial
        self._session = session
        self._bounds = bounds
        self._write = write
        self._report = report

    def run(self) -> None:
        """The thread: returns when ``work`` is closed."""
        work, seat = self._work, self._seat
        try:
            while True:
                with work.changed:
                    while not work.closed and not (
                        seat.standing is Standing.FREE and seat.present and work.any_for(self._serial)
                    ):
                        work.changed.wait()
                    if work.closed:
                        return
                    work.pool.begin(self._serial)
                self.take_turn()
        except Exception as error:
            with work.changed:
                work.break_down(error)

    def take_turn(self) -> None:
        """One turn, and what its faults mean for the phone; networks without an outcome go back to the queue."""
        items: list[Item] = []
        error: Exception | None = None
        try:
            self._turn(items)
        except (PhoneError, LockLostError, LockedError, SwappedError, InterruptedError) as caught:
            error = caught
        with self._work.changed:
            messages = self._settle(error)
            self._work.pool.free(self._serial)
            self._work.put_back(items, f"{self._serial}: {error}")
        for message in messages:
            self._report(message)

    def _settle(self, error: Exception | None) -> list[str]:
        """How the phone stands after a turn; under the condition; returns messages."""
        serial, pool, now = self._serial, self._work.pool, self._work.clock()
        if error is None:
            pool.succeed(serial)
        elif isinstance(error, LockLostError):
            return [f"{serial}: {error}"]
        elif isinstance(error, LockedError):
            # Waiters of several studies should not ask in step.
            pool.pause(serial, str(error), now + 0.3 + 0.4 * int(self._session.token[-4:], 16) / 0xFFFF)
        elif isinstance(error, UnusableError | SwappedError):
            return pool.retire(serial, str(error))
        elif isinstance(error, TransientError):
            return pool.rest(serial, str(error), now, trouble=isinstance(error, TroubleError))
        return []

    def _turn(self, items: list[Item]) -> None:
        """One turn; ``items`` is filled with what was taken from the queue for it.

        Raises:
            PhoneError, LockLostError, LockedError, SwappedError: items without an outcome have to be timed again.
            InterruptedError: closed.
        """
        work, serial, session = self._work, self._serial, self._session
        with work.changed:
            best_ms, settled_ms = work.best_ms.get(serial), work.settled_ms.get(serial)
            peers = [best for other, best in work.best_ms.items() if other != serial]
            since = self._seat.trouble_since
        turn = Turn(
            session,
            self._seat.model,
            self._bounds,
            best_ms,
            min(peers, default=None),
            settled_ms,
            patient=since is not None and work.clock() - since > SETTLE_S,
        )
        times: dict[Item, Times] = {}
        try:
            turn.begin()
            if turn.settled_ms and settled_ms is None:
                self._report(
                    f"{serial}: it has settled at {turn.speed:.0%} of its speed; its times are put in proportion"
                )
            with work.changed:
                if turn.best_ms is not None:
                    work.best_ms[serial] = turn.best_ms
                work.settled_ms.pop(serial, None)
                if turn.settled_ms:
                    work.settled_ms[serial] = turn.settled_ms
                items += work.take(serial)
            waited = {item: work.clock() - item.since for item in items}
            for item in items:
                if (measured := self._time(turn, item)) is not None:
                    times[item] = measured
            if times:
                turn.end()
            else:
                session.end()
        except (SwappedError, TroubleError, UnusableError):  # it still answers
            session.forget_reference()
            with contextlib.suppress(PhoneError):
                session.end()
            raise
        with work.changed:
            for item, measured in times.items():
                details: dict[str, JSON] = {"waited_seconds": waited[item], "retries": list(item.notes)}
                details |= {"threads": session.threads, **turn.details()}
                work.finish(item, measured.measurement(turn.speed, details))

    def _time(self, turn: Turn, item: Item) -> Times | None:
        """Times one network; None: it failed for good, or goes back to the queue for another phone."""
        assert item.graph is not None
        try:
            model = self._write(item.graph)
        except ValueError as error:
            with self._work.changed:
                self._work.finish(item, error)
            return None
        while True:
            try:
                return turn.time(model)
            except BenchmarkError as error:
                with self._work.changed:
                    if not self._work.failed(item, self._serial, error):
                        return None
