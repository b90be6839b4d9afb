from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.spaces.instanas import InstaNASSpace
from mnas_moo.spaces.instanas_settings import PRESETS, InstaNASSettings
from mnas_moo.spaces.skeleton_settings import PRESETS as NAMES
from mnas_moo.spaces.skeleton_settings import SIZES


def test_the_defaults_are_the_published_skeleton() -> None:
    settings = InstaNASSettings.of()
    assert list(zip(settings.filters, settings.layers, settings.strides, strict=True)) == [
        *((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)),
    ]
    assert (settings.stem, settings.head, settings.epsilon, settings.dropout) == (32, 1280, 1e-5, 0.0)
    assert InstaNASSettings.of(resolution=32) == PRESETS["cifar"]
    assert list(PRESETS) == list(NAMES)


@pytest.mark.parametrize("size", [size for size in SIZES if size != "2m"])
@pytest.mark.parametrize("resolution", [32, 96])
def test_a_size_is_about_the_median_of_its_networks(size: str, resolution: int) -> None:
    space, rng = InstaNASSpace(preset=size, resolution=resolution), np.random.default_rng(0)
    found = np.median([space.random(rng).multiply_adds for _ in range(15)]) / 1e6
    assert 0.5 * int(size[:-1]) < found < 2 * int(size[:-1])
