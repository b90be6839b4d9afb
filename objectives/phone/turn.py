"""One turn on a phone: lock, temperature, reference network, the networks to be timed, reference network again.

A turn ends with an exception if anything in it is in doubt; all that was timed in it is then timed again in another.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.objective import JSON, Measurement
from mnas_moo.objectives.phone import lock, steadiness
from mnas_moo.objectives.phone.accelerator import Delegation
from mnas_moo.objectives.phone.adb import TransientError, TroubleError
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, Timing
from mnas_moo.objectives.phone.device import State
from mnas_moo.objectives.phone.session import REFERENCE_PLACE, Session, milliseconds

_PEERS = 3  # a phone may be slower than another of its model by so many times ``drift``
_SLOWEST = 1.5  # a phone that takes more than so many times its best has not settled: something is wrong with it


class LockedError(Exception):
    """Another study has the phone."""


class SwappedError(Exception):
    """Behind the serial is now a phone of another model."""


@dataclass(frozen=True)
class Bounds:
    """What is good enough; the arguments of ``AdbLatency`` of the same names."""

    precision: float
    maximum_seconds: float
    maximum_temperature_c: float
    drift: float


@dataclass(frozen=True)
class Times:
    """One network's invocations and the seconds they took."""

    timings: Sequence[Timing]
    seconds: float

    def measurement(self, speed: float, details: dict[str, JSON]) -> Measurement:
        """The median of the invocations, with how they spread and ``details``.

        Args:
            speed: the phone's speed meanwhile, as a share of its best: all times are multiplied by it.
            details: what else is known of the measurement.
        """
        values = [speed * value for value in milliseconds(self.timings)]
        median = statistics.median(values)
        typical = min(self.timings, key=lambda timing: abs(speed * timing.milliseconds - median))
        p10, p90 = np.percentile(values, [10, 90])
        spread: dict[str, JSON] = {
            "p10_ms": float(p10),
            "p90_ms": float(p90),
            "confidence_half_width_ms": steadiness.half_width(values),
            "minimum_ms": speed * min(timing.minimum_ms for timing in self.timings),
            "maximum_ms": speed * max(timing.maximum_ms for timing in self.timings),
            "run_p5_ms": None if typical.p5_ms is None else speed * typical.p5_ms,
            "run_p95_ms": None if typical.p95_ms is None else speed * typical.p95_ms,
            "speed": speed,
            "invocations": len(values),
            "runs": sum(timing.runs for timing in self.timings),
            "seconds": self.seconds,
            **self._memory(),
        }
        if (delegation := self._delegation()) is not None:
            spread |= {
                "accelerator": delegation.accelerator,
                "delegate": delegation.delegate,
                "delegated_share": delegation.share,
            }
        return Measurement(median, spread | details)

    def _memory(self) -> dict[str, JSON]:
        """Each invocation is a process of its own: the median of what all of them say."""
        found = {}
        for name in ("memory_mb", "memory_init_mb"):
            values = [value for timing in self.timings if (value := getattr(timing, name)) is not None]
            if values:
                found[name] = statistics.median(values)
        return found

    def _delegation(self) -> Delegation | None:
        """The least that an accelerator ran in an invocation; one of which that is not known makes it unknown."""
        found = [timing.delegation for timing in self.timings if timing.delegation is not None]
        return min(found, key=lambda each: -1.0 if each.share is None else each.share, default=None)


class Turn:
    """One turn; ``begin``, then ``time`` as often as wanted, then ``end``.

    All of them may raise what ``Session`` raises.

    Args:
        session: the phone.
        model: the phone's model when it was chosen.
        bounds: what is good enough.
        best_ms: time of the reference network on it when it was at its best; None: never timed.
        peer_ms: best time of the reference network on another phone of the model; None: there is none.
        settled_ms: slower time that it has settled at; None: it has not.
        patient: whether it has been slow for so long that it may be taken to have settled.

    Attributes:
        best_ms: the argument, updated by this turn.
        settled_ms: the argument, updated by this turn.
        speed: the phone's speed as a share of its best; below 1 only where it has settled at less.
    """

    def __init__(
        self,
        session: Session,
        model: str,
        bounds: Bounds,
        best_ms: float | None,
        peer_ms: float | None,
        settled_ms: float | None,
        *,
        patient: bool,
    ) -> None:
        self.best_ms = best_ms
        self.settled_ms = settled_ms
        self.speed = 1.0
        self._patient = patient
        self._peer_ms = peer_ms
        self._session = session
        self._model = model
        self._bounds = bounds
        self._before, self._after = State(), State()
        self._reference_ms = (0.0, 0.0)

    def begin(self) -> None:
        """Gets the lock, and sees that it is the same phone, cool, and as fast as it was.

        Raises:
            LockedError: another study has the lock.
            SwappedError: it is another phone.
            TroubleError: it is hot, busy, throttled, or benchmark_model fails on it.
        """
        state = self._session.begin()
        if isinstance(state, lock.Attempt):
            raise LockedError("another study measures on it")
        self._before = state
        if state.model != self._model:
            raise SwappedError(f"its serial now belongs to a {state.model}; plug the {self._model} in again")
        heat, limit = state.temperature_c, self._bounds.maximum_temperature_c
        if heat is not None and heat > limit:
            raise TroubleError(f"it is too hot: {heat:.1f} °C, above {limit:g} °C")
        drift = self._bounds.drift
        before, best = self._session.recent_reference(), self.best_ms
        if before is None or best is None or steadiness.drifted(before, best, drift):
            before = self._check_reference()
        self._reference_ms = (before, before)
        if best is None and self._peer_ms and before > (1 + _PEERS * drift) * self._peer_ms:
            best = self._peer_ms  # no phone is so much slower than another of its model
        if best is None or (before < best and steadiness.drifted(before, best, drift)):
            self.best_ms = before  # the first time, or it was slow when it was first timed
        elif before > best and steadiness.drifted(before, best, drift):
            same = self.settled_ms is not None and not steadiness.drifted(before, self.settled_ms, drift)
            if not (same or self._patient) or before > _SLOWEST * best:
                raise TroubleError(
                    f"it is busy or throttled: the reference network takes {before:.3g} ms instead of {best:.3g} ms"
                )
            self.settled_ms, self.speed = before, best / before
            return
        self.settled_ms = None

    def time(self, model: bytes) -> Times:
        """Times a .tflite file.

        Raises:
            BenchmarkError: it fails, while the reference network runs well.
            TroubleError: the reference network fails too.
        """
        graph = self._session.push(model)
        bounds = self._bounds
        try:
            timings, seconds = self._session.time(
                graph, steadiness.INVOCATIONS, bounds.precision, bounds.maximum_seconds, self._glance
            )
        except BenchmarkError:
            self._check_reference()
            raise
        return Times(timings, seconds)

    def end(self) -> None:
        """Sees that the phone is still as fast as at the start, and gives the lock back.

        Raises:
            TroubleError: its speed has changed.
        """
        before, bounds = self._reference_ms[0], self._bounds
        with self._on_trouble():
            after = self._session.confirm_reference(before, bounds.drift, bounds.maximum_seconds)
        if steadiness.drifted(before, after, bounds.drift):
            raise TroubleError(
                f"its speed changed: the reference network took {before:.3g} ms before and {after:.3g} ms after"
            )
        self._reference_ms = (before, after)
        with contextlib.suppress(TransientError):  # the times are good whether or not it still answers
            self._after = self._session.end()

    def details(self) -> dict[str, JSON]:
        """What is known of the phone during the turn."""
        session, before, after = self._session, self._before, self._after
        return {
            "serial": session.phone.serial,
            "model": session.identity.model,
            "android": session.identity.android,
            "governor": before.governor(session.cores),
            "cores": list(session.cores),
            "runtime": session.runtime,
            "program": session.program,
            **({"virtual": True} if session.identity.virtual else {}),
            "temperature_before_c": before.battery_c,
            "temperature_after_c": after.battery_c,
            "cpu_before_c": before.cpu_c,
            "cpu_after_c": after.cpu_c,
            "screen_on": before.awake,
            "charging": before.charging,
            "reference_before_ms": self._reference_ms[0],
            "reference_after_ms": self._reference_ms[1],
        }

    def _glance(self) -> None:
        """One invocation of the reference network in the middle of another's.

        What else the phone does for a moment may slow most of a network's invocations and neither of the reference
        network's before and after them; then it slows this one.
        """
        before = self._reference_ms[0]
        with self._on_trouble():
            now = self._session.invoke(REFERENCE_PLACE).milliseconds
        if steadiness.drifted(before, now, 2 * self._bounds.drift):
            raise TroubleError(f"its speed changed: the reference network took {before:.3g} ms, then {now:.3g} ms")

    def _check_reference(self) -> float:
        with self._on_trouble():
            return self._session.check_reference(self._bounds.drift, self._bounds.maximum_seconds)

    @staticmethod
    @contextlib.contextmanager
    def _on_trouble() -> Iterator[None]:
        """A benchmark_model that fails on the reference network is the phone's trouble, not a network's."""
        try:
            yield
        except BenchmarkError as error:
            raise TroubleError(f"the reference network fails on it: {error}") from error
