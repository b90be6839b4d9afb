"""Decoded images in a file, so that later runs need not decode them again; a kill leaves nothing wrong."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]


def cached(path: Path, shape: tuple[int, ...], decode: Callable[[Pixels], None]) -> Pixels:
    """The decoded images in a file, which is written first where it is missing or damaged.

    Args:
        path: the file.
        shape: shape of the images.
        decode: function that fills an array of that shape with them.

    Raises:
        ValueError: there is no room for them.
        OSError: the file cannot be written.
    """
    found = _decoded(path, shape)
    if found is not None:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written under another name, so that nobody sees half a file. The name is always the same, and what a killed run
    # has left there is written over: it may be gigabytes.
    part = path.with_name(f".{path.name}.part")
    with _alone(part) as file:
        found = _decoded(path, shape)
        if found is not None:  # another run has written them meanwhile
            part.unlink()
            return found
        try:
            needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
            if needed > free:
                raise ValueError(
                    f"data: {needed / 1e9:.1f} GB of decoded images do not fit into {path.parent} "
                    f"({free / 1e9:.1f} GB free); name another cache folder or a lower resolution"
                )
            pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
            if hasattr(os, "posix_fallocate"):  # a disk that fills up later would kill the process that writes to it
                os.posix_fallocate(file, 0, part.stat().st_size)
            decode(pixels)
            pixels.flush()
            part.replace(path)
        except BaseException:
            part.unlink()
            raise
    return cached(path, shape, decode)


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[int]:
    """A block that only one process is in at a time, by a lock on the empty file; the system frees that of a dead one.

    Yields:
        The file, open.
    """
    import fcntl

    while True:
        file = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(file), part.stat())
            except FileNotFoundError:
                same = False
            if same:  # and not the file of a run that has moved it to its place
                os.ftruncate(file, 0)
                yield file
                return
        finally:
            os.close(file)


def _decoded(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The decoded images in ``path``; None where it is missing or damaged."""
    try:
        found: Pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.uint8 else None
