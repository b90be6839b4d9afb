"""A table as a problem: parameters whose results are known, so a search costs nothing and its regret can be computed.

Where the results come from (rows of a file, a model fitted to rows) is behind ``Answers``; this module adds what a
study and a comparison of samplers need: distributions, directions, bounds, the reference point, and the regret
1 - HV(found) / HV(best known) (Ishibuchi et al. 2018 for the choice of the reference point: a tenth beyond the front).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.objectives.front import REFERENCE_MARGIN, Floats, hypervolume, minimised, pareto_mask
from mnas_moo.objectives.objective import Direction
from mnas_moo.spaces.growth import Growth
from mnas_moo.spaces.names import unknown

if TYPE_CHECKING:
    import optuna

Bounds = Mapping[str, tuple[float | None, float | None]]
"""Constrained quantity -> (min, max); None: no such bound."""

POINTS = 256
"""Random points that show which parameters are conditional."""


class FailedTrialError(ValueError):
    """The table says that a trial with these parameters failed."""


@dataclass(frozen=True)
class Fit:
    """How well a model of rows predicts rows that it was not fitted to.

    Attributes:
        r2: coefficient of determination.
        tau: Kendall's rank correlation.
    """

    r2: float
    tau: float


class Answers(Protocol):
    """What knows the results of every point of the space, without measuring."""

    @property
    def fits(self) -> Mapping[str, Fit] | None:
        """Quantity -> how well a model fitted to the user's rows predicts it; None: there is no such model."""
        ...

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the numbers it knows."""
        ...

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether a parameter exists, given those before it."""
        ...

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> Mapping[str, float]:
        """All quantities; ``rng`` draws one of several measurements, None asks for their mean."""
        ...


@dataclass(frozen=True)
class TabularProblem:
    """Parameters, objectives and constraints whose values a table knows.

    >>> import tempfile
    >>> from mnas_moo.objectives import TabularProblem, read_table
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     for line in ("width,accuracy,latency_ms", "16,0.7,1.0", "32,0.8,2.0", "48,0.75,3.0"):
    ...         print(line, file=file, flush=True)
    ...     objectives = {"accuracy": "maximize", "latency_ms": "minimize"}
    ...     problem: TabularProblem = read_table(file.name, parameters=["width"], objectives=objectives)
    >>> problem.measure({"width": 32})
    {'accuracy': 0.8, 'latency_ms': 2.0}
    >>> problem.regret([[0.7, 1.0], [0.8, 2.0]])
    0.0

    Attributes:
        name: name for messages and reports.
        distributions: distributions of all parameters that can exist, in decision order.
        directions: objective -> "minimize" or "maximize", in the order of a trial's values.
        bounds: constrained quantity -> (min, max); empty: none.
        answers: source of the values.
        reference_point: (M,) worst values that count for the hypervolume, in the objectives' units.
        best_hypervolume: hypervolume of the true or best known feasible front; None where none is known.
        features: numbers that describe what parameters mean, for models; None: there are none.
        growth: order in which its networks grow; None: they have none.
    """

    name: str
    distributions: Mapping[str, BaseDistribution]
    directions: Mapping[str, Direction]
    bounds: Bounds
    answers: Answers
    reference_point: tuple[float, ...] | None = None
    best_hypervolume: float | None = None
    features: Callable[[Mapping[str, Any]], Mapping[str, float]] | None = None
    growth: Growth | None = None

    def __post_init__(self) -> None:
        for what, names in (("objective", self.directions), ("constraint", self.bounds)):
            for name in names:
                if name not in self.answers.quantities:
                    raise unknown(f"table {self.name}: {what}", name, self.answers.quantities)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what ``measure`` returns: the objectives, then constrained quantities that are no objectives."""
        return (*self.directions, *(name for name in self.bounds if name not in self.directions))

    @property
    def fits(self) -> Mapping[str, Fit] | None:
        """How well points without a row are answered, by quantity; None where every point has a row."""
        return self.answers.fits

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether a parameter exists under the values of those before it."""
        return self.answers.exists(name, params)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Values of the parameters that exist, suggested by a trial in decision order."""
        params: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            if self.exists(name, params):
                params[name] = trial._suggest(name, distribution)
        return params

    @property
    def conditional(self) -> list[str]:
        """The parameters that do not exist under some values of the others, in decision order.

        Found by ``POINTS`` random points, since ``exists`` answers for one point at a time.
        """
        rng = np.random.default_rng(0)
        points = [self.random(rng) for _ in range(POINTS)]
        return [name for name in self.distributions if any(name not in point for point in points)]

    def random(self, rng: np.random.Generator) -> dict[str, Any]:
        """A random point: each parameter is drawn uniformly, on a logarithmic scale where its distribution has one."""
        params: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            if self.exists(name, params):
                params[name] = _draw(distribution, rng)
        return params

    def measure(self, params: Mapping[str, Any], rng: np.random.Generator | None = None) -> dict[str, float]:
        """Objectives and constrained quantities of a point, by name.

        Args:
            params: a value for every parameter that exists.
            rng: random generator of the measurement's noise, where the table has any; None: the mean.

        Raises:
            ValueError: a parameter is missing, unknown, does not exist under the others, or is out of its range.
            FailedTrialError: the table says that such a trial failed.
        """
        self._check(params)
        found = self.answers.results(params, rng)
        return {name: found[name] for name in self.quantities}

    def _check(self, params: Mapping[str, Any]) -> None:
        for name in params:
            if name not in self.distributions:
                raise unknown(f"table {self.name}: parameter", name, self.distributions)
        for name, distribution in self.distributions.items():
            if self.exists(name, params) != (name in params):
                what = "does not exist here" if name in params else "is missing"
                raise ValueError(f"table {self.name}: parameter {name} {what}; got {dict(params)}")
            if name in params and not _contains(distribution, params[name]):
                raise ValueError(f"table {self.name}: parameter {name} is {params[name]!r}; allowed: {distribution}")

    def violations(self, found: Mapping[str, float]) -> list[float]:
        """How far each bound is exceeded by measured quantities; at or below 0 it is kept."""
        return [
            sign * (found[name] - limit)
            for name, (low, high) in self.bounds.items()
            for sign, limit in ((1.0, high), (-1.0, low))
            if limit is not None
        ]

    def regret(self, values: npt.ArrayLike) -> float:
        """Share of the best known hypervolume that points lack: 0 at best, 1 where none beats the reference point.

        A little below 0 where the best known front is not the true one and the points are better.

        Args:
            values: (N, M) objective values of feasible points.

        Raises:
            ValueError: no best front is known for this table.
        """
        if self.best_hypervolume is None or self.reference_point is None:
            raise ValueError(f"table {self.name} has no known best front, hence no regret; compare hypervolumes")
        reference = self.minimised(np.array(self.reference_point))
        found = self.minimised(np.asarray(values, dtype=float).reshape(-1, len(reference)))
        sound = ~np.isnan(found).any(axis=1)  # a failed trial adds nothing
        return 1.0 - hypervolume(found[sound], reference) / self.best_hypervolume

    def minimised(self, values: Floats) -> Floats:
        """Objective values (N, M) or (M,), maximised ones negated; or back again."""
        return minimised(values, list(self.directions.values()))


def judged(problem: TabularProblem, points: Floats, best: Floats | None) -> TabularProblem:
    """A problem with its reference point and its best hypervolume.

    Args:
        problem: the problem without them.
        points: (P, M) values, all minimised, whose front places the reference point.
        best: (N, M) values of feasible points, all minimised, with the best known front among them; None: it is not
            known.

    Raises:
        ValueError: no point is feasible.
    """
    if best is not None and not len(best):
        raise ValueError(f"table {problem.name}: no known point keeps the bounds {dict(problem.bounds)}; loosen them")
    reference = _reference_of_front(points)
    volume = 0.0 if best is None else hypervolume(best, reference)
    reference_point = tuple(problem.minimised(reference).tolist())
    return dataclasses.replace(problem, reference_point=reference_point, best_hypervolume=volume or None)


def _reference_of_front(points: Floats) -> Floats:
    """Reference point (M,) of (P, M) points, all minimised: a tenth of the front's extent beyond its worst values.

    Not ``front.reference_point``: where the front has no extent, as with one objective, that of all points of the
    table counts instead, and regrets stored before stay comparable to the last digit.
    """
    known = points[pareto_mask(points)]
    ideal: Floats = known.min(axis=0)
    extent = known.max(axis=0) - ideal  # none where there is one objective: then that of all points
    extent = np.where(extent > 0, extent, points.max(axis=0) - ideal)
    return ideal + (1 + REFERENCE_MARGIN) * np.where(extent > 0, extent, 1.0)


def feasible(bounds: Bounds, columns: Mapping[str, Floats], n: int) -> npt.NDArray[np.bool_]:
    """(n,) which rows of the columns, quantity -> (n,) values, keep the bounds."""
    keeps = np.ones(n, dtype=bool)
    for name, (low, high) in bounds.items():
        if low is not None:
            keeps &= columns[name] >= low
        if high is not None:
            keeps &= columns[name] <= high
    return keeps


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and distribution._contains(value)


def _draw(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(rng.integers(len(distribution.choices)))]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(f"no distribution of Optuna's: {distribution}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None and not distribution.log:
        return type(low)(low + step * int(rng.integers(round((high - low) / step) + 1)))
    value = float(np.exp(rng.uniform(np.log(low), np.log(high)))) if distribution.log else float(rng.uniform(low, high))
    return round(value) if isinstance(distribution, IntDistribution) else value
