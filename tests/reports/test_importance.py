from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial

from mnas_moo.reports.importance import LEAST_TRIALS, importance_of


def study(n: int, conditional: bool = False) -> optuna.Study:
    """Accuracy depends on `depth`, latency on `width`; `bias` and `one` do nothing."""
    space: dict[str, BaseDistribution] = {
        name: CategoricalDistribution([0, 1, 2]) for name in ("depth", "width", "bias")
    }
    space["one"] = CategoricalDistribution([7])
    rng = np.random.default_rng(0)
    made = optuna.create_study(directions=["maximize", "minimize"])
    for i in range(n):
        params = {"depth": int(rng.integers(3)), "width": int(rng.integers(3)), "bias": int(rng.integers(3)), "one": 7}
        used = {name: space[name] for name in space if not (conditional and name == "bias" and i % 2)}
        values = [params["depth"] + 0.01 * rng.random(), params["width"] + 0.01 * rng.random()]
        made.add_trial(create_trial(values=values, params={name: params[name] for name in used}, distributions=used))
    return made


def test_each_objective_has_the_decision_that_moves_it() -> None:
    importance = importance_of(study(200))
    assert importance is not None
    assert set(importance.shares) == {"depth", "width", "bias"}  # one choice is none
    assert importance.shares["depth"][0] > 0.8 > 0.2 > importance.shares["depth"][1]
    assert importance.shares["width"][1] > 0.8
    assert sum(each[0] for each in importance.shares.values()) == pytest.approx(1)
    assert "hint" not in importance.rule


def test_decisions_that_not_every_trial_takes_count_too_and_nothing_is_printed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importance = importance_of(study(60, conditional=True))
    assert importance is not None
    assert "bias" in importance.shares


def test_with_few_trials_it_is_a_hint_or_nothing() -> None:
    assert importance_of(study(LEAST_TRIALS - 1)) is None
    importance = importance_of(study(LEAST_TRIALS))
    assert importance is not None
    assert "hint" in importance.rule
