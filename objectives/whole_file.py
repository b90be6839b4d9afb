"""Files that appear whole or not at all: written under another name beside the place, and then put there."""

from __future__ import annotations

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
        The path to write to, hidden and with the same ending. A process that is killed leaves it behind.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    path = Path(os.path.realpath(file))
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())  # else a crash of the machine may leave the new name with nothing in it
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (part, str(part)):
            error.filename = os.fspath(file)  # the name that the user knows
        raise
