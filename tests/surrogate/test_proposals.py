"""Candidates: children, neighbours, and the search among them on a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.settings import DEFAULTS, SearchSettings
from mnas_moo.surrogate.proposals import MUTATION, SOURCES, children, distinct, neighbours, refine
from tests.surrogate.conftest import mixed_records, records


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(records(30))


@pytest.fixture
def mixed() -> Encoding:
    return Encoding(mixed_records(60))


def test_children_differ_from_a_parent_in_a_few_decisions(encoding: Encoding) -> None:
    parent = encoding.rows[:1]
    made = children(encoding, parent, 4000, DEFAULTS, np.random.default_rng(0))
    drawn_anew = (made != parent).sum(axis=1).mean()
    # One, two or three decisions are drawn anew on average, and one in three falls on the old token.
    assert drawn_anew == pytest.approx(2.0 * 2 / 3, rel=0.1)


def test_a_decision_of_a_child_is_one_parents_or_drawn_anew(encoding: Encoding) -> None:
    parents = np.array([[0.0] * 5, [1.0] * 5])
    never = replace(DEFAULTS, mutated_decisions=(0.0,), crossover_share=1.0)
    made = children(encoding, parents, 500, never, np.random.default_rng(0))
    assert set(np.unique(made)) == {0.0, 1.0}
    assert {tuple(row) for row in made} > {(0.0,) * 5, (1.0,) * 5}  # both parents, and mixtures of them
    alone = children(encoding, parents, 500, replace(never, crossover_share=0.0), np.random.default_rng(0))
    assert {tuple(row) for row in alone} == {(0.0,) * 5, (1.0,) * 5}


def test_children_have_the_parameters_that_exist_and_places_that_have_values(mixed: Encoding) -> None:
    made = children(mixed, mixed.rows, 500, DEFAULTS, np.random.default_rng(1))
    kind, extra = mixed.column["kind"], mixed.column["extra"]
    assert np.array_equal(made[:, extra] != ABSENT, made[:, kind] == 1)
    width = mixed.decisions[mixed.column["width"]]
    assert np.array_equal(width.snap(made[:, mixed.column["width"]]), made[:, mixed.column["width"]])
    assert ((made[:, mixed.column["rate"]] >= 0) & (made[:, mixed.column["rate"]] <= 1)).all()


def test_a_number_moves_by_small_steps_as_often_as_it_is_drawn_anew(mixed: Encoding) -> None:
    rate = mixed.column["rate"]
    parent = mixed.rows[:1].copy()
    parent[0, rate] = 0.5
    small = replace(DEFAULTS, mutated_decisions=(100.0,), number_steps=(1e-4,))  # everything is drawn anew
    made = children(mixed, parent, 2000, small, np.random.default_rng(0))
    near = np.abs(made[:, rate] - 0.5) < 1e-3
    assert near.mean() == pytest.approx(0.5, abs=0.05)


def test_neighbours_are_all_rows_one_decision_away(encoding: Encoding) -> None:
    parent = encoding.rows[:1]
    found = neighbours(encoding, parent, 500, DEFAULTS, np.random.default_rng(0))
    assert {tuple(row) for row in found} == {
        tuple(np.where(np.arange(5) == j, token, parent[0]))
        for j in range(5)
        for token in (0.0, 1.0, 2.0)
        if token != parent[0, j]
    }


def test_neighbours_are_bounded_in_number_and_in_parents(encoding: Encoding) -> None:
    rng = np.random.default_rng(0)
    assert len(neighbours(encoding, encoding.rows, 7, DEFAULTS, rng)) == 7
    assert len(neighbours(encoding, encoding.rows, 500, replace(DEFAULTS, neighbour_parents=2), rng)) == 20
    assert len(neighbours(encoding, encoding.rows[:0], 500, DEFAULTS, rng)) == 0


def test_of_equal_rows_the_first_is_kept_and_none_that_was_tried() -> None:
    rows = np.array([[2.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    assert distinct(rows, set()).tolist() == [3, 1, 0]
    assert distinct(rows, {rows[1].tobytes()}).tolist() == [3, 0]
    assert distinct(rows[:0], set()).tolist() == []


def search(
    settings: SearchSettings, encoding: Encoding, start: np.ndarray, tried: Iterable[bytes] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """A model that knows: one objective falls with the tokens, the other one grows with their squares."""

    def expected(rows: np.ndarray) -> np.ndarray:
        return np.stack([(2 - rows).sum(axis=1), (rows**2).sum(axis=1)], axis=1)

    sources, reference = np.zeros(len(start), dtype=np.int64), np.array([10.0, 20.0])
    rng = np.random.default_rng(0)
    return refine(encoding, start, sources, start[:2], set(tried), expected, reference, settings, rng)


def test_a_search_on_the_model_finds_better_networks_than_it_began_with(encoding: Encoding) -> None:
    start = encoding.rows[:4]
    rows, sources = search(replace(DEFAULTS, search_rounds=8), encoding, start)
    assert (rows.sum(axis=1) == 0).any()  # all tokens 0 and
    assert (rows.sum(axis=1) == 10).any()  # all tokens 2 are the ends of the front
    assert set(sources[4:]) <= {0, MUTATION}
    assert (sources == MUTATION).sum() > len(rows) / 2


def test_without_rounds_the_pool_is_what_it_was_and_larger_ones_keep_the_best(encoding: Encoding) -> None:
    rows, sources = search(replace(DEFAULTS, search_rounds=0), encoding, encoding.rows)
    assert {tuple(row) for row in rows} == {tuple(row) for row in encoding.rows}
    assert not sources.any()
    few, _ = search(replace(DEFAULTS, search_rounds=0, pool_networks=6), encoding, encoding.rows)
    assert len(few) == 6
    assert min(row.sum() for row in few) == min(row.sum() for row in encoding.rows)


def test_what_was_tried_is_never_proposed(encoding: Encoding) -> None:
    tried = {row.tobytes() for row in encoding.rows}
    rows, _ = search(DEFAULTS, encoding, encoding.random(np.random.default_rng(1), 40), tried)
    assert len(rows)
    assert not any(row.tobytes() in tried for row in rows)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_sources_have_the_names_that_reports_show() -> None:
    assert SOURCES == ("random", "policy", "mutation", "neighbour")
