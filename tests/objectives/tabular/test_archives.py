from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from mnas_moo.objectives.tabular.archives import FILES, accuracy_of, categorical, directions_of, load


def test_an_archive_is_its_arrays_by_name(tmp_path: Path) -> None:
    (tmp_path / "anb").mkdir()
    np.savez(tmp_path / FILES["anb"], one=np.arange(3), two=np.array(["a", "b"]))
    found = load(tmp_path, FILES["anb"])
    assert {name: array.tolist() for name, array in found.items()} == {"one": [0, 1, 2], "two": ["a", "b"]}


def test_a_missing_archive_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} has no nb201/nb201.npz; give the folder that holds the tables"):
        load(tmp_path, FILES["nb201"])


def test_nothing_in_an_archive_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", objects=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load(tmp_path, "bad.npz")


def test_an_accuracy_is_one_minus_the_error_of_float32() -> None:
    percent = np.array([92.1, 0.0, 100.0], dtype=np.float32)
    assert accuracy_of(percent).tolist() == [1 - float(np.float32(100) - np.float32(92.1)) / 100, 0.0, 1.0]
    assert accuracy_of(percent).dtype == np.float64


def test_choices_are_categorical_in_their_order() -> None:
    found = categorical({"k": [5, 3], "op": ["skip", "conv"]})
    assert list(found.items()) == [
        ("k", CategoricalDistribution([5, 3])),
        ("op", CategoricalDistribution(["skip", "conv"])),
    ]


def test_accuracy_is_maximised_and_costs_are_minimised_in_their_order() -> None:
    assert list(directions_of("latency_ms", "parameters_m").items()) == [
        ("accuracy", "maximize"),
        ("latency_ms", "minimize"),
        ("parameters_m", "minimize"),
    ]
