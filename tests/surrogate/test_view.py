"""What the model reads of a genome."""

from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.surrogate.view import COUNT_WEIGHT, FARTHEST, Reader, View
from tests.surrogate.conftest import DECISIONS, mixed_records, record, records


def test_how_often_each_alternative_was_taken_is_read_beside_the_choices() -> None:
    encoding = Encoding(records(40))
    view = View(encoding, Reader(), encoding.rows)
    found = view(encoding.rows)
    choices = encoding.features(encoding.rows)
    assert np.array_equal(found[:, : choices.shape[1]], choices)
    counts = found[:, choices.shape[1] :]
    assert counts.shape[1] == 3  # five decisions among the same three tokens
    assert counts.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert counts.std(axis=0) == pytest.approx(COUNT_WEIGHT)
    ones = (encoding.rows == 1).sum(axis=1)
    assert np.corrcoef(counts[:, 1], ones)[0, 1] == pytest.approx(1)


def test_features_are_tied_by_decision_and_by_alternative_and_what_describes_a_genome_is_tied_to_itself() -> None:
    encoding = Encoding(records(40))
    reader = Reader(features=lambda params: {"size": float(sum(params.values()))})
    ties = View(encoding, reader, encoding.rows).ties
    assert ties.decision.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 4  # 3 counts and the size
    assert ties.alternative.tolist() == [0, 1, 2] * 5 + [3, 4, 5, 6]


def test_decisions_that_are_alone_are_not_counted() -> None:
    encoding = Encoding(mixed_records(30))
    assert View(encoding, Reader(), encoding.rows)(encoding.rows).shape == encoding.features(encoding.rows).shape


def test_what_is_far_from_all_that_was_modelled_differs_no_more() -> None:
    encoding = Encoding(records(40))
    reader = Reader(features=lambda params: {"size": 10.0 ** sum(params.values())})
    view = View(encoding, reader, encoding.rows)
    far = view(np.array([[2.0] * 5]))
    assert far.max() <= FARTHEST


def test_genomes_of_one_network_are_read_as_one_and_described() -> None:
    asked = []

    def canonical(params: object) -> dict[str, int]:
        return {**dict(params), "d4": 0}  # type: ignore[call-overload,no-any-return]

    def features(params: object) -> dict[str, float]:
        asked.append(params)
        return {"first": float(params["d0"])}  # type: ignore[index]

    past = records(40)
    encoding = Encoding(past)
    view = View(encoding, Reader(canonical, features), encoding.rows)
    pair = np.array([[1.0, 0, 2, 1, 0], [1.0, 0, 2, 1, 2]])
    one, other = view(pair)
    assert np.array_equal(one, other)
    described = view(encoding.rows)[:, -1]
    assert np.corrcoef(described, encoding.rows[:, 0])[0, 1] == pytest.approx(1)
    before = len(asked)
    view(pair)
    assert len(asked) == before  # it was read before


def test_a_genome_that_is_half_known_is_described_as_the_mean() -> None:
    def features(params: object) -> dict[str, float]:
        assert len(params) == 5  # type: ignore[arg-type]
        return {"first": float(params["d0"])}  # type: ignore[index]

    encoding = Encoding(records(40))
    view = View(encoding, Reader(lambda params: {**params, "d4": 0}, features), encoding.rows)
    half = np.array([[2.0, 1.0, ABSENT, ABSENT, ABSENT]])
    assert view(half)[0, -1] == 0
    assert view(np.concatenate([encoding.rows[:3], half]))[:3] == pytest.approx(view(encoding.rows[:3]))


def test_what_is_no_number_is_refused() -> None:
    encoding = Encoding(records(4))
    with pytest.raises(ValueError, match=r"features gave size nan for \{'d0'"):
        View(encoding, Reader(features=lambda _: {"size": float("nan")}), encoding.rows)
    names = iter("abcdefgh")
    with pytest.raises(ValueError, match="features gave b, and before a"):
        View(encoding, Reader(features=lambda _: {next(names): 1.0}), encoding.rows)


def test_a_reader_forgets_when_the_columns_change() -> None:
    reader = Reader(features=lambda params: {"parameters": float(len(params))})
    short = Encoding([record(0, (1, 2), (1.0, 2.0), decisions=DECISIONS[:2])])
    long = Encoding([record(0, (1, 2, 0), (1.0, 2.0), decisions=DECISIONS[:3])])
    assert reader.read(short, short.rows)[1].tolist() == [[2.0]]
    assert reader.read(long, long.rows)[1].tolist() == [[3.0]]
