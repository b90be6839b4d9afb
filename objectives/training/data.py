"""Labelled images for training children: decoded once, kept as bytes, part of them held out.

The paper's proxy holds 50K images out of ImageNet's training set and never touches the test set (Tan et al. 2019,
sec. 5); here every source is split so, class by class. Images are squares of one resolution: the shorter side is
scaled to it and the middle is cut out, so that augmentation works on whole batches of tensors. That differs from
the Inception preprocessing of the paper, which decodes each image anew and crops it at random scales.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.regular_file import UnfitFileError, open_regular
from mnas_moo.objectives.training.data_info import DataInfo as DataInfo
from mnas_moo.objectives.training.image_cache import Pixels
from mnas_moo.objectives.training.image_folder import ImageFolder
from mnas_moo.objectives.training.settings import HOLDOUT
from mnas_moo.spaces.printable import short

if TYPE_CHECKING:
    import torch

    from mnas_moo.spaces.spec import NetworkSpec

Source: TypeAlias = "str | Path | Mapping[str, str | Path]"
"""A study's ``data``: "digits", a folder, or one of {"folder": PATH}, {"cifar10": PATH}, {"imagenet": PATH}."""

MIN_RESOLUTION = 8
OTHER_PARTS = {"test", "val", "valid", "validation"}
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_BYTES = 40_000_000
"""Upper limit of the size of CIFAR-10's files, of which most have 31 MB."""
STATISTICS_IMAGES = 10_000
NAMED_IMAGES = 20
"""At most so many broken images are named in a message."""
UNEVEN = 1.5
"""Classes are called uneven where the largest has more than this many times the images of the smallest."""


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
        skipped: number of images of each class that cannot be read and are in no part; empty where there are none.
    """

    images: torch.Tensor
    labels: torch.Tensor
    train: torch.Tensor
    holdouts: tuple[torch.Tensor, ...]
    mean: torch.Tensor
    std: torch.Tensor
    info: DataInfo
    skipped: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """How many images there are of how many classes, and which classes have few."""
        import torch

        used = torch.bincount(self.labels, minlength=len(self.info.classes)).numpy()
        if self.skipped:
            used = used - self.skipped
        text = f"{used.sum():,} images of {len(used)} classes"
        least, most = int(used.argmin()), int(used.argmax())
        if used[most] <= UNEVEN * used[least]:
            return text
        return (
            f"{text}, from {used[least]} ({short(self.info.classes[least])}) to {used[most]} "
            f"({short(self.info.classes[most])}): accuracy counts images, and with `balanced: true` classes"
        )

    @property
    def skipped_words(self) -> str:
        """How many images of which classes were left out; empty where none was."""
        named = [f"{n} of {short(name)}" for name, n in zip(self.info.classes, self.skipped, strict=False) if n]
        more = f" and {len(named) - NAMED_IMAGES} more classes" if len(named) > NAMED_IMAGES else ""
        text = ", ".join(named[:NAMED_IMAGES]) + more
        return f"{sum(self.skipped)} images that cannot be read are left out: {text}" if named else ""

    @property
    def holdout(self) -> torch.Tensor:
        """Indices of the images that are held out, ascending: the first of ``holdouts``."""
        return self.holdouts[0]

    def check(self, spec: NetworkSpec, taker: str) -> None:
        """Compares the images with those that a network takes.

        Args:
            spec: the network.
            taker: the one who takes them, for the message: "train: the network".

        Raises:
            ValueError: their size or the number of classes differs.
        """
        height, width, channels = self.images.shape[1:]
        if spec.input_shape != (channels, height, width) or spec.classes != len(self.info.classes):
            raise ValueError(
                f"{taker} takes images {spec.input_shape} (channels, height, width) of {spec.classes} classes, "
                f"but the data has {(channels, height, width)} of {len(self.info.classes)}"
            )

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
    source: Source,
    resolution: int,
    *,
    holdout: float = HOLDOUT,
    seed: int = 0,
    cache: Path | None = None,
    skip_broken: bool = False,
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
        skip_broken: whether images that cannot be read are left out (``ImageData.skipped``) instead of refused.

    Raises:
        ValueError: see ``describe``; also corrupt images (all are named), a resolution too small, a share
            outside (0, 1), and a cache folder without room.
        MissingExtraError: the packages that read the source are not installed.
    """
    import torch

    if resolution < MIN_RESOLUTION:
        raise ValueError(f"data: resolution is {resolution}; it must be at least {MIN_RESOLUTION} pixels")
    if not 0 < holdout < 1:
        raise ValueError(f"data: holdout is {holdout}; it must be a share between 0 and 1, both excluded")
    opened = _open(source)
    pixels, labels, broken = opened.read(resolution, cache)
    if broken and not skip_broken:
        raise _broken_error(broken)
    whole = np.setdiff1d(np.arange(len(labels)), list(broken), assume_unique=True)
    skipped: Sequence[int] = ()
    if broken:
        skipped = np.bincount(labels[list(broken)], minlength=len(opened.info.classes)).tolist()
    for name, images in zip(opened.info.classes, np.bincount(labels[whole], minlength=len(skipped)), strict=False):
        if images < 2:
            raise ValueError(f"data: of class {name}, {images} images can be read; at least 2 are needed")
    train, held = split(labels[whole], holdout, seed)
    train, held = whole[train], [whole[each] for each in held]
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
        skipped=tuple(skipped),
    )


def _broken_error(broken: Mapping[int, str]) -> ValueError:
    """The error about images that cannot be read: all of them, as far as one line has room."""
    reasons = list(broken.values())
    if len(reasons) == 1:
        return ValueError(f"{reasons[0]}, or go on without it: --skip-broken")
    named = "; ".join(
        reason.removeprefix("data: ").removesuffix("; replace or remove it") for reason in reasons[:NAMED_IMAGES]
    )
    more = f"; and {len(reasons) - NAMED_IMAGES} more" if len(reasons) > NAMED_IMAGES else ""
    return ValueError(
        f"data: {len(reasons)} images are broken; replace or remove them, or go on without them: --skip-broken: "
        f"{named}{more}"
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

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64], dict[int, str]]:
        """Images (N, H, W, C), labels (N,), and by their places why images could not be read, which are then black."""
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
    return ImageFolder(path / "train" if kind == "imagenet" else _training_part(path))


class _Digits:
    """The 1,797 handwritten digits in scikit-learn's wheel, 8 x 8 pixels in 17 shades of gray."""

    def __init__(self) -> None:
        self.info = DataInfo(tuple("0123456789"), channels=1, resolution=8, images=1797, flip=False)

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64], dict[int, str]]:
        digits = require("sklearn.datasets", extra="data").load_digits()
        pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        return _resize(pixels, resolution), digits.target.astype(np.int64), {}


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

    def read(self, resolution: int, cache: Path | None) -> tuple[Pixels, npt.NDArray[np.int64], dict[int, str]]:
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
        return _resize(cifar10.data, resolution), np.asarray(cifar10.targets, dtype=np.int64), {}


def _training_part(path: Path) -> Path:
    """``path``, or its train/ where the only other subfolders are further parts (test/, val/): those stay unread."""
    folders = {entry.name for entry in os.scandir(path) if entry.is_dir() and entry.name[0] != "."}
    return path / "train" if "train" in folders and folders <= {"train"} | OTHER_PARTS else path


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
