from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mnas_moo.reports.png import png_of


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_reads_the_same_pixels(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png_of(pixels))))
    assert np.array_equal(read.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (0, 7, 3)])
def test_other_arrays_are_no_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"an image is \(H, W, 1\) or \(H, W, 3\)"):
        png_of(np.zeros(shape, np.uint8))
