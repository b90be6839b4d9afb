from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mnas_moo.objectives.training.recipes import RECIPES


def test_mnasnets_learning_rate_is_the_published_one() -> None:
    recipe = dataclasses.replace(RECIPES["mnasnet"], batch_size=4096)
    epoch = 10_000  # steps

    def rate(epochs: float) -> float:
        return recipe.rate(round(epochs * epoch), 350 * epoch)

    assert recipe.peak == pytest.approx(0.256)
    assert rate(2.5) == pytest.approx(0.128 * 0.97, rel=1e-3)  # half of the way up, and one decay
    assert rate(5.1) == pytest.approx(0.256 * 0.97**2, rel=1e-4)
    assert rate(240.1) == pytest.approx(0.256 * 0.97**100, rel=1e-4)


def test_a_short_training_runs_through_the_whole_curve() -> None:
    recipe = dataclasses.replace(RECIPES["mnasnet"], epochs=10)
    assert recipe.rate(999, 1000) == pytest.approx(recipe.peak * 0.97 ** (350 // 2.4), rel=1e-6)
    rates = [recipe.rate(step, 1000) for step in range(1000)]
    assert max(rates) < recipe.peak and rates.index(max(rates)) < 200


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_cosine_rises_to_its_peak_and_falls_to_nothing(name: str) -> None:
    recipe = RECIPES[name]
    rates = [recipe.rate(step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(recipe.peak, rel=0.01)
    assert rates.index(max(rates)) == pytest.approx(50, abs=1)  # 5 of 100 epochs
    assert rates[-1] < 1e-5 * recipe.peak


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 3}, "batch_size is 3; it must be at least 4"),
        ({"epochs": 0.0}, "epochs is 0.0; it must be above 0"),
        ({"learning_rate": float("inf")}, "learning_rate is inf; it must be above 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; it must be at least 0"),
        ({"augmentation": "mixup"}, "augmentation is 'mixup'; allowed: auto, none"),
        ({"precision": "int8"}, "precision is 'int8'; allowed: float32, bfloat16"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPES["sgd"], **change)
