"""Genomes as rows, and which parameters exist in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.genomes.encoding import ABSENT, Encoding, Presence
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


def test_every_feature_has_a_meaning_which_columns_with_equal_alternatives_share() -> None:
    known = encoding(layered)
    meanings = known.meanings()
    assert len(meanings) == known.features(known.rows).shape[1]
    said: dict[str, set[str]] = {}
    for column, meaning in meanings:
        said.setdefault(known.decisions[column].name, set()).add(meaning)
    assert said["b0_layers"] == said["b1_layers"]
    assert said["b0_l0_op"] == said["b1_l0_op"]
    assert said["b0_l0_op"] < said["b0_l2_op"]  # which may be absent
    assert not said["b0_l0_op"] & said["b0_layers"]


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


def test_a_category_that_never_occurred_says_nothing() -> None:
    operation = Decision("op", CategoricalDistribution(["conv", "mbconv", "skip"]))
    ratio = Presence(0, np.array([0.0, 1.0]), np.array([False, True]))
    assert ratio(operation, np.array([0.0, 1.0, 2.0])).tolist() == [False, True, False]


def test_a_number_that_never_occurred_is_as_the_nearest_that_did() -> None:
    layers = Decision("layers", IntDistribution(1, 8))
    seen = np.array([layers.place(n) for n in (1, 5)])
    third = Presence(0, seen, np.array([False, True]))
    places = np.array([layers.place(n) for n in (2, 4, 8)])
    assert third(layers, places).tolist() == [False, True, True]


def test_what_depends_on_an_absent_parameter_is_absent() -> None:
    operation = Decision("op", CategoricalDistribution(["conv", "mbconv"]))
    ratio = Presence(0, np.array([0.0, 1.0]), np.array([True, True]))
    assert ratio(operation, np.array([ABSENT])).tolist() == [False]


def test_a_parameter_depends_on_the_one_with_the_fewest_values() -> None:
    known = encoding(layered, 60)
    presence = known.presence[known.column["b1_l0_ratio"]]
    assert presence is not None
    assert known.decisions[presence.parent].name == "b1_l0_op"
    assert presence.exists.tolist() == [False, True]


def test_a_parameter_that_no_single_one_explains_is_always_proposed() -> None:
    def both(trial: optuna.Trial) -> float:
        if trial.suggest_int("a", 0, 1) + trial.suggest_int("b", 0, 1) == 1:
            trial.suggest_int("c", 0, 1)
        return 0.0

    known = encoding(both)
    j = known.column["c"]
    assert known.optional[j]
    assert known.presence[j] is None
    assert known.exists(known.rows, j).all()
    assert (known.mask(np.full((1, 3), 0.25)) != ABSENT).all()


def test_existence_is_asked_column_by_column_as_rows_are_filled() -> None:
    known = encoding(layered, 60)
    rows = known.mask(known.random(np.random.default_rng(1), 100))
    for j in range(len(known.decisions)):
        assert known.exists(rows, j).tolist() == (rows[:, j] != ABSENT).tolist()


def test_masking_leaves_its_argument_as_it_was() -> None:
    known = encoding(layered)
    rows = known.random(np.random.default_rng(0), 5)
    before = rows.copy()
    known.mask(rows)
    assert np.array_equal(rows, before)


def test_random_rows_hold_places_of_values() -> None:
    known = encoding(layered)
    rows = known.random(np.random.default_rng(0), 200)
    assert rows.shape == (200, len(known.decisions))
    for j, decision in enumerate(known.decisions):
        places = {decision.place(decision.at(float(place))) for place in rows[:, j]}
        assert places == set(rows[:, j])
        assert len(places) == decision.size


def test_decisions_of_other_histories_are_left_out() -> None:
    known = encoding(layered)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: trial.suggest_int("b0_layers", 1, 3) + trial.suggest_int("new", 0, 9), n_trials=1)
    history = History()
    history.read(study.trials)
    (row,) = known.encode(history.finished)
    assert known.params(row) == {"b0_layers": study.trials[0].params["b0_layers"]}
