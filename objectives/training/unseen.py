"""The test images beside those of a search: found before a training, read once after it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from mnas_moo.objectives.training.data import ImageData, Source
from mnas_moo.objectives.training.image_folder import ImageFolder

NAMES = {"folder": ("test",), "imagenet": ("val",)}
"""Folders of test images beside a training part, by kind of source; ImageNet's test labels are not public."""


def find_test(source: Source, data: ImageData, folder: Path | None = None) -> ImageFolder | None:
    """The test images of a source: in a folder test/ beside train/ (of ImageNet: val/), or in the folder named.

    Only names of folders and files are looked at.

    Args:
        source: where the images of the search come from.
        data: these images.
        folder: a folder of test images, with a subfolder a class.

    Returns:
        The folder's images, undecoded; None: there are none.

    Raises:
        ValueError: its classes are not those of the search.
    """
    if folder is None:
        kind, path = next(iter(source.items())) if isinstance(source, dict) else ("folder", source)
        root = Path(str(path)).expanduser()
        found = [root / name for name in NAMES.get(kind, ()) if (root / "train").is_dir() and (root / name).is_dir()]
        if source == "digits" or not found:
            return None
        folder = found[0]
    opened = ImageFolder(folder.expanduser())
    if opened.info.classes != data.info.classes:
        missing = sorted(set(data.info.classes) - set(opened.info.classes))
        more = sorted(set(opened.info.classes) - set(data.info.classes))
        problem = f"lacks class {missing[0]!r}" if missing else f"has a class {more[0]!r}, which the training has not"
        raise ValueError(f"test: {folder} {problem}; its classes must be those of the training images")
    return opened


def read_test(opened: ImageFolder, data: ImageData) -> ImageData:
    """The test images, all in the hold-out, at the resolution and in the normalisation of a training's images.

    Raises:
        ValueError: an image cannot be read; all are named.
    """
    import torch

    if opened.info.channels != data.info.channels:
        opened.info = dataclasses.replace(opened.info, channels=data.info.channels)
    pixels, labels, broken = opened.read(data.images.shape[1], None)
    if broken:
        raise ValueError(f"test: {len(broken)} images cannot be read, the first: {next(iter(broken.values()))}")
    everything = torch.arange(len(labels))
    return dataclasses.replace(
        data,
        images=torch.from_numpy(pixels),
        labels=torch.from_numpy(labels.astype(np.int64)),
        train=everything[:0],
        holdouts=(everything,),
        skipped=(),
    )
