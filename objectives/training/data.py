"""Labelled images for training children: decoded once, kept as bytes, part of them held out.

The paper's proxy holds 50K images out of ImageNet's training set and never touches the test set (Tan et al. 2019,
sec. 5); here every source is split so, class by class. Images are squares of one resolution: the shorter side is
scaled to it and the middle is cut out, so that augmentation works on whole batches of tensors. That differs from
the Inception preprocessing of the paper, which decodes each image anew and crops it at random scales.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.regular_file import UnfitFileError, open_regular
from mnas_moo.objectives.training.image_cache import Pixels, cached
from mnas_moo.objectives.training.image_files import SUFFIXES, listed, opened, without_pillows_warnings
from mnas_moo.objectives.training.settings import HOLDOUT

if TYPE_CHECKING:
    import torch

Source: TypeAlias = "str | Path | Mapping[str, str | Path]"
"""A study's ``data``: "digits", a folder, or one of {"folder": PATH}, {"cifar10": PATH}, {"imagenet": PATH}."""

FORMAT_VERSION = 1
"""Version of the files in the cache folder; it must be raised when images are decoded in another way."""

MIN_RESOLUTION = 8
OTHER_PARTS = {"test", "val", "valid", "validation"}
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_BYTES = 40_000_000
"""Upper limit of the size of CIFAR-10's files, of which most have 31 MB."""
STATISTICS_IMAGES = 10_000


@dataclass(frozen=True)
class DataInfo:
    """What is known of a source before its images are decoded.

    Attributes:
        classes: names of the classes; labels are indices into them.
        channels: 1 (gray) or 3 (RGB).
        resolution: shorter side of the original images in pixels; for folders the median over the first image of each
            class.
        images: number of images, the hold-out included.
        flip: whether a mirrored image keeps its class: true for photographs, false for digits.
        ignored: number of files that are not read: hidden ones and those whose suffix is no image's.
    """

    classes: tuple[str, ...]
    channels: int
    resolution: int
    images: int
    flip: bool
    ignored: int = 0


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images in memory (or mapped from disk), and which of them train and which are held out.

    Attributes:
        images: (N, H, W, C) uint8; never written to.
        labels: (N,) int64.
        train: indices of the images to train on, ascending; those that are not in the first of ``holdouts``.
        holdouts: (F,) indices of the images that are held out in each of F folds, ascending; no two folds share one.
        mean: (C,) float32 means over the training images, in units of a byte.
        std: (C,) float32 standard deviations over the training images, in units of a byte.
        info: what is known of the source.
    """

    images: torch.Tensor
    labels: torch.Tensor
    train: torch.Tensor
    holdouts: tuple[torch.Tensor, ...]
    mean: torch.Tensor
    std: torch.Tensor
    info: DataInfo

    @property
    def holdout(self) -> torch.Tensor:
        """Indices of the images that are held out, ascending: the first of ``holdouts``."""
        return self.holdouts[0]

    def fold(self, fold: int) -> ImageData:
        """The same images with ``holdouts[fold]`` held out, and all others to train on.

        Mean and deviation of the pixels stay those of the first fold's training part.
        """
        import torch

        if fold == 0:
            return self
        left = torch.ones(len(self.labels), dtype=torch.bool)
        left[self.holdouts[fold]] = False
        return dataclasses.replace(
            self, train=left.nonzero().flatten(), holdouts=(*self.holdouts[fold:], *self.holdouts[:fold])
        )


def describe(source: Source) -> DataInfo:
    """Classes, channels and native resolution of a source, from names and a few file headers.

    Raises:
        ValueError: the source is unknown, missing, empty, has one class only, or a class with a single image.
        MissingExtraError: the packages that read it are not installed.
    """
    return _open(source).info


def load_data(
    source: Source, resolution: int, *, holdout: float = HOLDOUT, seed: int = 0, cache: Path | None = None
) -> ImageData:
    """Decodes a source and splits it.

    >>> from mnas_moo.objectives import load_data
    >>> data = load_data("digits", resolution=16, holdout=0.2)
    >>> data.images.shape, len(data.train), len(data.holdout)
    (torch.Size([1797, 16, 16, 1]), 1438, 359)

    Args:
        source: where the images come from, as ``Source`` describes.
        resolution: height and width of the images, in pixels.
        holdout: share of each class that is held out; every class keeps at least one image in each part.
        seed: seed of the split; the same seed holds the same images out.
        cache: folder for the decoded images of folders and ImageNet, one file for a source and resolution
            (resolution^2 * channels bytes for an image: 193 GB for ImageNet at 224), which is mapped into memory
            instead of read. None: decoded images are kept in memory.

    Raises:
        ValueError: see ``describe``; also a corrupt image (it is named), a resolution too small, a share
            outside (0, 1), and a cache folder without room.
        MissingExtraError: the packages that read the source are not installed.
    """
    import torch

    if resolution < MIN_RESOLUTION:
        raise ValueError(f"data: resolution is {resolution}; it must be at least {MIN_RESOLUTION} pixels")
    if not 0 < holdout < 1:
        raise ValueError(f"data: holdout is {holdout}; it must be a share between 0 and 1, both excluded")
    opened = _open(source)
    pixels, labels = opened.read(resolution, cache)
    train, held = split(labels, holdout, seed)
    some = train[:: -(-len(train) // STATISTICS_IMAGES)]
    sample = pixels[some].reshape(-1, opened.info.channels)
    return ImageData(
        images=torch.from_numpy(pixels),
        labels=torch.from_numpy(labels),
        train=torch.from_numpy(train),
        holdouts=tuple(map(torch.from_numpy, held)),
        mean=torch.from_numpy(sample.mean(0, dtype=np.float64).astype(np.float32)),
        std=torch.from_numpy(np.maximum(sample.std(0, dtype=np.float64), 1).astype(np.float32)),
        info=opened.info,
    )


def split(
    labels: npt.NDArray[np.int64], holdout: float, seed: int
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
    """Indices of the training part of the first fold, and of the hold-outs of all folds, each ascending.

    Every fold takes the same number of images of each class (stratified k-fold); there are as many folds as every
    class has images for.

    Args:
        labels: (N,) labels; each class has at least two images.
        holdout: share held out; rounded, but at least one image of each class, and never all.
        seed: seed of the choice.
    """
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    sizes = [min(max(1, round(holdout * len(each))), len(each) - 1) for each in members]
    # The last fold may have four fifths of the images of the others.
    folds = min(int((len(each) + size / 5) // size) for each, size in zip(members, sizes, strict=True))
    held = [
        np.sort(np.concatenate([each[k * size : (k + 1) * size] for each, size in zip(members, sizes, strict=True)]))
        for k in range(folds)
    ]
    return np.setdiff1d(np.arange(len(labels)), held[0], assume_unique=True), held


class _Opened(Protocol):
    """A source that exists and has been checked."""

    info: DataInfo

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64]]:
        """Images (N, H, W, C) and labels (N,)."""
        ...


def _open(source: Source) -> _Opened:
    allowed = "allowed: digits, a folder with one subfolder a class, {cifar10: PATH}, {imagenet: PATH}"
    if isinstance(source, Mapping):
        if len(source) != 1 or not set(source) <= {"folder", "cifar10", "imagenet"}:
            raise ValueError(f"data: {dict(source)} is no source; {allowed}")
        ((kind, path),) = source.items()
    elif source == "digits":
        return _Digits()
    else:
        kind, path = "folder", source
    path = Path(path).expanduser()
    if not path.is_dir():
        raise ValueError(f"data: {path} is no folder; {allowed}")
    if kind == "cifar10":
        return _Cifar10(path)
    return _Folder(path / "train" if kind == "imagenet" else _training_part(path))


class _Digits:
    """The 1,797 handwritten digits in scikit-learn's wheel, 8 x 8 pixels in 17 shades of gray."""

    def __init__(self) -> None:
        self.info = DataInfo(tuple("0123456789"), channels=1, resolution=8, images=1797, flip=False)

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64]]:
        digits = require("sklearn.datasets", extra="data").load_digits()
        pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        return _resize(pixels, resolution), digits.target.astype(np.int64)


class _Cifar10:
    """CIFAR-10's training part as torchvision keeps it; its loader compares the files' checksums first."""

    def __init__(self, path: Path) -> None:
        folder = path / "cifar-10-batches-py"
        if not folder.is_dir():
            raise ValueError(
                f"data: there is no folder {folder}; fetch it with torchvision.datasets.CIFAR10({str(path)!r}, "
                "download=True)"
            )
        self.path = path
        self.info = DataInfo(CIFAR10_CLASSES, channels=3, resolution=32, images=50_000, flip=True)

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64]]:
        datasets = require("torchvision.datasets", extra="data")
        for file in (self.path / "cifar-10-batches-py").iterdir():
            try:
                with open_regular(file, CIFAR10_BYTES):  # before checksums are computed of whole files
                    pass
            except (OSError, UnfitFileError) as error:
                reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else error
                raise ValueError(f"data: {file} {reason}; replace or remove it") from error
        try:
            cifar10 = datasets.CIFAR10(str(self.path), train=True, download=False)
        except RuntimeError as error:
            raise ValueError(
                f"data: the files of {self.path / 'cifar-10-batches-py'} are not those of CIFAR-10 (missing, or "
                "another checksum); remove them and fetch them again"
            ) from error
        return _resize(cifar10.data, resolution), np.asarray(cifar10.targets, dtype=np.int64)


class _Folder:
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
        channels, side = _headers([files[0] for files, _ in listings])
        self.info = DataInfo(
            tuple(classes), channels, side, len(self.files), flip=True, ignored=sum(ignored for _, ignored in listings)
        )

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64]]:
        shape = (len(self.files), resolution, resolution, self.info.channels)
        if cache is not None:
            file = cache / f"images-v{FORMAT_VERSION}-{self._key(shape)}.npy"
            return cached(file, shape, lambda pixels: _decode(self.files, pixels)), self.labels
        pixels = np.empty(shape, np.uint8)
        _decode(self.files, pixels)
        return pixels, self.labels

    def _key(self, shape: Sequence[int]) -> str:
        """A hash of names, sizes and times of all files: it changes if an image is added, removed or replaced."""
        digest = hashlib.sha256(repr((FORMAT_VERSION, tuple(shape), str(self.path.resolve()))).encode())
        for file in self.files:
            status = file.stat()
            digest.update(repr((str(file.relative_to(self.path)), status.st_size, status.st_mtime_ns)).encode())
        return digest.hexdigest()[:24]


def _training_part(path: Path) -> Path:
    """``path``, or its train/ where the only other subfolders are further parts (test/, val/): those stay unread."""
    folders = {entry.name for entry in os.scandir(path) if entry.is_dir() and entry.name[0] != "."}
    return path / "train" if "train" in folders and folders <= {"train"} | OTHER_PARTS else path


def _headers(files: Sequence[Path]) -> tuple[int, int]:
    """Channels (1 if all are gray) and median shorter side of some image files."""
    gray, sides = True, []
    with without_pillows_warnings():
        for file in files:
            with opened(file) as picture:
                gray = gray and picture.mode in ("1", "L", "I", "I;16")
                sides.append(min(picture.size))
    return 1 if gray else 3, round(float(np.median(sides)))


def _decode(files: Sequence[Path], out: Pixels) -> None:
    """Fills ``out`` (N, R, R, C) with the files' images; threads, since decoders free the interpreter's lock."""
    chunk = 64
    with without_pillows_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(_decode_some, files[start : start + chunk], out[start : start + chunk])
            for start in range(0, len(files), chunk)
        ]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _decode_some(files: Sequence[Path], out: Pixels) -> None:
    image, ops = require("PIL.Image", extra="data"), require("PIL.ImageOps", extra="data")
    resolution, channels = out.shape[2:]
    for file, place in zip(files, out, strict=True):
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


def _resize(pixels: Pixels, resolution: int) -> Pixels:
    """Square images (N, H, H, C) at another resolution, bilinear, low-pass filtered where they shrink."""
    import torch
    from torch.nn import functional as F

    if pixels.shape[1] == resolution:
        return pixels
    out = np.empty((len(pixels), resolution, resolution, pixels.shape[3]), np.uint8)
    for start in range(0, len(pixels), 1000):
        some = torch.from_numpy(pixels[start : start + 1000]).permute(0, 3, 1, 2).float()
        some = F.interpolate(some, (resolution, resolution), mode="bilinear", antialias=True)
        out[start : start + 1000] = some.round_().byte().permute(0, 2, 3, 1).numpy()
    return out
