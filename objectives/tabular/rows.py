"""A user's past trials, a CSV or Parquet file, as a problem on which samplers can be judged.

Columns say what kind of parameter they are by their values. A point that has a row is looked up; past trials hardly
ever cover a space, so any other point is answered by a random forest fitted to the rows (Breiman 2001; a surrogate
benchmark after Eggensperger et al. 2015); its out-of-bag error says how accurate it is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import Floats
from mnas_moo.objectives.objective import Direction
from mnas_moo.objectives.tabular.columns import Locate, read_columns
from mnas_moo.objectives.tabular.problem import (
    Bounds,
    FailedTrialError,
    Fit,
    TabularProblem,
    feasible,
    judged,
)
from mnas_moo.spaces.printable import short

FEW = 12
"""A column with at most so many different numbers is categorical, unless they are an even grid."""
LOG_RATIO = 100
"""A column of positive numbers is on a logarithmic scale if its largest is so many times its smallest, or more."""
ROWS_TO_FIT = 20
"""A forest needs so many finished rows."""
TREES = 100
MAX_WORDS = 1000
"""Number of different words of a parameter."""
LARGEST = 2**53
"""Whole numbers up to this one are exact as floats, which is how the search sees them."""


def read_table(
    file: str | os.PathLike[str],
    *,
    parameters: Sequence[str],
    objectives: Mapping[str, str],
    bounds: Bounds | None = None,
    seed: int = 0,
) -> TabularProblem:
    """A file of past trials as a problem.

    >>> import tempfile
    >>> from mnas_moo.objectives import read_table
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     for line in ("width,act,error", "16,relu,0.3", "32,relu,0.2", "16,silu,0.25", "32,silu,"):
    ...         print(line, file=file, flush=True)
    ...     problem = read_table(file.name, parameters=["width", "act"], objectives={"error": "minimize"})
    >>> problem.distributions["act"].choices, problem.measure({"width": 16, "act": "silu"})
    (('relu', 'silu'), {'error': 0.25})

    A parameter is categorical if its values are words or true and false, or 12 numbers at most that are no even grid;
    whole numbers on an even grid, or more of them, are an integer range with its step; other numbers a range of floats,
    logarithmic if the largest is 100 times the smallest or more. Rows with the same parameters are repeated
    measurements; a row without a number for an objective or a constrained quantity is a failed trial.

    The reference point lies a tenth of the front's extent beyond the front's worst. The best hypervolume is that of the
    rows that keep the bounds: the true one of a complete table, and of any other the best known, below which a regret
    may fall where the forest expects better than any row.

    Args:
        file: .csv (with a header, comma-separated, UTF-8) or .parquet.
        parameters: columns, in decision order.
        objectives: column -> "maximize" or "minimize", in the order of a trial's values.
        bounds: constraints on columns of numbers: name -> (min, max).
        seed: seed of the forest.

    Returns:
        The problem; its ``fits`` say how well points without a row are answered.

    Raises:
        ValueError: the file or a column is missing or invalid; the message says where.
        MissingExtraError: Parquet without pyarrow, or unseen points without scikit-learn.
    """
    bounds = dict(bounds or {})
    _check_request(file, parameters, objectives)
    numbers = [*objectives, *(name for name in bounds if name not in objectives)]
    columns, locate = read_columns(Path(file), list(dict.fromkeys([*parameters, *numbers])))
    distributions = {name: _distribution(name, columns[name], locate) for name in parameters}
    values = np.array([_floats(name, columns[name], locate) for name in numbers]).T
    try:
        answers = Rows(distributions, list(zip(*(columns[name] for name in parameters), strict=True)), numbers, values)
        answers.fit(seed)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error

    directions: dict[str, Direction] = {n: "maximize" if d == "maximize" else "minimize" for n, d in objectives.items()}
    problem = TabularProblem(Path(file).stem, distributions, directions, bounds, answers)
    known = answers.means
    points = problem.minimised(np.stack([known[name] for name in objectives], axis=1))
    return judged(problem, points, points[feasible(bounds, known, len(points))])


def _check_request(file: object, parameters: Sequence[str], objectives: Mapping[str, str]) -> None:
    for what, names in (("parameters", parameters), ("objectives", objectives)):
        if not names:
            raise ValueError(f"{file}: no {what} are named; name at least one column")
    for name in parameters:
        if list(parameters).count(name) > 1 or name in objectives:
            raise ValueError(f"{file}: column {name} is named twice; a column is one parameter, or one objective")
    for name, direction in objectives.items():
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"{file}: objective {name} is to {direction!r}; allowed: maximize, minimize")


class Rows:
    """Answers from the rows of a table, and from a forest fitted to them where a point has no row.

    Args:
        distributions: distributions of the parameters.
        points: the parameters' values in each of N rows.
        quantities: names of the numbers.
        values: (N, Q) numbers; a row with one that is not finite failed.

    Attributes:
        quantities: names of the numbers.
        means: quantity -> (P,) means of the measurements of the P different points that did not all fail.
        fits: quantity -> how well the forest predicts it out of bag; None for a complete table, which needs no forest.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        points: Sequence[tuple[Any, ...]],
        quantities: Sequence[str],
        values: Floats,
    ) -> None:
        self.quantities = tuple(quantities)
        self.fits: Mapping[str, Fit] | None = None
        self._distributions = dict(distributions)
        self._rows: dict[tuple[Any, ...], list[int]] = {}
        for row, point in enumerate(points):
            self._rows.setdefault(point, []).append(row)
        self._values = values
        self._finished = np.asarray(np.isfinite(values).all(axis=1))
        if not self._finished.any():
            raise ValueError(f"no row has a number for each of {', '.join(quantities)}")
        self._means = {point: self._mean(rows) for point, rows in self._rows.items() if self._finished[rows].any()}
        self.means = dict(zip(self.quantities, np.array(list(self._means.values())).T, strict=True))
        self._forest: Callable[[Floats], Floats] | None = None

    def _mean(self, rows: Sequence[int]) -> Floats:
        found: Floats = self._values[[row for row in rows if self._finished[row]]].mean(axis=0)
        return found

    @property
    def complete(self) -> bool:
        """Whether every point of the space has a row."""
        return len(self._rows) == math.prod(_size(distribution) for distribution in self._distributions.values())

    def fit(self, seed: int) -> None:
        """Fits the forest, unless the table is complete.

        Raises:
            ValueError: there are too few rows.
        """
        if self.complete:
            return
        if len(self._means) < ROWS_TO_FIT:
            raise ValueError(
                f"the rows do not cover the space, and {len(self._means)} finished points are too few to tell the "
                f"others from; {ROWS_TO_FIT} are needed"
            )
        inputs = np.array([self._input(point) for point in self._means])
        self._forest, predictions = _forest(inputs, np.array(list(self._means.values())), seed)
        stats = require("scipy.stats", extra="tables")
        self.fits = {
            name: Fit(_r2(self.means[name], predicted), float(stats.kendalltau(self.means[name], predicted).statistic))
            for name, predicted in zip(self.quantities, predictions.T, strict=True)
        }

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """True: every parameter exists."""
        return True

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The numbers of a row of the point (without ``rng`` the mean of those that did not fail), or a prediction.

        Raises:
            FailedTrialError: the row failed.
        """
        point = tuple(params[name] for name in self._distributions)
        rows = self._rows.get(point)
        if rows is None:
            found = self._unseen(point)
        elif rng is not None:
            found = self._values[rows[rng.integers(len(rows))]]
        else:
            found = self._means.get(point, np.full(len(self.quantities), np.nan))
        if not np.isfinite(found).all():
            raise FailedTrialError(f"the table says that the trial failed with {dict(params)}")
        return dict(zip(self.quantities, found.tolist(), strict=True))

    def _unseen(self, point: tuple[Any, ...]) -> Floats:
        if self._forest is None:
            raise RuntimeError("fit() comes before unseen points")
        return self._forest(self._input(point))

    def _input(self, point: tuple[Any, ...]) -> Floats:
        """Numbers as they are, words one-hot."""
        numbers: list[float] = []
        for value, distribution in zip(point, self._distributions.values(), strict=True):
            if isinstance(value, str) and isinstance(distribution, CategoricalDistribution):
                numbers += [float(value == choice) for choice in distribution.choices]
            else:
                numbers.append(float(value))
        return np.array(numbers)


class _Forest:
    """All trees of a fitted forest side by side: a point in a fraction of a millisecond; scikit-learn takes several."""

    def __init__(self, trees: Sequence[Any], mean: Floats, scale: Floats) -> None:
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        self._roots = starts
        self._feature = np.concatenate([np.maximum(tree.feature, 0) for tree in trees])
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        children = []
        for side in ("children_left", "children_right"):
            # A leaf is its own child.
            own = [np.where(getattr(t, side) < 0, np.arange(t.node_count), getattr(t, side)) for t in trees]
            children.append(np.concatenate([nodes + start for nodes, start in zip(own, starts, strict=True)]))
        self._left, self._right = children
        self._value = np.concatenate([tree.value[:, :, 0] for tree in trees]) * scale + mean
        self._depth = max(tree.max_depth for tree in trees)

    def __call__(self, point: Floats) -> Floats:
        """(Q,) means over the trees for a point (D,)."""
        features = point.astype(np.float32)  # as scikit-learn compares them
        node = self._roots
        for _ in range(self._depth):
            down = features[self._feature[node]] <= self._threshold[node]
            node = np.where(down, self._left[node], self._right[node])
        found: Floats = self._value[node].mean(axis=0)
        return found


def _forest(inputs: Floats, values: Floats, seed: int) -> tuple[_Forest, Floats]:
    """A forest fitted to (N, D) inputs and (N, Q) values, and its out-of-bag predictions (N, Q)."""
    ensemble = require("sklearn.ensemble", extra="tables")
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)  # trees split where the sum over quantities gains most
    forest = ensemble.RandomForestRegressor(TREES, bootstrap=True, oob_score=True, random_state=seed)
    targets = (values - mean) / scale
    forest.fit(inputs, targets if targets.shape[1] > 1 else targets[:, 0])  # the forest warns if it gets one column
    predictions = np.reshape(forest.oob_prediction_, values.shape) * scale + mean
    return _Forest([each.tree_ for each in forest.estimators_], mean, scale), predictions


def _r2(truth: Floats, predicted: Floats) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread if spread else 1.0


def _size(distribution: BaseDistribution) -> float:
    """How many values there are."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    return math.inf


def _floats(name: str, cells: Sequence[Any], locate: Locate) -> Floats:
    """(N,) numbers; NaN where there is none."""
    numbers = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        try:
            numbers[row] = np.nan if cell is None else float(cell)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{locate(row)}: {name} is {short(repr(cell))}, which is no number") from None
    return numbers


def _distribution(name: str, cells: Sequence[Any], locate: Locate) -> BaseDistribution:
    """What kind of parameter a column is."""
    for row, cell in enumerate(cells):
        if cell is None:
            raise ValueError(f"{locate(row)}: parameter {name} has no value; every row needs one")
        if not isinstance(cell, bool | int | float | str) or (isinstance(cell, float) and not math.isfinite(cell)):
            found = short(repr(cell))
            raise ValueError(f"{locate(row)}: parameter {name} is {found}; allowed: words, finite numbers, true, false")
        if isinstance(cell, int) and abs(cell) > LARGEST:
            raise ValueError(f"{locate(row)}: parameter {name} is a whole number beyond {LARGEST}")
    values = sorted(set(cells), key=lambda cell: (isinstance(cell, str), cell))
    low, high = values[0], values[-1]
    if isinstance(high, str) or isinstance(low, bool) or len(values) == 1:
        if len(values) > MAX_WORDS:
            raise ValueError(f"{locate(0)}: parameter {name} has {len(values)} different words; at most {MAX_WORDS}")
        return CategoricalDistribution(values)
    log = low > 0 and high >= LOG_RATIO * low
    if all(isinstance(value, int) for value in values):
        step = int(np.gcd.reduce(np.diff(values)))
        if len(values) == (high - low) // step + 1 or len(values) > FEW:
            return IntDistribution(low, high, log=True) if log and step == 1 else IntDistribution(low, high, step=step)
        return CategoricalDistribution(values)
    if len(values) <= FEW:
        return CategoricalDistribution(values)
    return FloatDistribution(float(low), float(high), log=log)
