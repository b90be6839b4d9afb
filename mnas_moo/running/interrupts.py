"""Ctrl-C during a run: kept back until a trial is stored, and let through while one is measured."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
        self._open = True
        try:
            if self.pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False
