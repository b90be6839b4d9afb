"""The fitted networks by kinds of operations: the sums of work that the process is observed by (``process``).

Work is scaled so that each of its four kinds is a quarter of an average fitted network's. What a part is compared
with is remembered, since the networks of a space share their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.predictor.parts import Part, Parts, coordinates_of, likeness_of, octaves_apart
from mnas_moo.objectives.statistics import Floats

KINDS_OF_WORK = 4
REMEMBERED = 10_000  # more parts than a space has


class Kind:
    """The parts of one kind in the fitted networks.

    Attributes:
        parts: the U different parts.
        coordinates: (U, 5) their ``coordinates_of``.
        sums: (N, 4) the networks' sums of work.
        weights: (N, U) each part's share of the work in a network.
    """

    def __init__(self, parts: Sequence[Part], networks: Sequence[Parts], work: Floats) -> None:
        self.parts = parts
        self.coordinates = coordinates_of(parts)
        index = {part: i for i, part in enumerate(parts)}
        counts = np.zeros((len(networks), len(parts)))
        for i, network in enumerate(networks):
            for part, count in network.items():
                if part in index:
                    counts[i, index[part]] = count
        self.sums = counts @ work
        self.weights = counts * work.sum(axis=1)


class Compared(NamedTuple):
    """One part compared with those of the fitted networks.

    Attributes:
        work: (4,) the part's work.
        likeness: (U,) likeness of the fitted parts of its kind.
        distance: distance from the nearest of them, in octaves, at most 1.
        nearest: the nearest of them; None: no part of its kind was fitted.
    """

    work: Floats
    likeness: Floats
    distance: float
    nearest: Part | None


class Design:
    """The fitted networks by kinds of operations; compares other networks with them."""

    def __init__(self, networks: Sequence[Parts]) -> None:
        self._unit = np.ones(KINDS_OF_WORK)
        totals = np.zeros(KINDS_OF_WORK)
        for network in networks:
            totals += np.array(list(network.values())) @ self._work(list(network))
        self._unit = np.where(totals > 0, totals * KINDS_OF_WORK / len(networks), 1.0)
        by_kind: dict[str, dict[Part, None]] = {}
        for network in networks:
            for part in network:
                by_kind.setdefault(part.kind, {})[part] = None
        self.kinds = {kind: Kind(list(parts), networks, self._work(list(parts))) for kind, parts in by_kind.items()}
        ends = np.cumsum([0, *(len(kind.parts) for kind in self.kinds.values())])
        self._spans = {kind: slice(ends[i], ends[i + 1]) for i, kind in enumerate(self.kinds)}
        # The parts of one network after another, for sums over them in one pass: most networks lack most parts.
        weights = np.concatenate([kind.weights for kind in self.kinds.values()], axis=1)
        owners, self._columns = np.nonzero(weights)
        self._values = weights[owners, self._columns]
        self._starts = np.searchsorted(owners, np.arange(len(networks)))
        self._sums = np.concatenate([kind.sums for kind in self.kinds.values()], axis=1)
        self._compared: dict[Part, Compared] = {}

    def _work(self, parts: Sequence[Part]) -> Floats:
        """(U, 4) multiply-adds, elements, parameters and calls; all of an average fitted network's sum to 1."""
        work = np.array([(p.multiply_adds, p.elements, p.parameters, 1) for p in parts], dtype=float)
        return work / self._unit

    def compare(self, part: Part) -> Compared:
        """Compares a part with those of the fitted networks; results are kept, as networks of a space share parts."""
        found = self._compared.get(part)
        if found is None:
            kind, own = self.kinds.get(part.kind), coordinates_of([part])
            likeness, distance, nearest = np.zeros(0), 1.0, None
            if kind is not None:
                likeness, apart = likeness_of(own, kind.coordinates)[0], octaves_apart(own, kind.coordinates)[0]
                distance, nearest = min(1.0, float(apart.min())), kind.parts[int(apart.argmin())]
            found = Compared(self._work([part])[0], likeness, distance, nearest)
            if len(self._compared) >= REMEMBERED:
                self._compared.clear()
            self._compared[part] = found
        return found

    def cross(self, parts: Parts, scales: Floats) -> tuple[Floats, Floats, Floats]:
        """Prior mean (1,), variance (1,) and covariances with the fitted networks (1, N) of one network."""
        s1, s2, _ = np.exp(2 * scales)
        kinds = {kind: i for i, kind in enumerate(dict.fromkeys([*self.kinds, *(part.kind for part in parts)]))}
        sums = np.zeros((len(kinds), KINDS_OF_WORK))
        shares = np.zeros(sum(len(kind.parts) for kind in self.kinds.values()))
        totals = []
        for part, count in parts.items():
            compared = self.compare(part)
            sums[kinds[part.kind]] += count * compared.work
            totals.append(count * compared.work.sum())
            if part.kind in self._spans:
                shares[self._spans[part.kind]] += totals[-1] * compared.likeness
        total, kind = np.array(totals), np.array([kinds[part.kind] for part in parts])
        coordinates = coordinates_of(list(parts))
        among = likeness_of(coordinates, coordinates) * (kind[:, None] == kind)
        variance = s1 * (sums**2).sum() + s2 * total @ among @ total  # cov(t(a), t(a)), see ``process``
        local = np.add.reduceat(self._values * shares[self._columns], self._starts)
        covariances = s1 * self._sums @ sums[: len(self.kinds)].ravel() + s2 * local
        return np.array([total.sum()]), np.array([variance]), covariances[None]

    def distances(self, test: npt.NDArray[np.intp], train: npt.NDArray[np.intp]) -> Floats:
        """(T,) mean distance of networks ``test`` from the nearest parts of networks ``train``, weighted by work."""
        total, apart = np.zeros(len(test)), np.zeros(len(test))
        for kind in self.kinds.values():
            seen, asked = (kind.weights[train] > 0).any(axis=0), kind.weights[test]
            distance = np.ones(len(kind.parts))
            if seen.any():
                distance = np.minimum(1, octaves_apart(kind.coordinates, kind.coordinates[seen]).min(axis=1))
            total += asked.sum(axis=1)
            apart += asked @ distance
        return apart / total
