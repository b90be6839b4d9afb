"""Files that appear whole or not at all: written under another name beside the place, and then put there.

The other name is always the same, so that what killed processes leave is one file at most, which the next one writes
over; a lock keeps two processes from writing there at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(file: str | os.PathLike[str]) -> Iterator[Path]:
    """A block that writes a file; its readers see the file as it was before, or the new one, never a part.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/front.svg") as part:
    ...         written = part.write_text("<svg/>")
    ...     print([path.name for path in Path(folder).iterdir()])
    ['front.svg']

    Args:
        file: the file; a link stays one, and what it leads to is replaced.

    Yields:
        The path to write to, with the same ending.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    path = Path(os.path.realpath(file))
    try:
        with part_of(path) as part:
            yield part
            with part.open("rb+") as written:
                os.fsync(written.fileno())  # else a crash of the machine may leave the new name with nothing in it
            part.replace(path)
    except OSError as error:
        if error.filename in (_part(path), str(_part(path))):
            error.filename = os.fspath(file)  # the name that the user knows
        raise


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """A block that only one process is in at a time, with an empty file that it may move to the path.

    Yields:
        The file, hidden and with the same ending; it is removed at the end of the block where it was not moved.

    Raises:
        OSError: it cannot be created.
    """
    import fcntl

    part = _part(path)
    while True:
        # A link of this name, which came with somebody else's folder, could lead to any file.
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            with contextlib.suppress(OSError):  # no such locks on this file system
                fcntl.flock(file, fcntl.LOCK_EX)  # the system frees the lock of a dead process
            if _is(file, part):  # and was not moved by the process that had the lock
                os.ftruncate(file, 0)
                try:
                    yield part
                finally:
                    if _is(file, part):
                        part.unlink()
                return
        finally:
            os.close(file)


def _is(file: int, path: Path) -> bool:
    """Whether an open file has this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _part(path: Path) -> Path:
    return path.with_name(f".{path.stem}.part{path.suffix}")
