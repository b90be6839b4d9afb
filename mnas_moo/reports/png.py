"""Pixels as a PNG file, with the standard library alone: a header, rows without a filter, zlib (RFC 2083)."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_COLOURS = {1: 0, 3: 2}
"""Channels -> the format's number for grey or RGB."""


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An image as a PNG file.

    Args:
        pixels: (H, W, C) grey (1 channel) or RGB (3).

    Raises:
        ValueError: it has another shape.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOURS or 0 in pixels.shape:
        raise ValueError(f"an image is (H, W, 1) or (H, W, 3); this one is {pixels.shape}")
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter, 0
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    parts: tuple[tuple[bytes, Any], ...] = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
