"""What can go wrong with a virtual phone, by name; switched on until it is cleared or for a few operations."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAULTS: dict[str, dict[str, Any]] = {
    # name: settings with their defaults. The package's docstring says what each does.
    "offline": {"during": None, "seconds": 1.0},
    "reboot": {"during": None, "seconds": 2.0},
    "unauthorized": {},
    "another_model": {"model": "Pixel 4"},
    "disk_full": {},
    "permission_denied": {"during": "push"},
    "wrong_abi": {},
    "crash": {"signal": 11},
    "hang": {},
    "garbage": {},
    "truncated": {"at": "count"},
    "zero": {},
    "fallback": {"share": 0.5},
    "spike": {"factor": 20.0},
    "busy": {"factor": 2.0},
    "throttling": {"factor": 1.5, "rise": 0.34, "cooling_seconds": 5.0},
    "never_cools": {"temperature_c": 55.0},
    "screen_on": {},
    "battery_low": {"level": 5},
}
_ALLOWED: dict[tuple[str, str], tuple[str | None, ...]] = {
    ("offline", "during"): (None, "push", "run"),
    ("reboot", "during"): (None, "push", "run"),
    ("permission_denied", "during"): ("push", "run"),
    ("truncated", "at"): ("count", "timings"),
}


@dataclass
class Fault:
    """One fault that is switched on.

    Attributes:
        name: its name in ``FAULTS``.
        times: number of operations it still affects; None: all.
        settings: all of them, defaults filled in.
    """

    name: str
    times: int | None
    settings: Mapping[str, Any]

    def __getitem__(self, setting: str) -> Any:
        """One of the settings."""
        return self.settings[setting]


class Faults:
    """The faults of one phone; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, name: str, times: int | None, settings: Mapping[str, Any]) -> Fault:
        """Switches one on.

        Raises:
            ValueError: no such fault or setting, or a value out of range.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is called {name!r}; there are {', '.join(FAULTS)}")
        if unknown := sorted(set(settings) - set(FAULTS[name])):
            allowed = ", ".join(FAULTS[name]) or "no settings"
            raise ValueError(f"fault {name!r} has no setting {unknown[0]!r}; it has {allowed}")
        if times is not None and times < 1:
            raise ValueError(f"times is {times}; it must be 1 or more, or None for all until it is cleared")
        fault = Fault(name, times, {**FAULTS[name], **settings})
        for setting, value in fault.settings.items():
            allowed_values = _ALLOWED.get((name, setting))
            if allowed_values and value not in allowed_values:
                raise ValueError(f"{setting} is {value!r}; for {name!r} it is one of {allowed_values}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, name: str | None) -> None:
        """Switches one off, or all."""
        with self._lock:
            self._faults = [fault for fault in self._faults if name is not None and fault.name != name]

    def discard(self, fault: Fault) -> None:
        """Switches off just this one."""
        with self._lock:
            self._faults.remove(fault)

    def active(self, name: str, during: str | None = None) -> Fault | None:
        """The fault of that name (and moment), if it is on; it is not counted."""
        with self._lock:
            return self._find(name, during)

    def take(self, name: str, during: str | None = None) -> Fault | None:
        """The fault of that name (and moment), if it is on, and counts that it affected one operation."""
        with self._lock:
            fault = self._find(name, during)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
            return fault

    def _find(self, name: str, during: str | None) -> Fault | None:
        for fault in self._faults:
            if fault.name == name and (during is None or fault["during"] == during):
                return fault
        return None
