"""Files that somebody else named or sent: only regular ones, up to a stated size, are opened.

Reading from a FIFO or a device may never end, and opening one may already wait or set a device going. A file's size is
known before it is read; where the system does not say it (files of /proc have size 0), reading ends at the limit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


class UnfitFileError(ValueError):
    """A file is no regular one, or too large; the message goes on after the file's name."""


def read_regular(file: str | os.PathLike[str], most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     print("abc", end="", file=file, flush=True)
    ...     read_regular(file.name, 3)
    b'abc'

    Raises:
        OSError: it cannot be opened or read.
        UnfitFileError: it is no regular file, or larger.
    """
    with open_regular(file, most) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise UnfitFileError(_too_large("more", most))
    return content


@contextmanager
def open_regular(file: str | os.PathLike[str], most: int) -> Iterator[BinaryIO]:
    """A regular file of at most so many bytes, open for reading.

    Raises:
        OSError: it cannot be opened.
        UnfitFileError: it is no regular file, or larger.
    """
    check_regular(file)  # before it is opened
    # Without waiting, should a FIFO have taken the file's place meanwhile: that is seen next.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(file, flags), "rb") as stream:
        status = os.fstat(stream.fileno())
        _check(status)
        if status.st_size > most:
            raise UnfitFileError(_too_large(f"{status.st_size} bytes", most))
        yield stream


def check_regular(file: str | os.PathLike[str]) -> None:
    """Checks what a file is that others will open.

    Raises:
        OSError: it is not there, or cannot be looked at.
        UnfitFileError: it is no regular file.
    """
    _check(Path(file).stat())


def _check(status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds: tuple[tuple[Any, str], ...] = (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "FIFO"),
        (stat.S_ISSOCK, "socket"),
    )
    what = next((name for is_kind, name in kinds if is_kind(status.st_mode)), "device")
    raise UnfitFileError(f"is a {what}, no regular file")


def _too_large(found: str, most: int) -> str:
    return f"is too large ({found}; at most {most} bytes are read)"
