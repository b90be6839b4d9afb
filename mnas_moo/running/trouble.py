"""What goes wrong with a storage while it is used: said in one line, waited for where it may pass, and else the end.

A database that restarts, or a connection that is cut, is waited for with pauses that grow, up to ``WAIT_SECONDS`` or
until Ctrl-C is pressed.
A full or read-only disk and a damaged file end the run at once: all later calls fail with the same error, so that
nothing is built on what was not stored.
"""

from __future__ import annotations

import errno
import itertools
import logging
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from optuna.exceptions import StorageInternalError

from mnas_moo.running.address import shown_address, without_passwords
from mnas_moo.running.interrupts import pause, pressed
from mnas_moo.study_file.document import StudyError, one_line

WAIT_SECONDS = 300.0
"""A storage that does not answer is waited for so long."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

T = TypeVar("T")
Say = Callable[[str], None]
"""Tells the user one line."""

_logger = logging.getLogger(__name__)

_WORDS = (
    (r"database or disk is full|No space left|disk quota", "the disk is full; free some space"),
    (r"readonly database|Read-only file system|read-only transaction", "it is read-only"),
    (
        r"malformed|file is not a database|Could not decode",
        "the file is damaged; `sqlite3 FILE .recover` saves what can be",
    ),
    (r"unable to open database file", "the file cannot be opened; is its folder there, writable and not full?"),
    (r"database is locked", "another process has locked it"),
    (r"disk I/O error|Input/output error", "the disk does not read or write"),
    (r"Permission denied", "this user may not write it"),
)


class StorageError(StudyError):
    """The storage cannot be used any longer; the message is one line that says which one and why."""


class WaitInterruptedError(StorageError):
    """Ctrl-C was pressed while the storage was waited for."""


def warn(line: str) -> None:
    """Tells the user one line by the log, which is standard error where nothing else is set up."""
    _logger.warning("%s", line)


class Patience:
    """Calls a storage; waits where its trouble may pass, and remembers trouble that does not.

    Args:
        address: the storage's address.
        say: function that is told why the program waits; None: it never waits.
        sleep: function that waits for a number of seconds.
        clock: function that returns seconds since a fixed moment.
        rng: random generator of the pauses, which differ between processes.
    """

    def __init__(
        self,
        address: str,
        say: Say | None,
        *,
        sleep: Callable[[float], None] = pause,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.address = address
        self.say = say
        self.sleep = sleep
        self.clock = clock
        self.rng = rng or random.Random()  # noqa: S311
        self.given_up: StorageError | None = None

    def __call__(self, attempt: Callable[[int], T]) -> T:
        """The result of an attempt, which gets the number of attempts before it.

        Raises:
            StorageError: the storage cannot be used; what else the attempt raises is let through.
        """
        if self.given_up is not None:
            raise self.given_up
        begun: float | None = None
        for n in itertools.count():
            try:
                result = attempt(n)
            except Exception as error:
                trouble = trouble_of(error)
                if trouble is None:
                    raise
                begun = self.clock() if begun is None else begun
                reason = without_passwords(reason_of(trouble), self.address)
                if self.say is None or not may_pass(trouble) or self.clock() - begun >= WAIT_SECONDS:
                    raise self.give_up(reason) from error
                if not pressed():
                    seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(n, 10))
                    seconds *= self.rng.uniform(0.5, 1.5)
                    self.say(f"waiting for the storage: {reason}; next try in {seconds:.1f} s")
                    self.sleep(seconds)
                if pressed():
                    raise self.give_up(reason, WaitInterruptedError) from error
            else:
                if n and self.say is not None:
                    self.say("the storage answers again")
                return result
        raise AssertionError("unreachable")

    def give_up(self, reason: str, kind: type[StorageError] = StorageError) -> StorageError:
        """The error that ends a run; a program that only reads may try again."""
        error = kind(f"{shown_address(self.address)}: {reason}")
        if self.say is not None:
            self.given_up = error
        return error


@contextmanager
def storage_errors() -> Iterator[None]:
    """Whatever the block raises because the storage could not be used becomes the error that says so.

    Raises:
        StorageError: in place of every exception that it caused; Optuna raises others while it handles one.
        KeyboardInterrupt: Ctrl-C was pressed while the storage was waited for.
    """
    try:
        yield
    except Exception as error:
        for cause in _causes(error):
            if isinstance(cause, WaitInterruptedError):
                raise KeyboardInterrupt from error
            if isinstance(cause, StorageError):
                raise cause from error
        raise


def trouble_of(error: Exception) -> Exception | None:
    """The driver's or the system's error behind one of Optuna's, or None: the storage is well, the call was wrong."""
    from sqlalchemy import exc

    if isinstance(error, OSError):
        return error
    if not isinstance(error, (StorageInternalError, exc.SQLAlchemyError, sqlite3.Error)):
        return None
    for cause in _causes(error):
        if isinstance(cause, (exc.DataError, exc.IntegrityError)):
            return None
        if isinstance(cause, (exc.DBAPIError, exc.TimeoutError, sqlite3.Error, OSError)):
            return cause
    # A session that broke before, and was not told why: PendingRollbackError, ResourceClosedError.
    return error if isinstance(error, exc.InvalidRequestError) else None


def may_pass(trouble: Exception) -> bool:
    """Whether it is worth trying again: the server restarts, the connection was cut, or a file is locked."""
    from sqlalchemy import exc

    original = getattr(trouble, "orig", None) or trouble
    if isinstance(original, sqlite3.Error):
        return "locked" in str(original)
    if isinstance(trouble, exc.DBAPIError) and trouble.connection_invalidated:
        return True
    return isinstance(trouble, (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.InvalidRequestError))


def reason_of(trouble: Exception) -> str:
    """Trouble in one line: our words for it where there are some, and the driver's."""
    theirs = one_line(str(getattr(trouble, "orig", None) or trouble)) or type(trouble).__name__
    if isinstance(trouble, OSError) and trouble.errno in (errno.ENOSPC, errno.EDQUOT):
        theirs = f"No space left: {theirs}"
    for pattern, ours in _WORDS:
        if re.search(pattern, theirs, re.IGNORECASE):
            return f"{ours} ({theirs})"
    return theirs


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it, the nearest first."""
    seen: set[int] = set()
    open_: list[BaseException | None] = [error]
    while open_:
        cause = open_.pop(0)
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            open_ += [cause.__cause__, cause.__context__]
