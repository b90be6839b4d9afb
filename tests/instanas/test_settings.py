from __future__ import annotations

import pytest

from mnas_moo.instanas.settings import InstaNASSettings


def test_modules_stay_on_in_the_first_half_and_fall_linearly_to_a_half() -> None:
    settings = InstaNASSettings()
    assert [settings.kept(epoch) for epoch in (0, 81, 82)] == [1.0] * 3
    assert settings.kept(163) == 0.5
    falls = [settings.kept(epoch) - settings.kept(epoch + 1) for epoch in range(82, 163)]
    assert min(falls) > 0 and max(falls) - min(falls) < 1e-12


def test_short_pretrainings_end_with_the_share_that_is_asked_for() -> None:
    assert [InstaNASSettings(pretrain_epochs=2, keep=0.3).kept(epoch) for epoch in (0, 1)] == [1.0, 1.0]
    assert [InstaNASSettings(pretrain_epochs=3, keep=0.3).kept(epoch) for epoch in (0, 1, 2)] == pytest.approx(
        [1.0, 1.0, 0.3]
    )
