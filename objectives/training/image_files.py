"""Files of images that may come from anybody: which of them are read, and how far a file is believed.

Only regular files are opened, and an image's number of pixels is known before they are decoded: a few kilobytes can be
the picture of gigabytes. Only the decoders of the formats that a name may stand for are used: Pillow chooses among all
of its decoders by a file's content, and the one of PostScript starts a program.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.memory import shortage_of
from mnas_moo.objectives.regular_file import UnfitFileError, check_regular, open_regular

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
                    else:
                        if not entry.is_file(follow_symlinks=False):
                            _check(entry.path)
                        files.append(Path(entry.path))
        except OSError as error:
            raise ValueError(
                f"data: {error.filename or folder} cannot be read ({error.strerror}); the images under it are needed"
            ) from error
    return sorted(files), ignored


def _check(path: str) -> None:
    try:
        check_regular(path)
    except UnfitFileError as error:
        raise ValueError(f"data: {path} {error}; replace or remove it") from error
    except OSError as error:
        raise ValueError(f"data: {path} cannot be read ({error.strerror}); replace or remove it") from error


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
        with open_regular(file, MAX_BYTES) as stream, image.open(stream, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UnfitFileError(f"is too large ({width} x {height} pixels; at most {MAX_PIXELS} are decoded)")
            yield picture
    # The decoders raise whatever a damaged file makes them run into: also struct.error, IndexError, zlib.error.
    except Exception as error:
        if shortage_of(error):
            raise MemoryError(f"{file} could not be decoded") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise ValueError(f"data: {file} cannot be read ({error.strerror}); replace or remove it") from error
        if isinstance(error, image.DecompressionBombWarning | image.DecompressionBombError):
            error = UnfitFileError(f"is too large (at most {MAX_PIXELS} pixels are decoded)")
        if isinstance(error, UnfitFileError):
            raise ValueError(f"data: {file} {error}; replace or remove it") from error
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
