"""Further processes of a run, so that a study uses all cores; they end with the run that has started them.

Each is the same command again, an ordinary run of the study: what keeps runs in several terminals apart (``workers``,
``reservations``) keeps these apart. It is interrupted as by Ctrl-C when its standard input ends, so that it stores what
it does and none is left when the first process is killed; Ctrl-C in the terminal does not reach it by itself, since a
second one would end it in the middle of a trial. Latencies on one core do not suffer: those of six networks were within
-1 and +2 % of the ones on an idle machine while the other core trained, as far apart as two measurements are anyway.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from mnas_moo.running.trials import Observer

WORKER = "mnas_moo.cli.beside_worker"
"""The program of a further process."""
END_SECONDS = 60.0
"""A process that was told to end is killed after this time; another run takes up its trial."""


class Beside:
    """Starts further processes of a run.

    Args:
        words: words of the command line, from the verb on.
        observer: is told where a process ends by an error; the run goes on without it.
    """

    def __init__(self, words: Sequence[str], observer: Observer) -> None:
        self._words = [*words, "--jobs", "1"]
        self._observer = observer
        self._ends = False

    @contextlib.contextmanager
    def start(self, count: int) -> Iterator[None]:
        """Starts so many processes, which run until the context is left."""
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(self._process())
            try:
                yield
            finally:
                self._ends = True

    @contextlib.contextmanager
    def _process(self) -> Iterator[None]:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", WORKER, *self._words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            watch = threading.Thread(target=self._watch, args=(process, errors), daemon=True)
            watch.start()
            try:
                yield
            finally:
                assert process.stdin is not None
                process.stdin.close()
                watch.join(END_SECONDS)
                process.kill()
                watch.join()

    def _watch(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        status = process.wait()
        if status != 0 and not self._ends:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()
            why = f": {lines[-1].removeprefix('mnas-moo: ')}" if lines else ""
            self._observer.waiting(f"one of the processes of this run ended with exit status {status}{why}")


def watch_input() -> None:
    """Interrupts this process as Ctrl-C does, once its standard input has ended."""
    while os.read(0, 1024):  # not `sys.stdin`, whose lock would be held when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGINT)
