from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnas_moo.objectives.lookup.visits import CHUNK, Visit, finished, visit


def test_a_visit_is_the_graph_and_equals_only_the_same_visit(space: Any) -> None:
    spec = next(space.covering())
    one = Visit(spec, 0)
    assert (one.name, one.input_shape, one.nodes) == (spec.name, spec.input_shape, spec.nodes)
    assert one.parameters == spec.parameters
    assert one.canonical() == Visit(spec.canonical(), 0) != Visit(spec.canonical(), 1)


@pytest.mark.parametrize(
    ("times", "most", "expected"),
    [
        ([], 20, False),
        ([1.0, 1.0, 1.0, 1.0], 20, False),
        ([1.0, 1.0], 2, True),
        ([1.0, 1.0, 5.0, 6.0, 7.0], 20, True),
        ([1.0, 1.03, 1.06, 1.09, 1.12], 20, False),
        ([1.0, 1.03, 1.06], 3, True),
        ([3.0, 2.0, 4.0, 5.0, 1.0, 1.01], 20, True),
    ],
)
def test_two_least_times_that_agree_are_enough_after_five(times: list[float], most: int, expected: bool) -> None:
    assert finished(times, most) == expected


def test_a_round_is_handed_over_in_chunks(space: Any, formula: Any) -> None:
    graphs = [space.random(np.random.default_rng(seed)) for seed in range(CHUNK + 3)]
    sizes: list[int] = []
    visit(formula(), graphs, lambda _: range(len(graphs)), 2, np.random.default_rng(0), lambda r: sizes.append(len(r)))
    assert sizes == [CHUNK, 3, CHUNK, 3]
