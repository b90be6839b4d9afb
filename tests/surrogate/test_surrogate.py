"""The model of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mnas_moo.genomes.history import Record
from mnas_moo.settings import DEFAULTS
from mnas_moo.surrogate.surrogate import Fit, Surrogate, Transfer
from mnas_moo.surrogate.view import Reader
from tests.surrogate.conftest import SIGNS, record, records, results

ALL_TOKENS = np.array(np.meshgrid(*[range(3)] * 5)).reshape(5, -1).T.astype(float)


def model(past: list[Record], transfer: Transfer | None = None, **changes: object) -> Surrogate:
    settings = replace(DEFAULTS, **changes)  # type: ignore[arg-type]
    return Surrogate(past, SIGNS, {}, transfer or Transfer(), settings, np.random.default_rng(0), Reader())


def test_what_was_not_tried_is_predicted() -> None:
    surrogate = model(records(60))
    truth = surrogate.scaled([results(row) for row in ALL_TOKENS.astype(int).tolist()])
    assert np.abs(surrogate.expected(ALL_TOKENS) - truth).mean() < 0.1
    assert surrogate.r2 > 0.95


def test_its_quality_is_that_of_predictions_without_the_trial() -> None:
    quality = model(records(60)).quality()
    assert [each.r2 > 0.95 for each in quality] == [True, True]
    assert [each.tau is not None and each.tau > 0.8 for each in quality] == [True, True]
    assert quality[0].error < 0.03  # of an accuracy in steps of 0.1
    assert 0 < quality[1].error < 1.0  # of a latency between 5 and 25


def test_of_noise_nothing_is_predicted_and_the_quality_says_so() -> None:
    rng = np.random.default_rng(1)
    noise = [replace(each, values=(float(rng.standard_normal()), float(rng.standard_normal()))) for each in records(80)]
    for quality in model(noise).quality():
        assert quality.r2 < 0.2
        assert quality.tau is None or abs(quality.tau) < 0.4
        assert quality.error > 0.3


def test_the_error_is_in_the_objectives_unit_whatever_the_scale() -> None:
    small = model(records(60)).quality()[1]
    thousand = [replace(each, values=(each.values[0], 1000 * each.values[1])) for each in records(60) if each.values]
    assert model(thousand).quality()[1].error == pytest.approx(1000 * small.error, rel=1e-3)


def test_equal_results_have_no_rank_correlation() -> None:
    same = [replace(each, values=(0.5, each.values[1])) for each in records(40) if each.values]
    assert model(same).quality()[0].tau is None


def test_the_front_is_that_of_the_feasible_trials_as_the_model_sees_them() -> None:
    past = [record(i, [i % 3] * 5, results([i % 3] * 5), (1.0 if i == 0 else -1.0,)) for i in range(3)]
    past += records(30, constraints=(-1.0,))[3:]
    surrogate = model(past)
    assert not surrogate.front[0]  # breaks its constraint
    assert surrogate.front[2]  # the most accurate of all


def test_a_broken_constraint_makes_a_network_worse_and_failures_do_too() -> None:
    def violating(each: Record) -> Record:
        return replace(each, constraints=(1.0 if each.genome[0][1] == 2 else -1.0,))

    free, bound = model(records(60)), model([violating(each) for each in records(60)])
    row = np.array([[2.0, 0, 0, 0, 0]])
    assert len(bound.quantities) == 3
    assert (bound.expected(row) > free.expected(row) + 0.5).all()

    failing = [replace(each, values=None, failed=True) if each.genome[0][1] == 2 else each for each in records(60)]
    failed = model(failing)
    assert len(failed.quantities) == 3
    assert failed.quantities[2].limit == 0.0
    there = failed.quantities[2].process.mean(failed.posterior(row)[2].x)
    away = failed.quantities[2].process.mean(failed.posterior(row * 0)[2].x)
    assert there[0] > 0 > away[0]


def test_a_bounded_model_keeps_the_front_and_some_of_the_others() -> None:
    past = [*records(200), record(200, [1, 2, 0, 1, 2], (2.0, 1.0))]  # the last one dominates all others
    surrogate = model(past, model_trials=50)
    assert len(surrogate.rows) == 50
    assert len(surrogate.numbers) == 201
    assert surrogate.values.min(axis=0) == pytest.approx(surrogate.scaled([2.0, 1.0]))
    everything = surrogate.scaled([each.values for each in past if each.values])
    assert surrogate.values.sum(axis=1).max() > np.median(everything.sum(axis=1))  # not only good ones


def test_another_study_is_learnt_from_where_its_objective_is_the_same() -> None:
    def uneven(tokens: Sequence[int]) -> tuple[float, float]:
        return float(np.dot(tokens, [3, -2, 1, 0.5, -1])), results(tokens)[1]

    def tokens_of(each: Record) -> list[int]:
        return [token for _, token in each.genome]

    few, there = (
        [replace(each, values=uneven(tokens_of(each))) for each in made] for made in (records(12), records(80, 1))
    )
    other = [replace(each, values=(each.values[0], -1.0)) for each in there if each.values]
    alone, helped = model(few), model(few, Transfer(other, {0: 0}))
    truth = helped.scaled([uneven(row) for row in ALL_TOKENS.astype(int).tolist()])[:, 0]
    without = alone.scaled([uneven(row) for row in ALL_TOKENS.astype(int).tolist()])[:, 0]
    errors = [
        np.corrcoef(surrogate.expected(ALL_TOKENS)[:, 0], values)[0, 1]
        for surrogate, values in ((alone, without), (helped, truth))
    ]
    assert errors[1] > max(errors[0], 0.98)


def test_hyperparameters_are_fitted_once_a_quantity() -> None:
    fits: dict[str, Fit] = {}
    Surrogate(records(30), SIGNS, fits, Transfer(), DEFAULTS, np.random.default_rng(0), Reader())
    assert set(fits) == {"objective 0", "objective 1"}
    kept = dict(fits)
    Surrogate(records(40), SIGNS, fits, Transfer(), DEFAULTS, np.random.default_rng(0), Reader())
    assert all(fits[name] is kept[name] for name in kept)


def test_a_result_that_is_known_to_be_noisy_is_believed_less() -> None:
    lucky = replace(record(60, [0] * 5, (2.0, 5.0)), errors=(0.0, 0.0))  # the least accurate of all, by the others
    doubtful = replace(lucky, errors=(2.0, 0.0))
    surprise = [
        surrogate.fitted[60, 0] - surrogate.values[60, 0]  # minimised: what is expected is worse than the report
        for surrogate in (model([*records(60), each]) for each in (lucky, doubtful))
    ]
    assert surprise[1] > 1.5 * surprise[0] > 0


def test_errors_of_zero_are_as_good_as_none() -> None:
    none, zero = (model([replace(each, errors=errors) for each in records(40)]) for errors in ((), (0.0, 0.0)))
    assert np.array_equal(none.fitted, zero.fitted)


def test_errors_count_on_the_scale_of_their_objective() -> None:
    past = [replace(each, errors=(0.1 * (each.number == 3), 2.0 * (each.number == 5))) for each in records(40)]
    surrogate = model(past)
    expected = np.zeros((40, 2))
    for trial, m, error in ((3, 0, 0.1), (5, 1, 2.0)):
        scale, value = surrogate.scales[m], np.array(past[trial].values)[m] * SIGNS[m]
        expected[trial, m] = ((scale(value + error / 1e4) - scale(value - error / 1e4)) * 1e4 / 2) ** 2
    assert surrogate.variances(past) == pytest.approx(expected, rel=1e-3)


def test_errors_of_another_study_count_too() -> None:
    few = records(12)
    there = [
        replace(each, number=100 + i, values=(-1.0, each.values[0]))
        for i, each in enumerate(records(40, seed=1))
        if each.values
    ]
    sure, doubtful = (
        model(few, Transfer([replace(each, errors=(0.0, error)) for each in there], {0: 1})) for error in (0.0, 5.0)
    )
    assert sure.quantities[0].process.result_noise < 0.1
    assert doubtful.quantities[0].process.result_noise > 1.0
    assert doubtful.quantities[1].process.result_noise == sure.quantities[1].process.result_noise
