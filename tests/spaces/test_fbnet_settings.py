from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.spaces.fbnet import FBNetSpace
from mnas_moo.spaces.fbnet_settings import PRESETS, FBNetSettings
from mnas_moo.spaces.skeleton_settings import PRESETS as NAMES
from mnas_moo.spaces.skeleton_settings import SIZES


def test_the_defaults_are_the_published_macro_architecture() -> None:
    settings = FBNetSettings.of()
    assert list(zip(settings.filters, settings.layers, settings.strides, strict=True)) == [
        *((16, 1, 1), (24, 4, 2), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1)),
    ]
    assert (settings.stem, settings.stem_stride, settings.head, settings.epsilon) == (16, 2, 1984, 1e-5)


def test_presets_have_the_names_of_mnasnets_and_follow_from_the_resolution() -> None:
    assert list(PRESETS) == list(NAMES)
    assert FBNetSettings.of(resolution=32) == PRESETS["cifar"]
    assert FBNetSettings.of(resolution=12).strides == PRESETS["digits"].strides
    assert FBNetSettings.of("5m", resolution=96, classes=5).resolution == 96
    with pytest.raises(ValueError, match="preset '20m' is unknown"):
        FBNetSettings.of("20m")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_leave_the_last_map_some_pixels(preset: str) -> None:
    spec = FBNetSpace(preset=preset).random(np.random.default_rng(0))
    last = next(node for node in spec.nodes if node.name == "head")
    assert last.shape[1:] == {"imagenet": (7, 7), "cifar": (4, 4), "digits": (4, 4)}[preset]


@pytest.mark.parametrize("size", SIZES)
def test_blocks_and_layers_of_a_size_can_be_changed(size: str) -> None:
    settings = FBNetSettings.of(size, blocks=3, layers=[1, 2, 1], width=0.5, channels=1)
    assert (settings.layers, len(settings.filters), settings.width, settings.channels) == ((1, 2, 1), 3, 0.5, 1)
