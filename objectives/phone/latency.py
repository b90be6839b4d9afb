"""Latency on phones: MnasNet's LAT(m) as it is meant, on the device itself (Tan et al. 2019, sec. 3.1 and 5).

The objective: callers ask for networks and wait. One thread a phone times them (``work``), and one more, here,
watches which phones there are, identifies new ones and says what is waited for.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.memory import THREAD_BYTES, need_room
from mnas_moo.objectives.objective import JSON, DeviceError, Direction, Graph, Measurement
from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import PhoneError, Server, TransientError, UnusableError
from mnas_moo.objectives.phone.benchmark_model import read_program
from mnas_moo.objectives.phone.pool import Pool, Seat, Standing
from mnas_moo.objectives.phone.session import Program, Session
from mnas_moo.objectives.phone.settings import Accelerator, AdbSettings
from mnas_moo.objectives.phone.turn import Bounds
from mnas_moo.objectives.phone.work import Item, Work, Worker
from mnas_moo.objectives.settings import DataType

POLL_S = 0.5
"""How often adb is asked which phones there are, while there is work."""

CONNECT_EVERY_S = 1.0
"""How often a connection to a phone in the network that is not there is tried."""

GRACE_S = 5.0
"""How long a phone may be missing or unauthorized at first: a server that has just started needs seconds to find it."""

_CLOSE_S = 10.0  # for phones to come back and be tidied up


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
    ``memory_mb`` and ``memory_init_mb`` (``benchmark_model.Timing``; missing where this benchmark_model prints none),
    ``waited_seconds`` (for a phone), ``retries`` (why it was measured anew), ``serial``, ``model``, ``android``,
    ``governor``, ``cores``, ``threads``, ``runtime`` and ``program`` (benchmark_model's checksum; whose it is and its
    version, where known), ``virtual`` (true, for virtual phones only), ``temperature_before_c`` and
    ``temperature_after_c`` (battery),
    ``cpu_before_c`` and ``cpu_after_c``, ``reference_before_ms`` and ``reference_after_ms``, ``screen_on``,
    ``charging``; on an accelerator also ``accelerator``, ``delegate`` (LiteRT's name for what ran the network; null:
    not printed) and ``delegated_share`` (of the network's nodes, the rest ran on the CPU; null: not printed).

    Example, with a virtual phone that says 10 ms in place of a real one, which needs no ``environment``:

    >>> import os
    >>> from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
    >>> from mnas_moo.spaces.networks import network
    >>> with VirtualPhones(latency_ms=lambda model: 10.0) as phones:
    ...     os.environ.update(phones.environment)
    ...     latency = AdbLatency(benchmark_model=phones.benchmark_model)
    ...     measurement = latency.measure(network("mnasnet-small", resolution=64), seed=0)
    ...     latency.close()
    >>> round(measurement.value / phones[0].time_factor)
    10
    >>> measurement.details["model"], measurement.details["threads"], measurement.details["cores"]
    ('Pixel 6', 1, [7])

    Args:
        threads: number of LiteRT's threads, each on a core of its own, the fastest first.
        data_type: "float32" or "int8".
        accelerator: "cpu", "gpu" (which needs LiteRT's library in /data/local/tmp on the phone) or "npu".
        require_full_delegation: whether a network of which the accelerator runs only a part is an error; one of which
            it runs nothing is in any case.
        model: use phones of this model ("Pixel 6", as the phone says); None: there must be one model only.
        serials: use these phones, as `adb devices` names them; "host:port" ones are connected to. None: all.
        benchmark_model: path of the program for the phone; None: the phone has it in /data/local/tmp.
        precision: invocations are repeated until half the 95 % confidence interval of their median is at most this
            share of it.
        maximum_seconds: longest time for the invocations of one network; there are 5 in any case.
        maximum_temperature_c: a phone whose battery is warmer cools down first.
        drift: share by which the reference network's time may change; else what lies between is measured again.
        time_limit_s: longest time of one invocation; one that takes longer hangs. The lock of a process that was killed
            lasts for this and 5 s.
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
        accelerator: Accelerator = AdbSettings.accelerator,
        require_full_delegation: bool = AdbSettings.require_full_delegation,
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
        if accelerator not in ("cpu", "gpu", "npu"):
            raise ValueError(f"accelerator is {accelerator!r}; allowed: cpu, gpu, npu")
        if require_full_delegation and accelerator == "cpu":
            raise ValueError("require_full_delegation is for accelerator: gpu or npu; the CPU runs all of a network")
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
        content = None if benchmark_model is None else read_program(Path(benchmark_model))
        self._accelerator = accelerator
        self._program = Program(content, accelerator, require_full_delegation)
        self._server = Server()
        self._report = report or (lambda message: None)
        self._token = f"{os.getpid():x}-{os.urandom(6).hex()}"
        self._pool = Pool(model, serials, rest_s=rest_s, patience_s=60 * patience_minutes, grace_s=GRACE_S)
        self._work = Work(self._pool)
        self._device: dict[str, JSON] | None = None
        self._sessions: dict[str, Session] = {}
        self._connected: dict[str, float] = {}  # when a connection to a phone in the network was last tried
        self._threads: list[threading.Thread] = []

    @property
    def device(self) -> Mapping[str, JSON]:
        """What identifies the phone's model and the runtime; asks a phone when first read, and waits for one.

        Raises:
            DeviceError: there is none that could measure.
            RuntimeError: closed.
        """
        with self._work.changed:
            if self._device is None:
                wish = self._work.wish()
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
        with self._work.changed:
            items = [self._work.item(spec.canonical()) for spec in specs]
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
        with self._work.changed:
            if self._work.closed:
                return
            self._work.closed = True
            self._work.changed.notify_all()
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

    def _wait(self, items: Sequence[Item]) -> None:
        """Waits until all have an outcome; under the condition."""
        if all(item.outcome is not None for item in items):
            return
        if not self._threads and not self._work.closed:
            self._start(self._watch, "mnas-moo phones")
        self._work.wait(items)

    def _start(self, target: Callable[[], None], name: str) -> None:
        need_room(THREAD_BYTES)
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # The thread that watches.

    def _watch(self) -> None:
        """Keeps the pool up to date while there is work."""
        work = self._work
        try:
            while True:
                with work.changed:
                    while not work.closed and not work.wanted:
                        work.changed.wait()
                    if work.closed:
                        return
                self._look()
                with work.changed:
                    if not work.closed and work.wanted:
                        work.changed.wait(POLL_S)
        except Exception as error:
            with work.changed:
                work.break_down(error)

    def _look(self) -> None:
        """Asks adb once, identifies new phones, and judges whether any may measure."""
        try:
            states = self._server.states()
            problem = ""
        except TransientError as error:
            states, problem = {}, str(error)
        now = time.monotonic()
        with self._work.changed:
            messages = self._pool.observe(states, now)
            absent = [seat.serial for seat in self._pool.seats.values() if not seat.present]
            new = [seat for seat in self._pool.seats.values() if seat.present and seat.standing is Standing.NEW]
        for serial in absent:
            if states.get(serial, "offline") == "offline" and now >= self._connected.get(serial, 0) + CONNECT_EVERY_S:
                began = time.monotonic()
                self._server.connect(serial)
                ended = time.monotonic()
                # One that does not answer holds us up for seconds, and the other phones with us: it is asked seldom.
                self._connected[serial] = ended + 3 * (ended - began)
        for seat in new:
            messages += self._introduce(seat)
        with self._work.changed:
            mixed = self._pool.choose()
            if mixed is not None:
                self._work.give_up(DeviceError(mixed))
            for seat in self._pool.seats.values():
                if seat.standing is Standing.FREE and seat.model == self._pool.model:
                    # Several may have been introduced before the first was employed.
                    if difference := self._difference(self._sessions[seat.serial]):
                        messages += self._pool.retire(seat.serial, difference)
                    else:
                        self._employ(seat)
            verdict = self._pool.verdict(now)
            if verdict.never and not self._pool.reconsider():
                self._work.give_up(DeviceError(verdict.reason))
            reason = "" if verdict.go or verdict.never else f"waiting: {verdict.reason}{problem and f' ({problem})'}"
            if reason and reason != self._work.told:
                messages.append(reason)
                self._work.told = reason
            self._work.changed.notify_all()
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
            lambda: self._work.closed,
        )
        try:
            state = session.identify()
        except UnusableError as error:
            with self._work.changed:
                return self._pool.retire(seat.serial, str(error))
        except TransientError as error:
            with self._work.changed:
                return self._pool.rest(seat.serial, str(error), time.monotonic(), trouble=False)
        with self._work.changed:
            self._sessions[seat.serial] = session
            if difference := self._difference(session):
                return self._pool.retire(seat.serial, difference)
            self._pool.introduce(seat.serial, state.model)
        return []

    def _difference(self, session: Session) -> str:
        """Why times of this phone cannot stand beside those of the phones in use, if they are of one model."""
        device = self._device
        if device is None or session.identity.model != device["model"]:
            return ""
        if session.identity.virtual != bool(device.get("virtual")):
            kinds = ("a real phone", "a virtual phone")
            virtual = session.identity.virtual
            return f"it is {kinds[virtual]}, and this measures on {kinds[not virtual]}"
        if session.runtime != device["runtime"]:
            return (
                f"it has {session.program} ({session.runtime}), and this measures with {device['program']} "
                f"({device['runtime']}); put the same program on all phones (`mnas-moo devices --install`)"
            )
        return ""

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
                "program": session.program,
                **({"virtual": True} if identity.virtual else {}),
                "threads": self.threads,
                "cores": list(session.cores),
                "data_type": self.data_type,
            }
            if self._accelerator != "cpu":  # studies and tables that were stored before do not have the key
                self._device["accelerator"] = self._accelerator
        self._work.grant_wishes()
        name = f"mnas-moo phone {seat.serial}"
        if not any(thread.name == name for thread in self._threads):
            worker = Worker(self._work, seat, session, self._bounds, self._write, self._report)
            self._start(worker.run, name)

    def _write(self, graph: Graph) -> bytes:
        return litert.write(graph, data_type=self.data_type)

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
