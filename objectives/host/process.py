"""The timing process seen from the process that wants a measurement: started, asked, and ended with its owner.

What runs in it is ``worker``. No two processes of one user measure on one core at a time (``alone_on``).
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mnas_moo.objectives.host import worker
from mnas_moo.objectives.memory import THREAD_BYTES, need_room

GRACE_SECONDS = 120.0  # for the start, loading and the first runs of a large network, besides the measuring time


class TimingProcess:
    """A process that runs ``worker``; it ends with this object, with this process, or when it is stopped."""

    def __init__(self) -> None:
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process fails
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # The worker must find the same packages, also if the program has changed its path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            start_new_session=True,  # Ctrl-C goes to the study alone, which then closes its objectives
        )
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self.stop = weakref.finalize(self, _end, self._process, self._requests, self._answers, self._errors)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], model: bytes, timeout_seconds: float) -> dict[str, Any]:
        """Sends a request and waits for the answer.

        Raises:
            RuntimeError: the process ended or did not answer in time; it does not run any more then.
            MemoryError: there is no room for the thread that ends it in time.
        """
        need_room(THREAD_BYTES)  # a network that is trained meanwhile may have used it up
        timer = threading.Timer(timeout_seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            worker.send(self._requests, request, model)
            answer, _ = worker.receive(self._answers)
        except (EOFError, OSError, ValueError) as error:  # ValueError: stopped meanwhile, so the streams are closed
            in_time = timer.is_alive()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)  # its pipes close a moment before it has an exit status
            self._process.kill()
            why = f"ended with exit status {self._process.wait()}"
            if not in_time:
                why = f"did not answer within {timeout_seconds:.0f} s"
            why += self._last_words()
            self.stop()
            raise RuntimeError(f"the timing process {why}; measure again") from error
        finally:
            timer.cancel()
        return answer

    def _last_words(self) -> str:
        lines: list[str] = []
        with contextlib.suppress(ValueError):  # another thread stopped it and closed the file
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").splitlines()
        words = [line for line in lines if line.strip() and not line.startswith("INFO:")]
        return f" ({words[-1]})" if words else ""


def _end(process: subprocess.Popen[bytes], *streams: BinaryIO) -> None:
    """Ends a process, waits for it and closes its streams; the process may have ended before."""
    process.kill()
    process.wait()
    for stream in streams:
        with contextlib.suppress(OSError):  # what was not flushed has no reader
            stream.close()


@contextlib.contextmanager
def alone_on(cores: list[int]) -> Iterator[None]:
    """Waits until no other process of this user measures on ``cores``; the system frees the locks of a dead one."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with contextlib.ExitStack() as stack:
        for core in cores:  # in ascending order in every process, which rules out a deadlock
            path = Path(tempfile.gettempdir()) / f"mnas-moo-{os.getuid()}-core-{core}.lock"
            file = stack.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cpu_name() -> str:
    """The name of this machine's CPU, as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
