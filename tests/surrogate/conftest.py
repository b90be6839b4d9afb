"""Histories of a small space, for the model's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision

DECISIONS = [Decision(f"d{i}", CategoricalDistribution([0, 1, 2])) for i in range(5)]
SIGNS = np.array([-1.0, 1.0])
"""The first objective is maximised, the second minimised."""


def record(
    number: int,
    tokens: Sequence[int],
    values: tuple[float, ...] | None,
    constraints: tuple[float, ...] = (),
    decisions: Sequence[Decision] = DECISIONS,
) -> Record:
    genome = tuple(zip(decisions, tokens, strict=True))
    return Record(number, genome, tuple(map(float, tokens)), values, constraints, values is None, True, {})


def results(tokens: Sequence[int]) -> tuple[float, float]:
    """Both objectives grow with the tokens, the second one faster."""
    return float(sum(tokens)) / 10, 5.0 + sum(token**2 for token in tokens)


def records(n: int, seed: int = 0, **more: Any) -> list[Record]:
    rng = np.random.default_rng(seed)
    drawn = [tuple(rng.integers(0, 3, len(DECISIONS)).tolist()) for _ in range(n)]
    return [record(i, tokens, results(tokens), **more) for i, tokens in enumerate(drawn)]


def mixed_records(n: int, seed: int = 0) -> list[Record]:
    """A category, a whole number, a fraction, and one that exists only for category 1."""
    decisions = [
        Decision("kind", CategoricalDistribution(["a", "b", "c"])),
        Decision("width", IntDistribution(1, 9)),
        Decision("rate", FloatDistribution(0.0, 1.0)),
        Decision("extra", CategoricalDistribution([0, 1])),
    ]
    rng, made = np.random.default_rng(seed), []
    for number in range(n):
        kind, width, rate = int(rng.integers(3)), int(rng.integers(1, 10)), float(rng.random())
        values: list[Any] = [decisions[0].value(kind, 0.5), width, rate]
        values += [int(rng.integers(2))] if kind == 1 else []
        genome = tuple((d, d.token(v)) for d, v in zip(decisions, values, strict=False))
        places = tuple(d.place(v) for d, v in zip(decisions, values, strict=False))
        made.append(Record(number, genome, places, (rate + kind, float(width)), (), False, True, {}))
    return made
