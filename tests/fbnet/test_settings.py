from __future__ import annotations

import doctest
from typing import Any

import pytest

from mnas_moo.fbnet import settings
from mnas_moo.fbnet.settings import FBNetSettings


def test_examples() -> None:
    assert doctest.testmod(settings).failed == 0


def test_the_defaults_are_the_paper_s() -> None:
    default = FBNetSettings()
    assert (default.alpha, default.beta, default.epochs, default.theta_from) == (0.2, (0.6,), 90, 10)
    assert (default.learning_rate, default.momentum, default.weight_decay) == (0.1, 0.9, 1e-4)
    assert (default.theta_learning_rate, default.theta_weight_decay, default.weights_share) == (0.01, 5e-4, 0.8)
    assert [round(default.temperature_of(epoch), 3) for epoch in (0, 1, 80, 90)] == [5.0, 4.78, 0.137, 0.087]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": (0.6, 0.0)}, "fbnet: beta is 0.0; it must be above 0"),
        ({"beta": (-1.0,)}, "fbnet: beta is -1.0; it must be above 0"),
        ({"beta": (0.6, 0.6)}, r"fbnet: beta is \[0.6, 0.6\]; it must be different numbers"),
        ({"beta": ()}, "fbnet: beta is empty"),
        ({"targets_ms": (float("nan"),)}, "fbnet: targets_ms is nan; it must be above 0"),
        ({"epochs": 5}, "fbnet: theta_from is 10 of 5 epochs; the distributions would stay uniform"),
    ],
)
def test_wrong_settings_are_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FBNetSettings(**changes)
