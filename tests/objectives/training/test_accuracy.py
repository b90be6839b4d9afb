from __future__ import annotations

import pytest

from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.objectives.training.data import load_data
from mnas_moo.spaces import get


def test_accuracy_is_a_share_of_the_hold_out_with_what_led_to_it() -> None:
    digits = load_data("digits", 8)
    space = get("mnasnet", preset="digits", resolution=8, blocks=2)
    spec = space.spec({name: d.choices[0] for name, d in space.distributions.items()})  # type: ignore[attr-defined]
    objective = Accuracy(digits, epochs=1, device="cpu")
    first, second = objective.measure(spec, seed=3), objective.measure(spec, seed=3)
    assert (objective.name, objective.direction) == ("accuracy", "maximize")
    assert first.value == second.value
    assert first.value * 359 == pytest.approx(round(first.value * 359))
    assert 0 < first.value <= 1
    assert first.details.keys() == {"epochs", "loss", "seconds", "images_per_second", "device", "holdout_images"}
    assert (first.details["epochs"], first.details["holdout_images"]) == (1, 359)
    objective.close()


def test_settings_are_checked_when_the_objective_is_made() -> None:
    with pytest.raises(ValueError, match="epochs is 0"):
        Accuracy(load_data("digits", 8), epochs=0)
