"""Archives of numpy (.npz) that may come from anybody: read within bounds, and nothing in them is unpickled."""

from __future__ import annotations

import io
import os
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.regular_file import UnfitFileError, read_regular

MAX_BYTES = 256_000_000
"""Size of an archive, and of what is packed in it."""

_DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, SyntaxError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""What zipfile and numpy raise on a damaged archive; numpy parses headers as Python's literals."""


def read_archive(file: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a numpy archive by name; nothing is unpickled.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, or is no archive, or too large.
    """
    try:
        content = read_regular(file, MAX_BYTES)
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        if unpacked > MAX_BYTES:
            raise UnfitFileError(f"is too large ({unpacked} bytes unpacked; at most {MAX_BYTES} are read)")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise
    except UnfitFileError as error:
        raise ValueError(f"{file}: {error}; name an archive of numpy") from error
    except _DAMAGED as error:
        raise ValueError(f"{file}: cannot be read as an archive of numpy ({error})") from error
