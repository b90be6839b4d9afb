"""Genomes as rows of numbers, for the surrogate and for mutations, with a column for each parameter of a history.

A cell is the place of the parameter's value (``Decision.place``), or ``ABSENT`` where a conditional parameter does not
exist. Which parameters exist is learnt from the history: a parameter that is sometimes absent is assumed to depend on
the value of one earlier parameter, as an ``if`` around ``suggest_*`` makes it. Where that is wrong, the trial asks for
other parameters than its row has, and the policy decides the rest.
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
"""The cell of a parameter that does not exist."""

KNOTS, WIDTH = 7, 0.2
"""Number and standard deviation of the Gaussian basis functions on [0, 1] that turn a number into features."""


@dataclass(frozen=True)
class Presence:
    """When a parameter exists.

    Attributes:
        parent: column of the parameter that it depends on.
        seen: (K,) places of the parent that occurred, ascending.
        exists: (K,) whether the parameter existed at each of them.

    >>> from optuna.distributions import IntDistribution
    >>> layers = Decision("layers", IntDistribution(1, 4))
    >>> second_kernel = Presence(0, layers.spans[:, 0], np.array([False, True, True, True]))
    >>> second_kernel(layers, np.array([layers.place(1), layers.place(3), ABSENT]))
    array([False,  True, False])
    """

    parent: int
    seen: Floats
    exists: Booleans

    def __call__(self, decision: Decision, places: Floats) -> Booleans:
        """(N,) whether the parameter exists, for places (N,) of its parent: as at the nearest place that occurred.

        Args:
            decision: decision of the parent.
            places: places of the parent. Where it is absent, or a category that never occurred, the parameter is
                taken not to exist.
        """
        nearest = np.abs(places[:, None] - self.seen).argmin(axis=1)
        known = self.exists[nearest]
        if not decision.ordered:  # the token next to another one says nothing about it
            known = known & (self.seen[nearest] == places)
        return np.asarray(known & (places != ABSENT))


class Encoding:
    """The columns of a history, and genomes as rows of them.

    Args:
        records: trials whose decisions become the columns.

    Attributes:
        decisions: decision of each column, D in all.
        column: column of each decision by its name.
        rows: (N, D) rows of the records.
        optional: (D,) whether the parameter was absent in any record.
        presence: when each optional parameter exists, by column; None where no single earlier parameter explains it.

    >>> from optuna.distributions import CategoricalDistribution, IntDistribution
    >>> kernel, layers = Decision("kernel", CategoricalDistribution([3, 5])), Decision("layers", IntDistribution(1, 4))
    >>> genome = (kernel, 1), (layers, 1)
    >>> record = Record(0, genome, (1.0, 0.375), (0.9, 12.0), (), failed=False, whole=True, note={})
    >>> encoding = Encoding([record])
    >>> encoding.rows
    array([[1.   , 0.375]])
    >>> encoding.params(encoding.rows[0])
    {'kernel': 5, 'layers': 2}
    >>> encoding.row({"layers": 4})
    array([-1.   ,  0.875])
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.decisions = _columns(records)
        self.column = {decision.name: j for j, decision in enumerate(self.decisions)}
        self.rows = self.encode(records)
        self.optional = (self.rows == ABSENT).any(axis=0)
        self.presence = {int(j): _presence(self.rows, int(j)) for j in np.flatnonzero(self.optional)}

    def encode(self, records: Sequence[Record]) -> Floats:
        """(N, D) rows of records; decisions without a column are left out."""
        rows = np.full((len(records), len(self.decisions)), ABSENT)
        indices: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}  # most records have the same decisions
        for row, record in zip(rows, records, strict=True):
            names = record.names
            if names not in indices:
                known = [t for t, name in enumerate(names) if name in self.column]
                indices[names] = known, [self.column[names[t]] for t in known]
            source, target = indices[names]
            row[target] = record.places if len(source) == len(names) else [record.places[t] for t in source]
        return rows

    def params(self, row: Floats) -> dict[str, Any]:
        """The parameters of a row (D,), in the order of the columns, without the absent ones."""
        return {
            decision.name: decision.at(float(place))
            for decision, place in zip(self.decisions, row, strict=True)
            if place != ABSENT
        }

    def row(self, params: Mapping[str, Any]) -> Floats:
        """(D,) the row of some parameters; the others are absent."""
        return np.array(
            [
                decision.place(params[decision.name]) if decision.name in params else ABSENT
                for decision in self.decisions
            ]
        )

    def mask(self, rows: Floats) -> Floats:
        """(N, D) rows in which the parameters that do not exist, as far as known, are ``ABSENT``."""
        rows = rows.copy()
        for j, presence in self.presence.items():
            if presence is not None:
                parent = presence.parent
                rows[~presence(self.decisions[parent], rows[:, parent]), j] = ABSENT
        return rows

    def exists(self, rows: Floats, j: int) -> Booleans:
        """(N,) whether the parameter of column j exists in rows (N, D) whose earlier columns are set."""
        presence = self.presence.get(j)
        if presence is None:
            return np.ones(len(rows), dtype=bool)
        return presence(self.decisions[presence.parent], rows[:, presence.parent])

    def random(self, rng: np.random.Generator, n: int) -> Floats:
        """(n, D) rows, uniform in every column, no parameter absent."""
        rows = np.empty((n, len(self.decisions)))
        for j, decision in enumerate(self.decisions):
            if decision.ordered:
                rows[:, j] = decision.snap(rng.random(n))
            else:
                rows[:, j] = rng.integers(decision.size, size=n)
        return rows

    def features(self, rows: Floats) -> Floats:
        """The features of rows for the surrogate: for each column a vector of length 1, all joined.

        The scalar product of two rows' vectors of a category is 1 for equal categories and 0 for others; of numbers
        it is the larger the closer they are. Numbers with few values count half as categories, since many of them
        index choices without an order.

        Args:
            rows: (N, D) rows, absent parameters marked.

        Returns:
            (N, S) features.
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

    def meanings(self) -> list[tuple[int, str]]:
        """The column of each feature and what it says of it: columns with equal alternatives share what may be said."""
        found = []
        for j, (decision, optional) in enumerate(zip(self.decisions, self.optional, strict=True)):
            count = KNOTS + decision.exact * decision.size if decision.ordered else decision.size
            found += [(j, f"{decision.distribution!r} {k}") for k in range(count)]
            if optional:
                found.append((j, f"{decision.distribution!r} absent"))
        return found


def _columns(records: Sequence[Record]) -> list[Decision]:
    """All decisions, one for each name, each behind the one that it followed where it occurred first."""
    order: list[Decision] = []
    known: set[str] = set()
    last: object = None
    for record in records:
        if record.names == last:
            continue
        last = record.names
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
    """The rule when the parameter of column j exists; None if no single parameter before it explains that."""
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
        # A parameter with many values explains anything: take the one with the fewest, and of equals the last.
        if best is None or len(seen) < len(best.seen):
            best = Presence(parent, seen, exists)
    return best
