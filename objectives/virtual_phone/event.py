"""One thing that a virtual phone did: an entry of its log."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Event:
    """One thing that the phone did.

    Attributes:
        kind: "shell", "push", "pull" or "benchmark" (within a shell command).
        text: the command, the path, or the benchmark's arguments.
        start: begin by ``time.monotonic()``.
        end: end by the same clock; None while it goes on.
        result: the exit code or "killed"; for files "" or what the phone answered; None while it goes on.
    """

    kind: str
    text: str
    start: float
    end: float | None = None
    result: int | str | None = None

    def finish(self, result: int | str) -> None:
        """It has ended."""
        self.end, self.result = time.monotonic(), result
