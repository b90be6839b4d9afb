"""The numbers of the default search."""

from __future__ import annotations

import inspect
import re
from dataclasses import FrozenInstanceError, fields, replace

import optuna
import pytest

from mnas_moo import MnasSampler
from mnas_moo.settings import DEFAULTS, SearchSettings


def test_every_number_is_explained_and_says_what_a_larger_one_does() -> None:
    documentation = inspect.getdoc(SearchSettings) or ""
    section = documentation.partition("Attributes:\n")[2].partition("\n\n")[0]
    explained = dict(re.findall(r"^    (\w+): ((?:.|\n      )+)", section, re.MULTILINE))
    assert explained.keys() == {field.name for field in fields(SearchSettings)}
    for name, text in explained.items():
        assert name in ("acquisition", "policy") or "Larger:" in text or "0:" in text or "grows" in text, name


def test_they_cannot_be_changed_behind_a_samplers_back() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULTS.hidden = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_trials": 0}, "batch_trials is 0; it must be at least 1"),
        ({"entropy": -0.1}, "entropy is -0.1; it must be at least 0"),
        ({"entropy": float("nan")}, "entropy is nan; it must be at least 0"),
        ({"good_share": 1.5}, "good_share is 1.5; it is a share, at most 1"),
        ({"model_trials": 49}, "model_trials is 49; it must be at least 50"),
        ({"acquisition": "best"}, "acquisition is 'best'; it must be 'gain', 'mean' or 'random'"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULTS, **wrong)  # type: ignore[arg-type]


def sources(search: SearchSettings, trials: int = 50) -> set[str]:
    """Where the proposals of a study came from, once there was a pool."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(8)]
        return float(sum(values)), float(sum(value * value for value in values))

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0, settings=search))
    study.optimize(objective, n_trials=trials)
    return {trial.system_attrs["mnas_moo"]["source"] for trial in study.trials[20:]}


def test_a_part_is_switched_off_by_its_number() -> None:
    assert sources(SearchSettings(policy=True)) >= {"policy", "mutation", "neighbour"}
    assert "policy" not in sources(DEFAULTS)
    assert "mutation" not in sources(SearchSettings(child_networks=0, search_rounds=0))
    assert "neighbour" not in sources(SearchSettings(neighbour_networks=0))
    assert sources(SearchSettings(random_networks=200, child_networks=0, neighbour_networks=0, search_rounds=0)) == {
        "random"
    }


@pytest.mark.parametrize("acquisition", ["mean", "random"])
def test_another_acquisition_tries_other_networks(acquisition: str) -> None:
    def tried(search: SearchSettings) -> list[tuple[int, ...]]:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=MnasSampler(seed=0, settings=search))
        for _ in range(30):
            trial = study.ask()
            values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(8)]
            study.tell(trial, [float(sum(values)), float(sum(value * value for value in values))])
        return [tuple(trial.params.values()) for trial in study.trials]

    one, other = tried(DEFAULTS), tried(replace(DEFAULTS, acquisition=acquisition))  # type: ignore[arg-type]
    assert one[:20] == other[:20]
    assert one[20:] != other[20:]
    assert len(set(other)) == 30
