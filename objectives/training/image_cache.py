"""Decoded images in a file, so that later runs need not decode them again; a kill leaves nothing wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.plain_json import read_json
from mnas_moo.objectives.whole_file import part_of, whole_file
from mnas_moo.spaces.printable import printable

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
    with part_of(path) as part:
        found = _decoded(path, shape)
        if found is not None:  # another run has written them meanwhile
            return found
        needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
        if needed > free:
            raise ValueError(
                f"data: {needed / 1e9:.1f} GB of decoded images do not fit into {path.parent} ({free / 1e9:.1f} GB "
                "free); name another cache folder or a lower resolution"
            )
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        if hasattr(os, "posix_fallocate"):  # a disk that fills up later would kill the process that writes to it
            with part.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
        decode(pixels)
        pixels.flush()
        part.replace(path)
    return cached(path, shape, decode)


def _decoded(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The decoded images in ``path``; None where it is missing or damaged."""
    try:
        found: Pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.uint8 else None


def keep_broken(path: Path, broken: Mapping[int, str]) -> None:
    """Writes beside the file of decoded images which of them could not be read, before that file is there.

    Args:
        path: the file of decoded images.
        broken: why, by their places.

    Raises:
        OSError: it cannot be written.
    """
    if broken:
        with whole_file(_list_of(path)) as part:
            part.write_text(json.dumps([[place, printable(why)] for place, why in broken.items()]), encoding="utf-8")


def kept_broken(path: Path, images: int) -> dict[int, str]:
    """What ``keep_broken`` has written for a file of so many images; empty where it has nothing.

    Raises:
        ValueError: the list is damaged.
    """
    file = _list_of(path)
    try:
        found = read_json(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"data: {file} {error}; remove it and {path}") from error
    fits = isinstance(found, list) and all(
        isinstance(entry, list)
        and len(entry) == 2
        and type(entry[0]) is int
        and 0 <= entry[0] < images
        and isinstance(entry[1], str)
        for entry in found
    )
    if not fits:
        raise ValueError(f"data: {file} is damaged; remove it and {path}")
    return dict(found)


def _list_of(path: Path) -> Path:
    return path.with_suffix(".broken.json")
