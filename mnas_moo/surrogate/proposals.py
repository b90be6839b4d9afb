"""Candidates: children of the front, its neighbours, samples of the policy, and random networks.

The acquisition chooses among them. Children come from the front's members by crossover and mutation; neighbours are
all networks one decision away from it, without which the search stalls late on small spaces. The best candidates by
the model have children in their turn, for a few rounds: an evolutionary search on the model, which costs no trial.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.encoding import ABSENT, Encoding
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.acquisition import reach, unit_vectors

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SOURCES = ("random", "policy", "mutation", "neighbour")
"""Sources of candidates; all children, by crossover too, count as mutations."""
RANDOM, MUTATION, NEIGHBOUR = SOURCES.index("random"), SOURCES.index("mutation"), SOURCES.index("neighbour")


def children(encoding: Encoding, parents: Floats, n: int, settings: SearchSettings, rng: np.random.Generator) -> Floats:
    """(n, D) crossovers and mutations of parents (N, D); a few decisions of each are drawn anew."""
    fresh = encoding.random(rng, n)  # (n, D)
    first = parents[rng.integers(len(parents), size=n)]  # (n, D)
    second = parents[rng.integers(len(parents), size=n)]  # (n, D)
    # Uniform crossover: each decision from either parent.
    crossed = (rng.random((n, 1)) < settings.crossover_share) & (rng.random(first.shape) < 0.5)  # (n, D)
    rows = np.where(crossed, second, first)
    decisions = (rows != ABSENT).sum(axis=1, keepdims=True)  # (n, 1)
    # Each decision is drawn anew with probability k / decisions, with one k for each child.
    rate = rng.choice(settings.mutated_decisions, size=(n, 1)) / np.maximum(decisions, 1)  # (n, 1)
    mutated = rng.random(rows.shape) < rate  # (n, D)
    near = rng.random(rows.shape) < 0.5
    width = rng.choice(settings.number_steps, size=rows.shape)
    step = rng.standard_normal(rows.shape)
    for j, decision in enumerate(encoding.decisions):
        if decision.ordered:  # half of the mutations of a number move it a little
            moved = decision.snap(np.clip(rows[:, j] + width[:, j] * step[:, j], 0.0, 1.0))
            fresh[:, j] = np.where(near[:, j] & (rows[:, j] != ABSENT), moved, fresh[:, j])
    # A parameter that its parent lacked needs a value in case it exists in the child.
    return encoding.mask(np.where(mutated | (rows == ABSENT), fresh, rows))


def neighbours(
    encoding: Encoding, parents: Floats, n: int, settings: SearchSettings, rng: np.random.Generator
) -> Floats:
    """At most n rows one decision away from some of the parents (N, D)."""
    rows = []
    for parent in parents[rng.permutation(len(parents))[: settings.neighbour_parents]]:
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


def distinct(rows: Floats, tried: set[bytes]) -> Integers:
    """Indices of the rows (N, D) without repetitions, the first of equal ones, and without those tried."""
    _, indices = np.unique(rows, axis=0, return_index=True)
    return np.array([i for i in indices if rows[i].tobytes() not in tried], dtype=np.int64)


def refine(
    encoding: Encoding,
    pool: Floats,
    sources: Integers,
    parents: Floats,
    tried: set[bytes],
    expected: Callable[[Floats], Floats],
    reference: Floats,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> tuple[Floats, Integers]:
    """An evolutionary search on the model.

    Args:
        encoding: encoding of the rows.
        pool: (N, D) rows to begin with.
        sources: (N,) source of each, an index into ``SOURCES``.
        parents: (F, D) rows of the front.
        tried: rows not to be proposed, as bytes.
        expected: gives the values (N, M) that the model expects of rows (N, D), minimised.
        reference: (M,) reference point.
        settings: settings of the search; read are the size of the pool, its rounds, rays and elite.
        rng: random generator of the pool.

    Returns:
        At most ``pool_networks`` untried rows, the best along random rays, and their sources.
    """
    size = settings.pool_networks
    rays = unit_vectors(rng, settings.search_rays, len(reference))
    kept = distinct(pool, tried)
    pool, sources = pool[kept], sources[kept]
    if settings.acquisition == "random":
        some = rng.permutation(len(pool))[:size]
        return pool[some], sources[some]
    values = expected(pool) if len(pool) else np.empty((0, len(reference)))  # (N, M)
    for _ in range(settings.search_rounds):
        # The networks that reach farthest along each ray.
        nth = min(settings.search_elite, len(values) - 1)
        # (N, rays) -> (elite, rays), indices
        best = np.argpartition(-reach(values, reference, rays), nth, axis=0)[: settings.search_elite]
        elite = pool[np.unique(best)]
        new = children(encoding, np.concatenate([elite, parents]), size // 2, settings, rng)
        new = new[distinct(new, tried | {row.tobytes() for row in pool})]
        if len(new):
            pool, values = np.concatenate([pool, new]), np.concatenate([values, expected(new)])
            sources = np.concatenate([sources, np.full(len(new), MUTATION)])
    if len(pool) > size:
        rays = unit_vectors(rng, 4 * settings.search_rays, len(reference))
        order = np.argsort(-reach(values, reference, rays), axis=0, kind="stable")  # (N, rays)
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(len(pool))[:, None], axis=0)
        rank = ranks.min(axis=1)  # (N,), the best rank along any ray
        kept = np.argsort(rank, kind="stable")[:size]
        pool, sources = pool[kept], sources[kept]
    return pool, sources
