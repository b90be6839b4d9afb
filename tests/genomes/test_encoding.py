"""Genomes as rows, and which parameters exist in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.genomes.history import History
from mnas_moo.genomes.tokens import Decision


def encoding(objective: Any, n: int = 40) -> Encoding:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=n)
    history = History()
    history.read(study.trials)
    return Encoding(history.finished)


def layered(trial: optuna.Trial) -> float:
    """Blocks with a number of layers, each of which has a kernel; one of them may have a further choice."""
    for block in range(2):
        layers = trial.suggest_int(f"b{block}_layers", 1, 3)
        for layer in range(layers):
            if trial.suggest_categorical(f"b{block}_l{layer}_op", ["conv", "mbconv"]) == "mbconv":
                trial.suggest_categorical(f"b{block}_l{layer}_ratio", [3, 6])
    return 0.0


def test_columns_stand_in_the_order_of_decisions() -> None:
    names = [decision.name for decision in encoding(layered).decisions]
    assert len(names) == 14
    assert names.index("b0_layers") < names.index("b0_l1_op") < names.index("b0_l1_ratio") < names.index("b0_l2_op")


def test_presence_is_learnt_from_the_trials() -> None:
    known = encoding(layered, 60)
    rows = known.mask(known.random(np.random.default_rng(0), 500))
    for row in rows:
        params = known.params(row)
        expected = set()
        for block in range(2):
            expected.add(f"b{block}_layers")
            for layer in range(params[f"b{block}_layers"]):
                expected.add(f"b{block}_l{layer}_op")
                if params[f"b{block}_l{layer}_op"] == "mbconv":
                    expected.add(f"b{block}_l{layer}_ratio")
        assert set(params) == expected


def test_parameters_survive_the_way_to_a_row_and_back() -> None:
    known = encoding(layered)
    for row in known.rows:
        assert np.array_equal(known.row(known.params(row)), row)


def test_features_of_one_decision_have_length_one() -> None:
    known = encoding(layered)
    features = known.features(known.rows)
    assert (features**2).sum(axis=1) == pytest.approx(len(known.decisions))


def test_neighbouring_numbers_are_similar_and_categories_are_not() -> None:
    def mixed(trial: optuna.Trial) -> float:
        trial.suggest_categorical("c", ["x", "y", "z"])
        trial.suggest_float("f", 1e-4, 1.0, log=True)
        trial.suggest_int("i", 1, 5)
        return 0.0

    known = encoding(mixed, 5)

    def likeness(name: str, a: Any, b: Any) -> float:
        base = {"c": "x", "f": 0.1, "i": 3}
        x, y = (known.features(known.row({**base, name: value})[None])[0] for value in (a, b))
        return float(x @ y) - 2.0  # without the two that are the same

    assert likeness("c", "x", "y") == pytest.approx(0.0)
    assert likeness("f", 0.1, 0.12) > likeness("f", 0.1, 1.0) > 0
    assert 1.0 > likeness("i", 3, 4) > likeness("i", 1, 5)


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (CategoricalDistribution(["a", "b"]), ["a", "b"]),
        (IntDistribution(3, 11, step=2), [3, 7, 11]),
        (IntDistribution(1, 1000, log=True), [1, 2, 500, 1000]),
        (IntDistribution(0, 10**12), [0, 5 * 10**11, 10**12]),
        (FloatDistribution(0.0, 1.0, step=0.25), [0.0, 0.5, 1.0]),
        (FloatDistribution(1e-5, 1.0, log=True), [1e-5, 1e-2, 1.0]),
    ],
)
def test_places_and_values_are_inverse(distribution: Any, values: list[Any]) -> None:
    decision = Decision("d", distribution)
    for value in values:
        place = decision.place(value)
        assert decision.at(place) == pytest.approx(value) if decision.ordered else decision.at(place) == value
        assert decision.snap(np.array([place]))[0] == pytest.approx(place)
        low, high = decision.spans[decision.token(value)]
        assert low - 1e-9 <= place <= high + 1e-9


def test_an_absent_parameter_is_marked() -> None:
    known = encoding(layered)
    assert (known.rows[:, known.column["b0_l2_op"]] == ABSENT).any()
    assert known.optional[known.column["b0_l2_op"]]
    assert not known.optional[known.column["b0_layers"]]
