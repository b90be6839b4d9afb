"""The lock of a journal: a file beside it that names its holder, so that one whose holder has died is broken at once.

Compatible with Optuna's locks, which are files or links of the same name: either kind keeps the other out. Optuna's
name no holder, and are broken after 30 seconds here as there.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnas_moo.running.interrupts import pause, pressed
from mnas_moo.running.trouble import Say, WaitInterruptedError

SAID_AFTER_SECONDS = 1.0
UNKNOWN_SECONDS = 30.0
"""A lock whose holder cannot be checked (another machine, or Optuna's) is broken at this age."""
GIVEN_UP_SECONDS = 300.0
"""A holder that lives is waited for so long."""


class JournalLock:
    """Keeps other processes from writing to a journal.

    Args:
        journal: the journal's path.
        say: function that is told who is waited for, and which lock was broken.
        sleep: function that waits for a number of seconds.
        clock: function that returns seconds since a fixed moment.
    """

    def __init__(
        self,
        journal: Path,
        say: Say,
        *,
        sleep: Callable[[float], None] = pause,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = journal.with_name(f"{journal.name}.lock")
        self.say = say
        self.sleep = sleep
        self.clock = clock
        self.rng = random.Random()  # noqa: S311

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block in which no other process writes.

        Raises:
            OSError: the lock cannot be created, or a living process keeps it for minutes.
            WaitInterruptedError: Ctrl-C was pressed while it was waited for.
        """
        self.acquire()
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    def acquire(self) -> None:
        """Waits for the lock and takes it."""
        begun = self.clock()
        seconds = 0.001
        said = False
        while True:
            try:
                lock = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            except FileExistsError:
                pass
            else:
                with contextlib.suppress(OSError):  # on a full disk it names no holder
                    os.write(lock, json.dumps(this_process()).encode())
                os.close(lock)
                return
            waited = self.clock() - begun
            try:
                age = max(0.0, time.time() - self.path.lstat().st_mtime)
                holder = self._holder()
            except FileNotFoundError:
                continue
            if has_ended(holder):
                self.say(f"the lock {self.path} was left by process {holder['pid']}, which has ended; it is removed")
                self._break(holder)
                continue
            words = f"process {holder['pid']} on {holder['host']}" if holder else "a process it does not name"
            if waited > SAID_AFTER_SECONDS:
                if not is_known(holder) and age > UNKNOWN_SECONDS:
                    self.say(f"the lock {self.path}, {age:.0f} s old and held by {words}, is removed")
                    self._break(holder)
                    continue
                if pressed():
                    raise WaitInterruptedError(f"the lock {self.path} is held by {words}")
                if not said:
                    self.say(f"waiting for the lock {self.path}, {age:.0f} s old and held by {words}")
                    said = True
            if waited > GIVEN_UP_SECONDS:
                raise TimeoutError(f"the lock {self.path} is held by {words}, {age:.0f} s now")
            self.sleep(seconds * self.rng.uniform(0.5, 1.5))
            seconds = min(2 * seconds, 0.25)

    def _holder(self) -> dict[str, Any]:
        """Who holds the lock; empty where it does not say."""
        try:
            lock = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError:  # a link: Optuna's
            return {}
        try:
            return _parsed(os.read(lock, 4096))
        finally:
            os.close(lock)

    def _break(self, holder: dict[str, Any]) -> None:
        """Removes the lock of a holder, if it is still the same one."""
        try:
            lock = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError:
            moved = self.path.with_name(f"{self.path.name}{uuid.uuid4()}.rename")
            with contextlib.suppress(FileNotFoundError):
                self.path.rename(moved)
                moved.unlink()
            return
        try:
            with contextlib.suppress(OSError):  # no such locks on this file system
                fcntl.flock(lock, fcntl.LOCK_EX)  # of several that break it, the second one finds it gone
            with contextlib.suppress(FileNotFoundError):
                now = self.path.lstat()
                if os.path.samestat(now, os.fstat(lock)) and _parsed(os.read(lock, 4096)) == holder:
                    self.path.unlink()
        finally:
            os.close(lock)


def this_process() -> dict[str, Any]:
    """What identifies this process among all that there have been."""
    return dict(_process(os.getpid()))


@functools.cache
def _process(pid: int) -> dict[str, Any]:
    """This process by its number, which a fork changes."""
    return {"host": socket.gethostname(), "machine": _machine(), "pid": pid, "started": _started(pid)}


def is_known(holder: dict[str, Any]) -> bool:
    """Whether it can be checked from here if the holder lives."""
    return bool(holder) and holder["machine"] == _machine()


def has_ended(holder: dict[str, Any]) -> bool:
    """Whether the holder is known to have ended."""
    return is_known(holder) and _started(holder["pid"]) != holder["started"]


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    kinds = {"host": str, "machine": str, "pid": int, "started": str}
    if isinstance(holder, dict) and all(isinstance(holder.get(key), kind) for key, kind in kinds.items()):
        return holder
    return {}


@functools.cache
def _machine() -> str:
    """The machine since its last start, and the space of process numbers in it (containers have their own)."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _started(pid: int) -> str:
    """When a process started, or empty where there is none (or it is a zombie)."""
    if Path("/proc/self/stat").exists():
        try:
            state, *fields = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
        except OSError:
            return ""
        return "" if state in ("Z", "X") else fields[18]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"
