"""Ctrl-C during a run: kept back until a trial is stored, and let through while one is measured or one waits."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.1
"""Who waits looks so often whether Ctrl-C was pressed; a signal itself wakes the main thread only."""


class Interrupts:
    """Keeps Ctrl-C back while a trial is asked for or stored, so that no trial is left half done.

    It does so while the context is entered, in the main thread, and where the program has no handler of its own. A
    second Ctrl-C interrupts at once.

    Attributes:
        pending: whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.pending = False
        self._open = True
        self._ours = False

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        self._ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, *_: object) -> None:
        again, self.pending = self.pending, True
        if self._open or again:
            raise KeyboardInterrupt

    def keep_back(self) -> None:
        """Keeps Ctrl-C back from now on, except within ``allowed``."""
        self._open = False

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """A block that Ctrl-C interrupts.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed in the block, or before it.
        """
        before, self._open = self._open, True
        try:
            if self.pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = before


def pressed() -> bool:
    """Whether Ctrl-C was pressed in the run of this process, which keeps it back or ends already."""
    interrupts = _entered()
    return interrupts is not None and interrupts.pending


def pause(seconds: float) -> None:
    """Sleeps; not to its end where Ctrl-C is pressed in the run of this process."""
    until = time.monotonic() + seconds
    while not pressed() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_SECONDS))


@contextmanager
def interruptible() -> Iterator[None]:
    """A block that waits for another process, and that Ctrl-C interrupts also where it is kept back otherwise.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed in the block, or before it.
    """
    interrupts = _entered()
    if interrupts is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    with interrupts.allowed():
        yield


def _entered() -> Interrupts | None:
    """The one whose context the process is in: it is the owner of the signal's handler."""
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, Interrupts) else None
