from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution

from mnas_moo.dppnet.predictor import Result, Words, fitted
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.spaces.growth import Growth

OPERATION = CategoricalDistribution([0, 1, 2])
GROWTH = Growth(tuple({f"op{i}": OPERATION} for i in range(6)))
SIGNS = (-1.0, 1.0)


def result(number: int, params: dict[str, Any], violation: float = 0.0) -> Result:
    genome = tuple((decision := Decision(name, OPERATION), decision.token(value)) for name, value in params.items())
    total = sum(params.values())
    values = (1 - 1 / (1 + total), 5.0 + total**2)
    places = tuple(float(token) for _, token in genome)
    record = Record(number, genome, places, values, (violation,), failed=False, whole=True, note={})
    return Result(record, params)


def networks(rng: np.random.Generator, steps: int, n: int) -> list[dict[str, Any]]:
    return [GROWTH.params({f"op{i}": int(rng.integers(3)) for i in range(6)}, steps) for _ in range(n)]


def test_longer_networks_than_it_has_seen_are_ranked() -> None:
    rng = np.random.default_rng(0)
    seen = [result(i, params) for i, params in enumerate(networks(rng, 3, 27) + networks(rng, 4, 20))]
    mutants = networks(rng, 5, 40)
    predictor = fitted(ProgressiveSettings(), GROWTH, seen, SIGNS, 0)
    came = np.array([result(0, params).record.values for params in mutants])
    found = predictor.predict(mutants)
    assert found.values.shape == (40, 2)
    assert kendall_tau(found.values[:, 0], came[:, 0]) > 0.7
    assert kendall_tau(found.values[:, 1], came[:, 1]) > 0.7
    assert not found.violation.any()


def test_a_prediction_is_a_function_of_its_seed_and_leaves_torchs_generator_alone() -> None:
    rng = np.random.default_rng(0)
    seen = [result(i, params) for i, params in enumerate(networks(rng, 3, 10))]
    before = torch.get_rng_state()
    settings = ProgressiveSettings(fit_steps=5)
    values = [fitted(settings, GROWTH, seen, SIGNS, seed).predict(networks(rng, 4, 1)).values for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    rng = np.random.default_rng(5)
    one = networks(rng, 4, 3)
    values = [fitted(settings, GROWTH, seen, SIGNS, seed).predict(one).values for seed in (1, 1, 2)]
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


@pytest.mark.parametrize("kind", ["lstm", "surrogate"])
def test_how_far_constraints_are_broken_is_predicted_too(kind: Any) -> None:
    rng = np.random.default_rng(0)
    seen = [result(i, p, violation=float(p["op0"] == 2)) for i, p in enumerate(networks(rng, 4, 60))]
    found = fitted(ProgressiveSettings(predictor=kind), GROWTH, seen, SIGNS, 0).predict(
        [{**params, "op0": value} for value in (0, 2) for params in networks(rng, 4, 10)]
    )
    assert found.violation[:10].mean() < found.violation[10:].mean()


def test_what_a_space_says_of_networks_is_read() -> None:
    rng = np.random.default_rng(0)
    seen = [result(i, params) for i, params in enumerate(networks(rng, 6, 30))]
    predictor = fitted(
        ProgressiveSettings(), GROWTH, seen, SIGNS, 0, features=lambda params: {"sum": float(sum(params.values()))}
    )
    mutants = networks(rng, 6, 30)
    came = np.array([result(0, params).record.values for params in mutants])
    assert kendall_tau(predictor.predict(mutants).values[:, 0], came[:, 0]) > 0.85


def test_equal_choices_of_different_steps_are_one_token() -> None:
    words = Words(GROWTH)
    assert words.count == 3
    assert words.read(GROWTH.params(dict.fromkeys(GROWTH.distributions, 2), 3)) == [(2, 0.0)] * 3


def test_a_predictor_that_has_seen_nothing_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="the predictor has seen nothing; it needs at least 2 completed trials"):
        fitted(ProgressiveSettings(), GROWTH, [], SIGNS, 0)
    with pytest.raises(ValueError, match="the predictor has seen 1 result"):
        fitted(ProgressiveSettings(), GROWTH, [result(0, GROWTH.at_rest)], SIGNS, 0)
