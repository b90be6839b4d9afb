"""Which phones there are and how each stands: free, busy, resting after a fault, or retired with a reason.

All phones of one pool are of one model, since times of different models are different objectives. A phone that is
not there may come back: its seat is kept. A phone that is there but cannot measure (too hot, busy, full,
benchmark_model fails) rests, each time longer, and is retired when that lasts longer than ``patience_s``. A retired
phone is looked at anew when it has been unplugged and plugged in again, or when its dialog has been confirmed.

It has no thread, no clock and no phone: what happens is told by method calls, with the time.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnas_moo.objectives.phone.adb import UnusableError, transport_error


class Standing(enum.Enum):
    """How a phone stands."""

    NEW = "new"  # nobody has asked yet what it is
    OTHER = "other"  # its model is not asked for
    FREE = "free"
    BUSY = "busy"
    RESTING = "resting"
    RETIRED = "retired"


@dataclass
class Seat:
    """One serial and what is known of the phone behind it.

    Attributes:
        serial: adb's name for it.
        present: whether adb reaches it now.
        model: its model; empty before it was asked.
        reason: why it rests, was retired or is not there; for people.
        until: time at which a rest ends.
        trouble_since: when a phone that is there began to fail; None: its last measurement went well.
        unusable_since: when adb began to say that somebody has to do something; None: it does not.
        strikes: faults in a row.
        chance: whether it is tried once more before there is no phone left.
        told: the last reason that was reported for its retirement.
    """

    serial: str
    standing: Standing = Standing.NEW
    present: bool = False
    model: str = ""
    reason: str = ""
    until: float = 0.0
    trouble_since: float | None = None
    unusable_since: float | None = None
    strikes: int = 0
    chance: bool = True
    told: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether there is a phone to work with.

    Attributes:
        go: there is one, free or busy.
        never: there is none, and none may come back by itself.
        reason: why one has to wait or give up; empty with ``go``.
    """

    go: bool
    never: bool = False
    reason: str = ""


class Pool:
    """The phones of one objective.

    Args:
        model: the model to use; None: the one model there is.
        serials: the phones to use; None: all.
        rest_s: the first rest after a fault and the longest.
        patience_s: how long a phone that is there may fail.
        grace_s: how long a phone is waited for at the start before there is none.
    """

    def __init__(
        self,
        model: str | None,
        serials: Sequence[str] | None,
        *,
        rest_s: tuple[float, float],
        patience_s: float,
        grace_s: float,
    ) -> None:
        self.model = model
        self.seats: dict[str, Seat] = {serial: Seat(serial, reason="not attached") for serial in serials or ()}
        self._wanted = model
        self._any = serials is None
        self._rest_s = rest_s
        self._patience_s = patience_s
        self._grace_s = grace_s
        self._start: float | None = None

    def observe(self, states: Mapping[str, str], now: float) -> list[str]:
        """Takes in adb's list (serial to state); returns messages for people."""
        if self._start is None:
            self._start = now
        for serial in states:
            if self._any and serial not in self.seats:
                self.seats[serial] = Seat(serial)
        messages: list[str] = []
        for seat in self.seats.values():
            state = states.get(seat.serial, "not attached")
            returned = state == "device" and not seat.present
            seat.present = state == "device"
            if returned and seat.standing is Standing.FREE:
                seat.reason = ""
            if seat.present:
                seat.unusable_since = None
            if returned and seat.standing in (Standing.RETIRED, Standing.OTHER):
                seat.standing = Standing.NEW
            elif not seat.present and seat.standing is not Standing.RETIRED:
                error = transport_error(state)
                seat.reason = str(error)
                if not isinstance(error, UnusableError):
                    seat.unusable_since = None
                elif seat.unusable_since is None:
                    seat.unusable_since = now
                # A phone that is plugged in looks so for a moment, until it or the system has let us in.
                elif seat.standing is not Standing.BUSY and now - seat.unusable_since >= self._grace_s:
                    messages += self.retire(seat.serial, str(error))
            if seat.standing is Standing.RESTING and now >= seat.until:
                seat.standing = Standing.FREE if seat.model else Standing.NEW
        return messages

    def introduce(self, serial: str, model: str) -> None:
        """A phone has said what it is."""
        seat = self.seats[serial]
        seat.model, seat.standing, seat.reason = model, Standing.FREE, ""

    def choose(self) -> str | None:
        """Settles which model is used, once every phone that is there has said what it is.

        Returns:
            A message if that cannot be: the phones are of several models.
        """
        known = [seat for seat in self.seats.values() if seat.standing is Standing.FREE]
        silent = (Standing.NEW, Standing.RESTING)
        if self.model is None and not any(
            seat.standing in silent and seat.present and not seat.model for seat in self.seats.values()
        ):
            models = sorted({seat.model for seat in known})
            if len(models) > 1:
                phones = ", ".join(f"{seat.serial} is a {seat.model}" for seat in known)
                return (
                    f"phones of different models are attached ({phones}), and their times cannot be compared; choose "
                    f"with model ({' or '.join(map(repr, models))}) or serials, and study each model by itself"
                )
            if models:
                self.model = models[0]
        for seat in known:
            if self.model is not None and seat.model != self.model:
                seat.standing = Standing.OTHER
                seat.reason = f"it is a {seat.model}, and this measures on a {self.model}"
        return None

    def begin(self, serial: str) -> None:
        """The phone is used from now on."""
        self.seats[serial].standing = Standing.BUSY

    def free(self, serial: str) -> None:
        """The phone is not used any longer."""
        seat = self.seats[serial]
        if seat.standing is Standing.BUSY:
            seat.standing = Standing.FREE

    def succeed(self, serial: str) -> None:
        """A measurement on it went well."""
        seat = self.seats[serial]
        seat.strikes, seat.trouble_since, seat.reason, seat.chance, seat.told = 0, None, "", True, ""

    def rest(self, serial: str, reason: str, now: float, *, trouble: bool) -> list[str]:
        """A fault that may pass: it is left alone for a while, twice as long after each; returns messages.

        Args:
            serial: the phone.
            reason: for people.
            now: the time.
            trouble: it is there and fails; that may not last longer than ``patience_s``.
        """
        seat = self.seats[serial]
        first, longest = self._rest_s
        seat.standing, seat.reason = Standing.RESTING, reason
        seat.until = now + min(longest, first * 2**seat.strikes)
        seat.strikes = min(seat.strikes + 1, 30)
        if trouble:
            seat.trouble_since = now if seat.trouble_since is None else seat.trouble_since
            lasted = now - seat.trouble_since
            if lasted > self._patience_s:
                seat.chance = False  # it has had many
                return self.retire(serial, f"{reason}, and that for {lasted / 60:.0f} minutes")
        return []

    def pause(self, serial: str, reason: str, until: float) -> None:
        """Another study has the phone, which is no fault of it: it rests, and no strike is counted."""
        seat = self.seats[serial]
        seat.standing, seat.reason, seat.until = Standing.RESTING, reason, until

    def retire(self, serial: str, reason: str) -> list[str]:
        """Somebody has to do something about it first; returns messages."""
        seat = self.seats[serial]
        seat.standing, seat.reason, seat.trouble_since, seat.strikes = Standing.RETIRED, reason, None, 0
        news, seat.told = reason != seat.told, reason
        return [f"not used any longer: {self.describe(seat)}"] if news else []

    def reconsider(self) -> bool:
        """Before there is no phone left, those retired are asked once more: somebody may have seen to it.

        Returns:
            Whether there is one to ask.
        """
        again = [
            seat for seat in self.seats.values() if seat.standing is Standing.RETIRED and seat.present and seat.chance
        ]
        for seat in again:
            seat.standing, seat.chance = Standing.NEW, False
        return bool(again)

    def can_measure(self) -> list[Seat]:
        """The phones that are there and may measure, now or after a rest."""
        standings = (Standing.FREE, Standing.BUSY, Standing.RESTING)
        return [seat for seat in self.seats.values() if seat.present and seat.model and seat.standing in standings]

    def verdict(self, now: float) -> Verdict:
        """Whether there is a phone to work with, or what is waited for."""
        seats = list(self.seats.values())
        if any(seat.standing is Standing.BUSY or (seat.standing is Standing.FREE and seat.present) for seat in seats):
            return Verdict(go=True)
        reasons = "; ".join(map(self.describe, seats))
        young = now - (now if self._start is None else self._start) < self._grace_s
        # One that was there may be there again; one that was never seen may only be slow to show up.
        hope = [seat for seat in seats if seat.standing in (Standing.FREE, Standing.RESTING)]
        hope += [seat for seat in seats if seat.standing is Standing.NEW and (seat.present or young or seat.model)]
        hope += [
            seat for seat in seats if seat.standing is Standing.NEW and seat.reason not in ("", "not attached")
        ]  # in adb's list, if offline
        if hope or (young and not seats):
            how = "is ready" if any(seat.present for seat in hope) else "answers"
            return Verdict(go=False, reason=f"no phone {how} ({reasons or 'none is attached'})")
        if not seats:
            return Verdict(
                go=False,
                never=True,
                reason="no Android device over adb; plug one in, switch on USB debugging and accept its prompt, or "
                "measure on this machine: latency_ms: {host: {}}",
            )
        asked = f" of model {self._wanted!r}" if self._wanted else ""
        return Verdict(go=False, never=True, reason=f"no phone{asked} can measure: {reasons}")

    def describe(self, seat: Seat) -> str:
        """A phone and why it does not work, for people."""
        name = f"{seat.model} {seat.serial}" if seat.model else seat.serial
        return f"{name}: {seat.reason or seat.standing.value}"
