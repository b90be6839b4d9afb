"""A folder of images, one subfolder a class: its files are listed, decoded in threads, and scaled to squares.

What cannot be decoded is left black and told with its reason, so that one run names every broken file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.training.data_info import DataInfo
from mnas_moo.objectives.training.image_cache import Pixels, cached, keep_broken, kept_broken
from mnas_moo.objectives.training.image_files import SUFFIXES, listed, opened, without_pillows_warnings

FORMAT_VERSION = 1
"""Version of the files in the cache folder; it must be raised when images are decoded in another way."""


class ImageFolder:
    """A folder with one subfolder of images a class, as torchvision's ImageFolder and ImageNet have it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise ValueError(f"data: there is no folder {path}; the training images are expected in it")
        classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and entry.name[0] != ".")
        for name in classes:
            if path.resolve().is_relative_to((path / name).resolve()):
                raise ValueError(f"data: class {path / name} is a link to a folder that it lies in; remove it")
        if len(classes) < 2:
            found = f"only one subfolder, {classes[0]!r}" if classes else "no subfolders"
            raise ValueError(f"data: {path} holds {found}; put the images of each of two or more classes in its own")
        listings = [listed(path / name) for name in classes]
        for name, (files, _) in zip(classes, listings, strict=True):
            if len(files) < 2:
                raise ValueError(
                    f"data: class {path / name} holds {len(files)} images; at least 2 are needed, one to train on and "
                    f"one to hold out (recognised: {' '.join(SUFFIXES)})"
                )
        self.files = [file for files, _ in listings for file in files]
        self.labels = np.repeat(np.arange(len(classes)), [len(files) for files, _ in listings])
        channels, side = _headers([files for files, _ in listings])
        self.info = DataInfo(
            tuple(classes), channels, side, len(self.files), flip=True, ignored=sum(ignored for _, ignored in listings)
        )

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64], dict[int, str]]:
        """Images (N, R, R, C), labels (N,), and by their places why images could not be read, which are then black."""
        shape = (len(self.files), resolution, resolution, self.info.channels)
        if cache is not None:
            file = cache / f"images-v{FORMAT_VERSION}-{self._key(shape)}.npy"
            pixels = cached(file, shape, lambda pixels: keep_broken(file, _decode(self.files, pixels)))
            return pixels, self.labels, kept_broken(file, len(self.files))
        pixels = np.empty(shape, np.uint8)
        return pixels, self.labels, _decode(self.files, pixels)

    def _key(self, shape: Sequence[int]) -> str:
        """A hash of names, sizes and times of all files: it changes if an image is added, removed or replaced."""
        digest = hashlib.sha256(repr((FORMAT_VERSION, tuple(shape), str(self.path.resolve()))).encode())
        for file in self.files:
            status = file.stat()
            digest.update(repr((str(file.relative_to(self.path)), status.st_size, status.st_mtime_ns)).encode())
        return digest.hexdigest()[:24]


def _headers(classes: Sequence[Sequence[Path]]) -> tuple[int, int]:
    """Channels (1 if all are gray) and median shorter side of the first image of each class that can be opened."""
    gray, sides = True, []
    with without_pillows_warnings():
        for files in classes:
            mode, side = _header(files)
            gray = gray and mode in ("1", "L", "I", "I;16")
            sides.append(side)
    return 1 if gray else 3, round(float(np.median(sides)))


def _header(files: Sequence[Path]) -> tuple[str, int]:
    """Mode and shorter side of the first image that can be opened."""
    first: ValueError | None = None
    for file in files:
        try:
            with opened(file) as picture:
                return picture.mode, min(picture.size)
        except ValueError as error:
            first = first or error
    assert first is not None
    raise first


def _decode(files: Sequence[Path], out: Pixels) -> dict[int, str]:
    """Fills ``out`` (N, R, R, C) with the files' images; threads, since decoders free the interpreter's lock.

    Returns:
        Why images could not be read, by their places, which are left black.
    """
    chunk = 64
    starts = range(0, len(files), chunk)
    with without_pillows_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_decode_some, files[start : start + chunk], out[start : start + chunk]) for start in starts]
        try:
            return {start + place: why for start, job in zip(starts, jobs, strict=True) for place, why in job.result()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _decode_some(files: Sequence[Path], out: Pixels) -> list[tuple[int, str]]:
    broken = []
    for i, (file, place) in enumerate(zip(files, out, strict=True)):
        try:
            _decode_one(file, place)
        except ValueError as error:
            place[:] = 0
            broken.append((i, str(error)))
    return broken


def _decode_one(file: Path, place: Pixels) -> None:
    image, ops = require("PIL.Image", extra="data"), require("PIL.ImageOps", extra="data")
    resolution, channels = place.shape[1:]
    with opened(file) as original:
        # JPEGs decode at a half, quarter or eighth where that is still twice what is wanted
        original.draft(None, (2 * resolution, 2 * resolution))
        picture = _eight_bits(ops.exif_transpose(original), image).convert("L" if channels == 1 else "RGB")
        picture = ops.fit(picture, (resolution, resolution), image.Resampling.BILINEAR)
        place[:] = np.asarray(picture).reshape(place.shape)


def _eight_bits(picture: Any, image: Any) -> Any:
    """16-bit gray images scaled to bytes; Pillow's own conversion would clip them."""
    if not picture.mode.startswith("I"):
        return picture
    return image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
