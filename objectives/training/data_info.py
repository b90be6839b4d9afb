"""What is known of a source of images before they are decoded."""

from __future__ import annotations

from dataclasses import dataclass


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
