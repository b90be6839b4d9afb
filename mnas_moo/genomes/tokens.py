"""Tokens: every parameter of a search is one decision among a few tokens.

A categorical parameter, or a number with few values, has one token for each value. The range of a number with many
values, or of a continuous one, is cut into ``BINS`` intervals of equal width on the parameter's scale, linear or
logarithmic: the policy chooses the interval, and the value is drawn uniformly within it. The papers (Zoph et al. 2018,
Tan et al. 2019) search categorical choices only; numbers are ours.

A *place* is the value of a parameter as a float: a category's token, or a number's position in [0, 1] on its scale.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

BINS = 32
"""Most tokens of a number."""


@dataclass(frozen=True, eq=False)
class Decision:
    """One parameter as a decision; equal decisions share what the policy has learnt of them.

    Attributes:
        name: name of the parameter.
        distribution: Optuna's distribution of the parameter.

    >>> kernel = Decision("kernel", CategoricalDistribution([3, 5]))
    >>> kernel.size, kernel.token(5), kernel.value(0, 0.5), kernel.place(5)
    (2, 1, 3, 1.0)
    >>> layers = Decision("layers", IntDistribution(1, 4))
    >>> layers.size, layers.token(2), layers.place(2), layers.at(0.9)
    (4, 1, 0.375, 4)
    >>> rate = Decision("rate", FloatDistribution(1e-4, 1.0, log=True))
    >>> rate.size, rate.token(1e-2), round(rate.value(16, 0.0), 9), rate.place(1e-2)
    (32, 16, 0.01, 0.5)
    """

    name: str
    distribution: BaseDistribution

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        if self is other:  # the usual case; comparing distributions is slow
            return True
        if not isinstance(other, Decision) or self.name != other.name:
            return False
        return self.distribution == other.distribution

    def __deepcopy__(self, memo: object) -> Decision:
        return self  # immutable, and copied with every policy

    @cached_property
    def size(self) -> int:
        """Number of tokens, >= 1."""
        if isinstance(self.distribution, CategoricalDistribution):
            return len(self.distribution.choices)
        return len(self._edges) - 1

    @cached_property
    def exact(self) -> bool:
        """Whether each token stands for one value."""
        if isinstance(self.distribution, CategoricalDistribution):
            return True
        return self._grid and self._edges[-1] == self.size

    def token(self, value: Any) -> int:
        """The token that stands for a value of the parameter."""
        if isinstance(self.distribution, CategoricalDistribution):
            token = self._tokens.get((type(value), value))
            return int(self.distribution.to_internal_repr(value)) if token is None else token
        place = self._index(value) if self._grid else self._scale(value)
        return min(max(bisect.bisect_right(self._edges, place) - 1, 0), self.size - 1)

    def value(self, token: int, u: float) -> Any:
        """A value that a token stands for.

        Args:
            token: token in [0, ``size``).
            u: position within the token's interval in [0, 1); without effect where the token stands for one value.
        """
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return d.choices[token]
        low, high = self._edges[token], self._edges[token + 1]
        if self._grid:
            index = int(low + u * (high - low))
            if isinstance(d, IntDistribution):
                return d.low + index * d.step
            assert isinstance(d, FloatDistribution) and d.step is not None
            return min(d.low + index * d.step, d.high)
        assert isinstance(d, FloatDistribution)
        place = low + u * (high - low)
        return float(min(max(math.exp(place) if d.log else place, d.low), d.high))

    @cached_property
    def ordered(self) -> bool:
        """Whether the parameter is a number, so that its values have an order."""
        return not isinstance(self.distribution, CategoricalDistribution)

    def place(self, value: Any) -> float:
        """The place of a value: a number's position in [0, 1] on its scale, a category's token."""
        if not self.ordered:
            return float(self.token(value))
        if self._grid:
            return float(self._place_of(min(max(self._index(value), 0), self._count - 1)))
        low, high = self._edges[0], self._edges[-1]
        return float(min(max((self._scale(value) - low) / (high - low), 0.0), 1.0))

    def at(self, place: float) -> Any:
        """The value at a place, or the nearest one to it."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return d.choices[int(place)]
        if self._grid:
            index = int(self._nearest(np.asarray(place)))
            if isinstance(d, IntDistribution):
                return d.low + index * d.step
            assert isinstance(d, FloatDistribution) and d.step is not None
            return min(d.low + index * d.step, d.high)
        assert isinstance(d, FloatDistribution)
        low, high = self._edges[0], self._edges[-1]
        scaled = low + place * (high - low)
        return float(min(max(math.exp(scaled) if d.log else scaled, d.low), d.high))

    def snap(self, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The nearest places at which there are values, in the shape of ``places``."""
        if not self.ordered or not self._grid:
            return places
        return self._place_of(self._nearest(places))

    def steps(self, place: float) -> npt.NDArray[np.float64]:
        """(K,) places one step away: all other categories, or the next smaller and the next larger number.

        A continuous number moves by 0.02 of its scale.
        """
        if not self.ordered:
            return np.array([token for token in range(self.size) if token != int(place)], dtype=float)
        if not self._grid:
            return np.clip([place - 0.02, place + 0.02], 0.0, 1.0)
        index = int(self._nearest(np.asarray(place)))
        return self._place_of(np.array([i for i in (index - 1, index + 1) if 0 <= i < self._count]))

    @cached_property
    def spans(self) -> npt.NDArray[np.float64]:
        """(size, 2) the smallest and the largest place of each token's values."""
        if not self.ordered:
            return np.repeat(np.arange(self.size, dtype=float)[:, None], 2, axis=1)
        if self._grid:
            edges = np.array(self._edges, dtype=int)
            return np.stack([self._place_of(edges[:-1]), self._place_of(edges[1:] - 1)], axis=1)
        edges = np.linspace(0.0, 1.0, self.size + 1)
        return np.stack([edges[:-1], edges[1:]], axis=1)

    @cached_property
    def _count(self) -> int:
        """Number of values of a grid."""
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution)
        return self._index(d.high) + 1

    def _place_of(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Places of a grid's values by index: the middle of each value's share of the scale."""
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution)
        if not d.log:
            return np.asarray((np.asarray(index) + 0.5) / self._count)
        low, high = math.log(d.low - 0.5), math.log(d.high + 0.5)
        return np.asarray((np.log(d.low + np.asarray(index)) - low) / (high - low))

    def _nearest(self, places: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Indices of the grid's values whose shares of the scale hold these places."""
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution)
        if d.log:
            low, high = math.log(d.low - 0.5), math.log(d.high + 0.5)
            index = np.round(np.exp(low + places * (high - low))) - d.low
        else:
            index = np.floor(places * self._count)
        return np.asarray(np.clip(index, 0, self._count - 1), dtype=np.int64)

    @cached_property
    def _grid(self) -> bool:
        """Whether the parameter has countably many values."""
        return self.distribution.step is not None if isinstance(self.distribution, FloatDistribution) else True

    def _index(self, value: float) -> int:
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution) and d.step is not None
        return round((value - d.low) / d.step)

    def _scale(self, value: float) -> float:
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution)
        return math.log(value) if d.log else float(value)

    @cached_property
    def _tokens(self) -> dict[tuple[type, Any], int]:
        """Token of each choice; Optuna's own search through them is slow."""
        assert isinstance(self.distribution, CategoricalDistribution)
        return {(type(choice), choice): token for token, choice in enumerate(self.distribution.choices)}

    @cached_property
    def _edges(self) -> list[float]:
        """(size + 1) edges of the tokens' intervals, ascending: indices of a grid, or positions on the scale."""
        d = self.distribution
        assert isinstance(d, IntDistribution | FloatDistribution)
        if not self._grid:
            return [float(edge) for edge in np.linspace(self._scale(d.low), self._scale(d.high), BINS + 1)]
        count = self._index(d.high) + 1
        if count <= BINS:
            return [float(edge) for edge in range(count + 1)]
        edges = np.linspace(0, count, BINS + 1)
        if d.log:  # a token spans a ratio, but at least one value
            edges = np.exp(np.linspace(math.log(d.low - 0.5), math.log(d.high + 0.5), BINS + 1)) - d.low + 0.5
        return sorted({0.0, float(count), *(float(round(edge)) for edge in edges[1:-1])})
