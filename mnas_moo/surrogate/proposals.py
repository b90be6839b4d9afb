"""Networks worth a look: children of the front, its neighbours, and the policy's own.

The pool is what the acquisition chooses from. Its sources: samples of the policy under random preferences; children
of the front's members by crossover and mutation; all networks one decision away from the front, which end the late
stall on small spaces; random ones. The best of them by the model have children in their turn, for a few rounds: an
evolutionary search on the model, which costs no trial.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.surrogate.acquisition import directions, reach

Floats = npt.NDArray[np.float64]

RANDOM = 100  # random rows in a pool
PARENTS = 20  # members of the front whose neighbours are looked at
CROSSED = 0.5  # share of children with two parents
DIRECTIONS = 64  # along which a round looks for the best
ELITE = 3  # best rows along each


def children(encoding: Encoding, parents: Floats, n: int, rng: np.random.Generator) -> Floats:
    """(n, D) crossovers and mutations of parents (N, D); about one to three decisions are drawn anew."""
    fresh = encoding.random(rng, n)
    first = parents[rng.integers(len(parents), size=n)]
    second = parents[rng.integers(len(parents), size=n)]
    crossed = (rng.random((n, 1)) < CROSSED) & (rng.random(first.shape) < 0.5)
    rows = np.where(crossed, second, first)
    made = (rows != ABSENT).sum(axis=1, keepdims=True)
    rate = rng.choice([1.0, 2.0, 3.0], size=(n, 1)) / np.maximum(made, 1)
    mutated = rng.random(rows.shape) < rate
    near = rng.random(rows.shape) < 0.5
    width = rng.choice([0.02, 0.1], size=rows.shape)
    step = rng.standard_normal(rows.shape)
    for j, decision in enumerate(encoding.decisions):
        if decision.ordered:  # a number moves a little as often as far
            moved = decision.snap(np.clip(rows[:, j] + width[:, j] * step[:, j], 0.0, 1.0))
            fresh[:, j] = np.where(near[:, j] & (rows[:, j] != ABSENT), moved, fresh[:, j])
    # A parameter that its parent lacked needs a value in case it exists in the child.
    return encoding.mask(np.where(mutated | (rows == ABSENT), fresh, rows))


def neighbours(encoding: Encoding, parents: Floats, n: int, rng: np.random.Generator) -> Floats:
    """At most n rows one decision away from at most ``PARENTS`` of the parents (N, D)."""
    rows = []
    for parent in parents[rng.permutation(len(parents))[:PARENTS]]:
        for j, decision in enumerate(encoding.decisions):
            if parent[j] != ABSENT:
                for place in decision.steps(parent[j]):
                    row = parent.copy()
                    row[j] = place
                    rows.append(row)
    if not rows:
        return parents[:0]
    near = np.array(rows)[rng.permutation(len(rows))[:n]]
    fresh = encoding.random(rng, len(near))
    return encoding.mask(np.where(near == ABSENT, fresh, near))


def distinct(rows: Floats, tried: set[bytes]) -> Floats:
    """The rows (N, D) without repetitions and without those tried."""
    rows = np.unique(rows, axis=0)
    return rows[[row.tobytes() not in tried for row in rows]]


def refine(
    encoding: Encoding,
    pool: Floats,
    parents: Floats,
    tried: set[bytes],
    expected: Callable[[Floats], Floats],
    reference: Floats,
    size: int,
    rounds: int,
    rng: np.random.Generator,
) -> Floats:
    """An evolutionary search on the model.

    Args:
        encoding: of the rows.
        pool: (N, D) rows to begin with.
        parents: (F, D) the front.
        tried: rows not to be proposed.
        expected: values (N, M) that the model expects of rows, minimised.
        reference: (M,) the reference point.
        size: rows wanted.
        rounds: generations of children.
        rng: of it.

    Returns:
        (at most size, D) untried rows; the best along the directions.
    """
    u = directions(rng, DIRECTIONS, len(reference))
    pool = distinct(pool, tried)
    values = expected(pool) if len(pool) else np.empty((0, len(reference)))
    for _ in range(rounds):
        best = np.argpartition(-reach(values, reference, u), min(ELITE, len(values) - 1), axis=0)[:ELITE]
        elite = pool[np.unique(best)]
        new = children(encoding, np.concatenate([elite, parents]), size // 2, rng)
        new = distinct(new, tried | {row.tobytes() for row in pool})
        if len(new):
            pool, values = np.concatenate([pool, new]), np.concatenate([values, expected(new)])
    if len(pool) > size:
        u = directions(rng, 4 * DIRECTIONS, len(reference))
        order = np.argsort(-reach(values, reference, u), axis=0, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(len(pool))[:, None], axis=0)
        rank = ranks.min(axis=1)
        pool = pool[np.argsort(rank, kind="stable")[:size]]
    return pool
