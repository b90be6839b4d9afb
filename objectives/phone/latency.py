"""Latency on phones: MnasNet's LAT(m) as it is meant, on the device itself (Tan et al. 2019, sec. 3.1 and 5).

One thread a phone takes networks from a common queue, a few at a time; between taking and delivering lies one turn:
get the phone's lock, see that it is cool, time the reference network, time the networks, time the reference again. If
a turn ends badly, its networks go back to the front of the queue, for this phone or another; so a cable never costs
a trial. One more thread watches which phones there are, and says what is waited for.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.objective import JSON, DeviceError, Direction, Graph, Measurement
from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import PhoneError, Server, TransientError, TroubleError, UnusableError
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, read_program
from mnas_moo.objectives.phone.pool import Pool, Seat, Standing
from mnas_moo.objectives.phone.session import LockLostError, Program, Session
from mnas_moo.objectives.phone.settings import AdbSettings
from mnas_moo.objectives.phone.turn import Bounds, LockedError, SwappedError, Times, Turn
from mnas_moo.objectives.settings import DataType

_TURN = 8  # networks of a turn at most: what a drift throws away, and how long others wait for the phone
_POLL_S = 0.5  # how often adb is asked which phones there are, while there is work
_CONNECT_EVERY_S = 1.0  # to a phone in the network that is not there
_GRACE_S = 5.0  # a server that has just started needs seconds to find USB devices
_SETTLE_S = 120.0  # after so long at a slower speed, a phone has settled there: it cannot cool down further at work
_CLOSE_S = 10.0  # for phones to come back and be tidied up
_FAILURES_HERE = 3  # of one network on one phone, whose reference runs well each time, before another is tried
_FAILURES = 5  # in all, before it is the network's fault


@dataclass(eq=False)
class _Item:
    """A network to be timed, and how that is going.

    Attributes:
        graph: the network; None: only the phone's identity is wanted.
        outcome: the result; an exception that is to be raised; None: not yet.
        failures: on each phone, how often it failed where the reference did not.
        notes: what went wrong on the way.
        since: when it was asked for.
    """

    graph: Graph | None
    outcome: Measurement | Exception | None = None
    failures: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class AdbLatency:
    """The objective ``latency_ms``: median time of one inference on a phone, batch 1, by LiteRT's benchmark_model.

    Phones of one model share the work. Networks that compute alike are measured once. Threads may share one object.
    A fault that may pass (a cable, a restart, a full disk, heat, another study on the phone) is waited out, or the
    work goes to another phone.

    The details of a measurement: ``p10_ms`` and ``p90_ms`` (of the invocations), ``confidence_half_width_ms`` (half
    the 95 % interval of the median of the invocations), ``minimum_ms`` and ``maximum_ms`` (of all runs),
    ``run_p5_ms`` and ``run_p95_ms`` (of the runs, in the median invocation; null: this benchmark_model does not print
    them), ``speed`` (of the phone as a share of its best; all times are multiplied by it, and it is 1 unless the phone
    has settled at less, as a warm one does), ``invocations``, ``runs``, ``seconds`` (of the measurement),
    ``waited_seconds`` (for a phone), ``retries`` (why it was measured anew), ``serial``, ``model``, ``android``,
    ``governor``, ``cores``, ``threads``, ``runtime``, ``temperature_before_c`` and ``temperature_after_c`` (battery),
    ``cpu_before_c`` and ``cpu_after_c``, ``reference_before_ms`` and ``reference_after_ms``, ``screen_on``,
    ``charging``.

    Args:
        threads: LiteRT's threads, each on a core of its own, the fastest first.
        data_type: "float32" or "int8".
        model: use phones of this model ("Pixel 6", as the phone says); None: there must be one model only.
        serials: use these phones, as `adb devices` names them; "host:port" ones are connected to. None: all.
        benchmark_model: path of the program for the phone; None: the phone has it in /data/local/tmp.
        precision: invocations are repeated until half the 95 % confidence interval of their median is at most this
            share of it.
        maximum_seconds: for the invocations of one network; there are 5 in any case.
        maximum_temperature_c: a phone whose battery is warmer cools down first.
        drift: the reference network's time may change by this share; else what lies between is measured again.
        time_limit_s: an invocation that takes longer hangs. The lock of a process that was killed lasts for this
            and 5 s.
        patience_minutes: how long a phone that is there may be too hot, busy, full or failing before it is given up.
        rest_s: first and longest rest of a phone after a fault.
        report: called with one line for people: what is waited for, what was given up.

    Raises:
        ValueError: an argument is out of range, or there is no file at ``benchmark_model``.
        MissingExtraError: adbutils is not installed.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(
        self,
        threads: int = AdbSettings.threads,
        *,
        data_type: DataType = AdbSettings.data_type,
        model: str | None = AdbSettings.model,
        serials: Sequence[str] | None = AdbSettings.serials,
        benchmark_model: str | os.PathLike[str] | None = AdbSettings.benchmark_model,
        precision: float = AdbSettings.precision,
        maximum_seconds: float = AdbSettings.maximum_seconds,
        maximum_temperature_c: float = AdbSettings.maximum_temperature_c,
        drift: float = AdbSettings.drift,
        time_limit_s: float = AdbSettings.time_limit_s,
        patience_minutes: float = AdbSettings.patience_minutes,
        rest_s: tuple[float, float] = (1.0, 60.0),
        report: Callable[[str], None] | None = None,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; it must be at least 1")
        if data_type not in ("float32", "int8"):
            raise ValueError(f"data_type is {data_type!r}; allowed: float32, int8")
        if serials is not None and not serials:
            raise ValueError("serials is empty; name the phones to use, or leave it out for all")
        for key, share in (("precision", precision), ("drift", drift)):
            if not 0 < share < 1:
                raise ValueError(f"{key} is {share}; it is a share, above 0 and below 1")
        for key, value in (
            ("maximum_seconds", maximum_seconds),
            ("maximum_temperature_c", maximum_temperature_c),
            ("time_limit_s", time_limit_s),
            ("patience_minutes", patience_minutes),
            ("rest_s", min(rest_s)),
        ):
            if not value > 0:
                raise ValueError(f"{key} is {value}; it must be above 0")
        self.threads = threads
        self.data_type = data_type
        self.time_limit_s = time_limit_s
        self._bounds = Bounds(precision, maximum_seconds, maximum_temperature_c, drift)
        self._program = Program(None if benchmark_model is None else read_program(Path(benchmark_model)))
        self._server = Server()
        self._report = report or (lambda message: None)
        self._token = f"{os.getpid():x}-{os.urandom(6).hex()}"
        self._pool = Pool(model, serials, rest_s=rest_s, patience_s=60 * patience_minutes, grace_s=_GRACE_S)
        self._changed = threading.Condition()  # guards all below, and the pool
        self._results: dict[Graph, Measurement] = {}
        self._items: dict[Graph, _Item] = {}  # asked for and not delivered
        self._queue: deque[_Item] = deque()  # of these, those that no phone works on
        self._wishes: list[_Item] = []
        self._device: dict[str, JSON] | None = None
        self._sessions: dict[str, Session] = {}
        self._best_ms: dict[str, float] = {}  # the reference's time on each phone at its best
        self._settled_ms: dict[str, float] = {}  # the same, where it has settled at a slower speed
        self._connected: dict[str, float] = {}  # when a connection to a phone in the network was last tried
        self._threads: list[threading.Thread] = []
        self._said = ""
        self._broken: Exception | None = None  # a fault of our own that ended a thread
        self._closed = False

    @property
    def device(self) -> Mapping[str, JSON]:
        """What identifies the phone's model and the runtime; asks a phone when first read, and waits for one.

        Raises:
            DeviceError: there is none that could measure.
            RuntimeError: closed.
        """
        with self._changed:
            if self._device is None:
                wish = _Item(None)
                self._wishes.append(wish)
                self._wait([wish])
                if isinstance(wish.outcome, Exception):
                    raise wish.outcome
            assert self._device is not None
            return self._device

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Times ``spec`` with random weights, or answers from memory.

        Args:
            spec: the network.
            seed: without effect: weights are always the same.

        Raises:
            ValueError: no phone can run this network, though they run others.
            DeviceError: no phone is left that could ever measure.
            RuntimeError: closed.
        """
        del seed
        (result,) = self.measure_all([spec])
        if isinstance(result, ValueError):
            raise result
        return result

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Times several on all phones at once; in the order of ``specs``.

        Raises:
            DeviceError: no phone is left that could ever measure.
            RuntimeError: closed.
        """
        with self._changed:
            items = [self._item(spec.canonical()) for spec in specs]
            self._wait(items)
        results: list[Measurement | ValueError] = []
        for item in items:
            if isinstance(item.outcome, Exception) and not isinstance(item.outcome, ValueError):
                raise item.outcome
            assert item.outcome is not None
            results.append(item.outcome)
        return results

    def close(self) -> None:
        """Ends all waiting, and removes from the phones what was brought to them, where they can be reached."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            sessions = dict(self._sessions)
            busy = [serial for serial in sessions if self._pool.seats[serial].standing is Standing.BUSY]
        deadline = time.monotonic() + _CLOSE_S
        for serial in busy:  # what runs there for us would keep its thread for as long as it takes
            with contextlib.suppress(PhoneError):
                sessions[serial].remove_all(max(1.0, deadline - time.monotonic()))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        for serial, session in sessions.items():
            if session.installed:
                self._tidy(serial, session, deadline)

    # What callers do, under the condition.

    def _item(self, graph: Graph) -> _Item:
        """The item of a network: a finished one, the one under way, or a new one."""
        if graph in self._results:
            return _Item(graph, self._results[graph])
        if graph not in self._items:
            self._items[graph] = _Item(graph)
            self._queue.append(self._items[graph])
        return self._items[graph]

    def _wait(self, items: Sequence[_Item]) -> None:
        """Waits until all have an outcome."""
        if all(item.outcome is not None for item in items):
            return
        if not self._threads and not self._closed:
            self._start(self._watch, "mnas-moo phones")
        self._changed.notify_all()
        while not all(item.outcome is not None for item in items):
            if self._closed:
                raise RuntimeError("closed while a phone was waited for; measure with a new object")
            if self._broken is not None:
                raise RuntimeError("measuring on phones has broken down; measure with a new object") from self._broken
            self._changed.wait()

    def _start(self, target: Callable[..., None], name: str, *arguments: object) -> None:
        thread = threading.Thread(target=target, name=name, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _finish(self, item: _Item, outcome: Measurement | Exception) -> None:
        """Delivers; under the condition."""
        item.outcome = outcome
        if item.graph is not None:
            self._items.pop(item.graph, None)
            if isinstance(outcome, Measurement):
                self._results[item.graph] = outcome
                self._said = ""
        self._changed.notify_all()

    # The thread that watches.

    def _watch(self) -> None:
        """Keeps the pool up to date while there is work."""
        try:
            while True:
                with self._changed:
                    while not self._closed and not self._items and not self._wishes:
                        self._changed.wait()
                    if self._closed:
                        return
                self._look()
                with self._changed:
                    if not self._closed and (self._items or self._wishes):
                        self._changed.wait(_POLL_S)
        except Exception as error:
            self._fail(error)

    def _look(self) -> None:
        """Asks adb once, makes the acquaintance of new phones, and judges whether there is hope."""
        try:
            states = self._server.states()
            problem = ""
        except TransientError as error:
            states, problem = {}, str(error)
        now = time.monotonic()
        with self._changed:
            messages = self._pool.observe(states, now)
            absent = [seat.serial for seat in self._pool.seats.values() if not seat.present]
            new = [seat for seat in self._pool.seats.values() if seat.present and seat.standing is Standing.NEW]
        for serial in absent:
            if states.get(serial, "offline") == "offline" and now >= self._connected.get(serial, 0) + _CONNECT_EVERY_S:
                began = time.monotonic()
                self._server.connect(serial)
                ended = time.monotonic()
                # One that does not answer holds us up for seconds, and the other phones with us: it is asked seldom.
                self._connected[serial] = ended + 3 * (ended - began)
        for seat in new:
            messages += self._introduce(seat)
        with self._changed:
            mixed = self._pool.choose()
            if mixed is not None:
                self._give_up(DeviceError(mixed))
            for seat in self._pool.seats.values():
                if seat.standing is Standing.FREE and seat.model == self._pool.model:
                    self._employ(seat)
            verdict = self._pool.verdict(now)
            if verdict.never and not self._pool.reconsider():
                self._give_up(DeviceError(verdict.reason))
            reason = "" if verdict.go or verdict.never else f"waiting: {verdict.reason}{problem and f' ({problem})'}"
            if reason and reason != self._said:
                messages.append(reason)
                self._said = reason
            self._changed.notify_all()
        for message in messages:
            self._report(message)

    def _introduce(self, seat: Seat) -> list[str]:
        """Asks a phone what it is; returns messages."""
        session = self._sessions.get(seat.serial) or Session(
            self._server.phone(seat.serial),
            self._token,
            self._program,
            self.threads,
            self.time_limit_s,
            lambda: self._closed,
        )
        try:
            state = session.identify()
        except UnusableError as error:
            with self._changed:
                return self._pool.retire(seat.serial, str(error))
        except TransientError as error:
            with self._changed:
                return self._pool.rest(seat.serial, str(error), time.monotonic(), trouble=False)
        with self._changed:
            self._pool.introduce(seat.serial, state.model)
            self._sessions[seat.serial] = session
        return []

    def _employ(self, seat: Seat) -> None:
        """Gives a phone its thread, and answers those who asked what it is; under the condition."""
        session = self._sessions[seat.serial]
        if self._device is None:
            identity = session.identity
            self._device = {
                "backend": "adb",
                "model": identity.model,
                "manufacturer": identity.manufacturer,
                "soc": identity.soc,
                "abi": identity.abis[0] if identity.abis else "",
                "runtime": session.runtime,
                "threads": self.threads,
                "cores": list(session.cores),
                "data_type": self.data_type,
            }
        for wish in self._wishes:
            wish.outcome = wish.outcome or Measurement(0.0)
        self._wishes.clear()
        name = f"mnas-moo phone {seat.serial}"
        if not any(thread.name == name for thread in self._threads):
            self._start(self._work, name, seat, session)

    def _give_up(self, error: DeviceError) -> None:
        """Everything that is waited for ends with ``error``; under the condition."""
        for item in [*self._wishes, *self._queue]:
            self._finish(item, error)
        self._wishes.clear()
        self._queue.clear()

    def _fail(self, error: Exception) -> None:
        """A fault of our own in a thread: better an error than an endless wait."""
        with self._changed:
            self._broken = error
            self._changed.notify_all()

    # The thread of a phone.

    def _work(self, seat: Seat, session: Session) -> None:
        """Takes turns on one phone for as long as there is work for it."""
        serial = seat.serial
        try:
            while True:
                with self._changed:
                    while not self._closed and not (
                        seat.standing is Standing.FREE
                        and seat.present
                        and any(self._suits(item, serial) for item in self._queue)
                    ):
                        self._changed.wait()
                    if self._closed:
                        return
                    self._pool.begin(serial)
                self._take_turn(seat, session)
        except Exception as error:
            self._fail(error)

    def _take_turn(self, seat: Seat, session: Session) -> None:
        """One turn, and what its faults mean for the phone; networks without an outcome go back to the queue."""
        items: list[_Item] = []
        error: Exception | None = None
        try:
            self._turn(seat, session, items)
        except (PhoneError, LockLostError, LockedError, SwappedError, InterruptedError) as caught:
            error = caught
        with self._changed:
            messages = self._settle(seat.serial, error)
            self._pool.free(seat.serial)
            for item in reversed(items):
                if item.outcome is None:
                    item.notes.append(f"{seat.serial}: {error}")
                    self._queue.appendleft(item)
            self._changed.notify_all()
        for message in messages:
            self._report(message)

    def _settle(self, serial: str, error: Exception | None) -> list[str]:
        """How a phone stands after a turn; under the condition; returns messages."""
        now = time.monotonic()
        if error is None:
            self._pool.succeed(serial)
        elif isinstance(error, LockLostError):
            return [f"{serial}: {error}"]
        elif isinstance(error, LockedError):
            # Waiters of several studies should not ask in step.
            self._pool.pause(serial, str(error), now + 0.3 + 0.4 * int(self._token[-4:], 16) / 0xFFFF)
        elif isinstance(error, UnusableError | SwappedError):
            return self._pool.retire(serial, str(error))
        elif isinstance(error, TransientError):
            return self._pool.rest(serial, str(error), now, trouble=isinstance(error, TroubleError))
        return []

    def _turn(self, seat: Seat, session: Session, items: list[_Item]) -> None:
        """One turn; ``items`` is filled with what was taken from the queue for it.

        Raises:
            PhoneError, LockLostError, LockedError, SwappedError: items without an outcome have to be timed again.
            InterruptedError: closed.
        """
        serial = seat.serial
        with self._changed:
            peers = [best for other, best in self._best_ms.items() if other != serial]
        troubled_s = 0.0 if seat.trouble_since is None else time.monotonic() - seat.trouble_since
        turn = Turn(
            session,
            seat.model,
            self._bounds,
            self._best_ms.get(serial),
            min(peers, default=None),
            self._settled_ms.get(serial),
            patient=troubled_s > _SETTLE_S,
        )
        times: dict[_Item, Times] = {}
        try:
            turn.begin()
            if turn.settled_ms and serial not in self._settled_ms:
                self._report(
                    f"{serial}: it has settled at {turn.speed:.0%} of its speed; its times are put in proportion"
                )
            with self._changed:
                if turn.best_ms is not None:
                    self._best_ms[serial] = turn.best_ms
                self._settled_ms.pop(serial, None)
                if turn.settled_ms:
                    self._settled_ms[serial] = turn.settled_ms
                self._take(serial, items)
            waited = {item: time.monotonic() - item.since for item in items}
            for item in items:
                if (measured := self._time(turn, serial, item)) is not None:
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
        with self._changed:
            for item, measured in times.items():
                details: dict[str, JSON] = {"waited_seconds": waited[item], "retries": list(item.notes)}
                self._finish(
                    item, measured.measurement(turn.speed, {**details, "threads": self.threads, **turn.details()})
                )

    def _suits(self, item: _Item, serial: str) -> bool:
        """Whether a phone should try a network: not one that keeps failing on it while another may do better."""
        if item.failures.get(serial, 0) < _FAILURES_HERE:
            return True
        others = (seat.serial for seat in self._pool.can_measure() if seat.serial != serial)
        return all(item.failures.get(other, 0) >= _FAILURES_HERE for other in others)

    def _take(self, serial: str, items: list[_Item]) -> None:
        """Takes this phone's share of the queue; under the condition."""
        share = min(_TURN, -(-len(self._queue) // max(1, len(self._pool.can_measure()))))
        for item in list(self._queue):
            if len(items) < share and self._suits(item, serial):
                self._queue.remove(item)
                items.append(item)

    def _time(self, turn: Turn, serial: str, item: _Item) -> Times | None:
        """Times one network; None: it failed for good, or goes back to the queue for another phone.

        A network that fails where the reference runs well, several times in turn, is at fault itself.
        """
        assert item.graph is not None
        try:
            model = litert.write(item.graph, data_type=self.data_type)
        except ValueError as error:
            with self._changed:
                self._finish(item, error)
            return None
        while True:
            try:
                return turn.time(model)
            except BenchmarkError as error:
                with self._changed:
                    item.notes.append(f"{serial}: {error}")
                    item.failures[serial] = item.failures.get(serial, 0) + 1
                    if not self._suits(item, serial):
                        return None
                    if item.failures[serial] >= _FAILURES_HERE and sum(item.failures.values()) >= _FAILURES:
                        name = item.graph.name or "the network"
                        self._finish(item, ValueError(f"{name} cannot be timed, while others can: {error}"))
                        return None

    def _tidy(self, serial: str, session: Session, deadline: float) -> None:
        """Removes all that is ours from a phone, which may have to come back first."""
        while True:
            left = deadline - time.monotonic()
            try:
                session.remove_all(max(1.0, left))
                return
            except PhoneError as error:
                if left <= 0 or isinstance(error, UnusableError):
                    self._report(f"{serial}: {error}; {lock.FOLDER} could not be removed from it, the next study will")
                    return
            with contextlib.suppress(PhoneError):
                self._server.connect(serial)
            time.sleep(min(0.3, max(0.0, left)))
