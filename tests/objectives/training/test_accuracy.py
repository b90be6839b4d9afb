from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.objectives.training import accuracy as module
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
    assert (first.details["steps"], first.details["holdout_images"]) == (22, 359)
    low, high = first.details["interval"]  # type: ignore[misc]
    assert low < first.value < high
    assert first.details["chance"] == pytest.approx(37 / 359)
    objective.close()


def test_further_trainings_have_other_seeds_and_hold_out_other_images() -> None:
    objective = Accuracy(load_data("digits", 8), steps=5, device="cpu")
    spec = get("mnasnet", preset="digits", resolution=8, blocks=1).random(np.random.default_rng(0))
    trainings = [objective.train(spec, 3, number) for number in range(6)]
    assert [training["fold"] for training in trainings] == [0, 1, 2, 3, 4, 0]
    assert trainings[0]["seed"] == 3
    assert len({training["seed"] for training in trainings}) == 6
    judged = objective.judged(trainings)
    assert judged.value == pytest.approx(np.mean([training["accuracy"] for training in trainings]), abs=0.01)  # type: ignore[misc]
    assert judged.details["holdout_images"] == sum(map(len, objective.data.holdouts))
    assert len(judged.details["trainings"]) == 6  # type: ignore[arg-type]


def test_a_large_hold_out_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLDED_IMAGES", 300)
    objective = Accuracy(load_data("digits", 8), steps=5, device="cpu")
    spec = get("mnasnet", preset="digits", resolution=8, blocks=1).random(np.random.default_rng(0))
    assert [objective.train(spec, 3, number)["fold"] for number in range(2)] == [0, 0]


def test_settings_are_checked_when_the_objective_is_made() -> None:
    with pytest.raises(ValueError, match="epochs is 0"):
        Accuracy(load_data("digits", 8), epochs=0)
