"""Genomes as rows of numbers, for the model and for mutations: the union of all parameters that a history knows.

A column is a decision: a category's token, a number's place in [0, 1] on its own scale, or ``ABSENT`` where a
conditional parameter does not exist. Which parameters exist is learnt from the history: a parameter that is sometimes
absent is taken to depend on the values of one earlier parameter, as ``if``s around ``suggest_*`` make it. Where that
is wrong, a trial leaves its plan and the policy goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

ABSENT = -1.0

KNOTS, WIDTH = 7, 0.2
"""A number is seen through this many bells on [0, 1] of this width."""


@dataclass(frozen=True)
class Presence:
    """When a parameter exists.

    Attributes:
        parent: column of the parameter it depends on.
        seen: (K,) places of the parent that occurred, ascending.
        exists: (K,) whether the parameter existed then.
    """

    parent: int
    seen: Floats
    exists: Booleans

    def __call__(self, decision: Decision, places: Floats) -> Booleans:
        """Whether it exists for these places (N,) of the parent ``decision``."""
        nearest = np.abs(places[:, None] - self.seen).argmin(axis=1)
        known = self.exists[nearest]
        if not decision.ordered:  # of a category that never occurred nothing is known
            known = known & (self.seen[nearest] == places)
        return np.asarray(known & (places != ABSENT))


class Encoding:
    """The columns of a history.

    Args:
        records: whose decisions make the columns.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.decisions = _columns(records)
        self.column = {decision.name: j for j, decision in enumerate(self.decisions)}
        self.rows = self.encode(records)
        """(N, D) rows of the records."""
        self.optional = (self.rows == ABSENT).any(axis=0)
        """(D,) whether the parameter was ever absent."""
        self.presence = {int(j): _presence(self.rows, int(j)) for j in np.flatnonzero(self.optional)}

    def encode(self, records: Sequence[Record]) -> Floats:
        """(N, D) rows; decisions that are no columns are left out."""
        rows = np.full((len(records), len(self.decisions)), ABSENT)
        indices: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}  # most records have the same decisions
        for row, record in zip(rows, records, strict=True):
            names = tuple(decision.name for decision, _ in record.genome)
            if names not in indices:
                known = [t for t, name in enumerate(names) if name in self.column]
                indices[names] = known, [self.column[names[t]] for t in known]
            source, target = indices[names]
            row[target] = record.places if len(source) == len(names) else [record.places[t] for t in source]
        return rows

    def params(self, row: Floats) -> dict[str, Any]:
        """The parameters of a row (D,), in order."""
        return {
            decision.name: decision.at(float(place))
            for decision, place in zip(self.decisions, row, strict=True)
            if place != ABSENT
        }

    def row(self, params: Mapping[str, Any]) -> Floats:
        """(D,) the row of parameters."""
        return np.array(
            [
                decision.place(params[decision.name]) if decision.name in params else ABSENT
                for decision in self.decisions
            ]
        )

    def mask(self, rows: Floats) -> Floats:
        """Rows (N, D) without the parameters that do not exist in them."""
        rows = rows.copy()
        for j, presence in self.presence.items():
            if presence is not None:
                parent = presence.parent
                rows[~presence(self.decisions[parent], rows[:, parent]), j] = ABSENT
        return rows

    def exists(self, rows: Floats, j: int) -> Booleans:
        """(N,) whether column j exists in rows of which the columns before it are decided."""
        presence = self.presence.get(j)
        if presence is None:
            return np.ones(len(rows), dtype=bool)
        return presence(self.decisions[presence.parent], rows[:, presence.parent])

    def random(self, rng: np.random.Generator, n: int) -> Floats:
        """(n, D) rows, uniform in every column, none absent."""
        rows = np.empty((n, len(self.decisions)))
        for j, decision in enumerate(self.decisions):
            if decision.ordered:
                rows[:, j] = decision.snap(rng.random(n))
            else:
                rows[:, j] = rng.integers(decision.size, size=n)
        return rows

    def features(self, rows: Floats) -> Floats:
        """What the model sees: a vector of length 1 for each column.

        The scalar product of two such vectors is 1 where a parameter is the same and 0 where it is not; numbers in
        between are similar. A whole number is half a category, as many index choices without an order.

        Args:
            rows: (N, D).

        Returns:
            (N, S).
        """
        parts = []
        for j, (decision, optional) in enumerate(zip(self.decisions, self.optional, strict=True)):
            places = rows[:, j]
            present = places != ABSENT
            if not decision.ordered:
                part = (places[:, None] == np.arange(decision.size)).astype(float)
            else:
                bells = np.exp(-(((places[:, None] - np.linspace(0, 1, KNOTS)) / WIDTH) ** 2) / 2)
                part = bells / np.linalg.norm(bells, axis=1, keepdims=True)
                if decision.exact:
                    same = (np.abs(places[:, None] - decision.spans[:, 0]) < 1e-9).astype(float)
                    part = np.concatenate([part, same], axis=1) * np.sqrt(0.5)
                part = part * present[:, None]
            if optional:
                part = np.concatenate([part, ~present[:, None]], axis=1)
            parts.append(part)
        return np.concatenate(parts, axis=1)


def _columns(records: Sequence[Record]) -> list[Decision]:
    """All decisions by name, each behind the one it followed when it was first met."""
    order: list[Decision] = []
    known: set[str] = set()
    last: object = None
    for record in records:
        names = tuple(decision.name for decision, _ in record.genome)
        if names == last:
            continue
        last = names
        at = 0
        for decision, _ in record.genome:
            if decision.name in known:
                at = next(i for i, other in enumerate(order) if other.name == decision.name) + 1
            else:
                order.insert(at, decision)
                known.add(decision.name)
                at += 1
    return order


def _presence(rows: Floats, j: int) -> Presence | None:
    """The rule that explains when column j exists; None if no single parameter before it does."""
    there = rows[:, j] != ABSENT
    best: Presence | None = None
    for parent in range(j - 1, -1, -1):
        places = rows[:, parent]
        if (places[there] == ABSENT).any():
            continue
        seen = np.unique(places[places != ABSENT])
        exists = np.isin(seen, places[there])
        if np.isin(seen[exists], places[~there]).any():
            continue
        # Many different values explain anything: the parameter with the fewest is the likeliest, of equals the last.
        if best is None or len(seen) < len(best.seen):
            best = Presence(parent, seen, exists)
    return best
