from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.dppnet_settings import PRESETS, DppNetSettings
from mnas_moo.spaces.skeleton_settings import LADDER_RESOLUTIONS, SIZES
from mnas_moo.spaces.skeleton_settings import PRESETS as NAMES


def test_presets_have_the_names_of_mnasnets_and_follow_from_the_resolution() -> None:
    assert list(PRESETS) == list(NAMES)
    assert DppNetSettings.of(resolution=32) == DppNetSettings.of("cifar")
    assert DppNetSettings.of() == DppNetSettings()


def test_stem_and_growth_are_multiples_of_the_groups_at_any_width() -> None:
    settings = DppNetSettings.of("cifar", width=0.3)
    assert [settings.scaled(channels) for channels in (4, 16, 32)] == [4, 4, 8]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resolution", LADDER_RESOLUTIONS)
def test_sizes_are_about_the_median_multiply_adds_of_their_networks(size: str, resolution: int) -> None:
    space, rng = DppNetSpace(preset=size, resolution=resolution), np.random.default_rng(0)
    median = np.median([space.random(rng).multiply_adds for _ in range(15)]) / 1e6
    assert 0.69 < median / int(size[:-1]) < 1.31
