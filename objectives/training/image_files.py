"""Files of images that may come from anybody: which of them are read, and how far a file is believed.

Only regular files are opened: reading from a FIFO or a device may never end. A file's size is known before it is read,
and its number of pixels before they are decoded: a few kilobytes can be the picture of gigabytes. Only the decoders of
the formats that a name may stand for are used: Pillow chooses among all of its decoders by a file's content, and the
one of PostScript starts a program.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.memory import shortage_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that ``SUFFIXES`` stand for."""

MAX_BYTES = 100_000_000
"""Largest size of an image file; the largest of ImageNet's has 15 MB."""

MAX_PIXELS = 2**30 // 12
"""Largest number of pixels of an image, Pillow's own bound for a warning: 256 MiB as 8-bit RGB."""


def listed(folder: Path) -> tuple[list[Path], int]:
    """Image files under a folder, sorted, and the number of other files there.

    Links to files are followed, links to folders are not. Names that begin with a dot are neither read nor counted as
    images.

    Raises:
        ValueError: something that is named as an image is no regular file, or a folder cannot be read.
    """
    files: list[Path] = []
    ignored = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name[0] != ".":
                            folders.append(Path(entry.path))
                    elif entry.is_symlink() and Path(entry.path).is_dir():
                        pass
                    elif entry.name[0] == "." or not entry.name.lower().endswith(SUFFIXES):
                        ignored += 1
                    elif entry.is_file(follow_symlinks=False) or Path(entry.path).is_file():
                        files.append(Path(entry.path))
                    else:
                        raise ValueError(f"data: {entry.path} is {_kind(entry.path)}; replace or remove it")
        except OSError as error:
            raise ValueError(
                f"data: {error.filename or folder} cannot be read ({error.strerror}); the images under it are needed"
            ) from error
    return sorted(files), ignored


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """A file as a Pillow image, and errors in reading or decoding it as one that names it.

    Raises:
        ValueError: it is no regular file, or too large, or no image, or damaged.
        MemoryError: there is not enough memory for it.
        MissingExtraError: Pillow is not installed.
    """
    image = require("PIL.Image", extra="data")
    try:
        with _regular(file) as stream, image.open(stream, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise _TooLargeError(f"{width} x {height} pixels, and at most {MAX_PIXELS} are decoded")
            yield picture
    # The decoders raise whatever a damaged file makes them run into: also struct.error, IndexError, zlib.error.
    except Exception as error:
        if shortage_of(error):
            raise MemoryError(f"{file} could not be decoded") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise ValueError(f"data: {file} cannot be read ({error.strerror}); replace or remove it") from error
        if isinstance(error, image.DecompressionBombWarning | image.DecompressionBombError):
            error = _TooLargeError(f"more than {MAX_PIXELS} pixels, which are not decoded")
        if isinstance(error, _TooLargeError):
            raise ValueError(f"data: {file} is too large ({error}); replace or remove it") from error
        if isinstance(error, image.UnidentifiedImageError):
            error = ValueError(f"not in one of the formats {', '.join(FORMATS)}")
        reason = str(error) or type(error).__name__
        raise ValueError(f"data: {file} cannot be read as an image ({reason}); replace or remove it") from error


@contextmanager
def without_pillows_warnings() -> Iterator[None]:
    """Pillow warns of large images and of damaged metadata: the first is an error here, the other is of no use.

    Filters of warnings are the whole process's, so this is for the thread that starts those which decode.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", require("PIL.Image", extra="data").DecompressionBombWarning)
        yield


class _TooLargeError(Exception):
    """A file has too many bytes or an image too many pixels."""


@contextmanager
def _regular(file: Path) -> Iterator[Any]:
    """The bytes of a regular file.

    Raises:
        OSError: it cannot be opened.
        _TooLargeError: it has too many bytes.
        ValueError: it is no regular file.
    """
    if not stat.S_ISREG(file.stat().st_mode):  # before it is opened: opening alone may set a device going
        raise ValueError(_kind(file))
    # Without waiting, should a FIFO have taken the file's place meanwhile: that is seen next.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(file, flags), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(_kind(file))
        if status.st_size > MAX_BYTES:
            raise _TooLargeError(f"{status.st_size} bytes, and at most {MAX_BYTES} are read")
        yield stream


def _kind(path: str | Path) -> str:
    """What a path is that is no regular file, in words."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        return f"a link to what cannot be read ({error.strerror})"
    kinds = ((stat.S_ISFIFO, "FIFO"), (stat.S_ISSOCK, "socket"), (stat.S_ISDIR, "folder"))
    what = next((name for is_kind, name in kinds if is_kind(mode)), "device")
    return f"a {what}, no image file"
