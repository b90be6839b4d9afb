"""The pool, and which of its networks a trial should try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mnas_moo.genomes.history import Record
from mnas_moo.objectives.front import hypervolume
from mnas_moo.settings import DEFAULTS
from mnas_moo.surrogate.pool import Pool
from mnas_moo.surrogate.proposals import SOURCES
from mnas_moo.surrogate.surrogate import Surrogate, Transfer
from mnas_moo.surrogate.view import Reader
from tests.surrogate.conftest import SIGNS, record, records, results

NOWHERE = np.full(2, np.nan)


def pool(past: list[Record], policy: np.ndarray | None = None, region: np.ndarray = NOWHERE, **changes: object) -> Pool:
    settings = replace(DEFAULTS, **changes)  # type: ignore[arg-type]
    surrogate = Surrogate(past, SIGNS, {}, Transfer(), settings, np.random.default_rng(0), Reader())
    tried = {row.tobytes() for row in surrogate.encoding.rows}
    rows = np.empty((0, 5)) if policy is None else policy
    return Pool(surrogate, rows, tried, region, settings, np.random.default_rng(1))


def test_its_networks_are_new_and_every_source_has_a_share() -> None:
    past = records(30)
    made = pool(past, policy=np.array([[0.0, 0, 0, 0, 2], [2.0, 0, 0, 0, 0]]))
    tried = {row.tobytes() for row in made.encoding.rows}
    assert not any(row.tobytes() in tried for row in made.rows)
    assert len(np.unique(made.rows, axis=0)) == len(made.rows)
    assert {SOURCES[source] for source in made.sources} >= {"random", "mutation"}


def test_the_first_choice_gains_more_than_most() -> None:
    made = pool(records(30))
    first = made.rows[made.rank([], [], np.random.default_rng(2)).order[0]]
    front = made.front

    def grown(row: np.ndarray) -> float:
        value = made.surrogate.scaled([results(row.astype(int).tolist())])
        return hypervolume(np.concatenate([front, value]), made.reference) - hypervolume(front, made.reference)

    others = [grown(row) for row in made.rows]
    assert grown(first) >= np.quantile(others, 0.95)


def test_what_is_running_is_not_chosen_again_and_its_like_are_chosen_later() -> None:
    made = pool(records(30))
    alone = made.rank([], [], np.random.default_rng(2))
    first = alone.order[0]
    again = made.rank([], [made.rows[first]], np.random.default_rng(2))
    assert again.order[0] != first
    assert again.gain[first] < 0.1 * alone.gain[first]
    assert np.array_equal(again.mean, alone.mean)  # nothing is known of it yet


def test_a_result_moves_what_is_expected_of_others() -> None:
    made = pool(records(30))
    before = made.rank([], [], np.random.default_rng(2))
    i = int(before.order[0])
    surprising = record(99, made.rows[i].astype(int).tolist(), (0.0, 100.0))  # far worse than was expected
    after = made.rank([surprising], [], np.random.default_rng(2))
    assert (after.mean[i] > before.mean[i]).all()
    assert (after.deviation[i] < before.deviation[i] + 1e-9).all()


def test_a_result_that_is_known_to_be_noisy_moves_less_and_the_front_with_it() -> None:
    made = pool(records(30))
    before = made.rank([], [], np.random.default_rng(2))
    i = int(before.order[0])
    excellent = record(99, made.rows[i].astype(int).tolist(), (1.5, 1.0))
    sure, doubtful = (
        made.rank([replace(excellent, errors=(error, error))], [], np.random.default_rng(2)) for error in (0.0, 50.0)
    )
    assert (sure.mean[i] < doubtful.mean[i]).all()
    assert doubtful.mean[i] == pytest.approx(before.mean[i], abs=0.05)  # it says next to nothing
    others = np.arange(len(made.rows)) != i
    # a front that reached so far would leave nothing to gain
    assert sure.gain[others].sum() < 0.1 * before.gain[others].sum()
    assert doubtful.gain[others].sum() > 0.5 * before.gain[others].sum()


def test_a_noisy_result_from_outside_the_pool_moves_the_front_no_farther() -> None:
    made = pool(records(30))
    tried = made.surrogate.rows[0].astype(int).tolist()  # no network of the pool
    sure, doubtful = (
        made.rank([replace(record(99, tried, (1.5, 1.0)), errors=errors)], [], np.random.default_rng(2))
        for errors in ((), (50.0, 50.0))
    )
    assert sure.gain.max() < 0.1 * doubtful.gain.max()


def test_a_result_is_expected_to_be_as_noisy_as_others_were() -> None:
    deviations = [
        pool([replace(each, errors=(error, 0.0)) for each in records(30)]).rank([], [], np.random.default_rng(2))
        for error in (0.0, 0.3)
    ]
    assert deviations[1].deviation[:, 0].min() > deviations[0].deviation[:, 0].max()


def test_a_users_reference_point_is_used_where_there_is_one() -> None:
    made = pool(records(30), region=np.array([np.nan, 12.0]))
    assert made.reference[1] == pytest.approx(made.surrogate.scaled([[0.5, 12.0]])[0, 1])
    error = np.sqrt(np.mean(made.surrogate.quantities[0].process.left_out ** 2))
    margin = DEFAULTS.reference_margin + DEFAULTS.reference_errors * error
    assert made.reference[0] == pytest.approx(made.front[:, 0].max() + margin)


def test_the_reference_point_lies_the_farther_the_less_is_known_of_an_objective() -> None:
    rng = np.random.default_rng(0)
    noisy = [
        replace(each, values=(each.values[0] + rng.normal(), each.values[1])) for each in records(30) if each.values
    ]
    known, doubtful = (made.reference - made.front.max(axis=0) for made in (pool(records(30)), pool(noisy)))
    assert doubtful[0] > known[0] + 0.5
    assert doubtful[1] == pytest.approx(known[1], abs=0.2)


def test_trials_of_a_poor_model_look_along_rays_of_their_own_and_those_of_a_good_one_at_the_whole_front() -> None:
    rng = np.random.default_rng(0)
    noise = [replace(each, values=tuple(rng.normal(size=2))) for each in records(30)]
    good, poor = pool(records(30)), pool(noise)

    def orders(made: Pool) -> int:
        return len({tuple(made.rank([], [], np.random.default_rng(i)).order) for i in range(8)})

    assert orders(good) == 1
    assert orders(poor) > 4


def test_while_nothing_is_feasible_the_search_begins_where_it_is_nearly_so() -> None:
    past = [replace(each, constraints=(1.0 + each.genome[0][1],)) for each in records(30)]
    made = pool(past)
    assert len(made.front) == 0
    assert len(made.rank([], [], np.random.default_rng(0)).order)


def test_the_other_orders_are_a_permutation_and_promise_no_gain() -> None:
    for acquisition in ("mean", "random"):
        made = pool(records(30), acquisition=acquisition)
        ranking = made.rank([], [], np.random.default_rng(3))
        assert sorted(ranking.order) == list(range(len(made.rows)))
        assert not ranking.gain.any()
