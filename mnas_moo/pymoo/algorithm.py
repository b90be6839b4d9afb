"""``MnasSampler`` as an algorithm of pymoo, for any problem of real, integer, binary or choice variables.

``MnasAlgorithm`` is a thin layer over an Optuna study in memory: each iteration asks it for a batch of trials and
tells it their results in order. ``problems.py`` has our spaces as problems.
"""

# ruff: noqa: E402 (the check that pymoo is installed comes before its import)

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import require

require("pymoo", extra="pymoo")

from pymoo.core.algorithm import Algorithm  # type: ignore[import-untyped]
from pymoo.core.population import Population  # type: ignore[import-untyped]
from pymoo.core.problem import Problem  # type: ignore[import-untyped]
from pymoo.core.variable import Binary, Choice, Integer, Real, Variable  # type: ignore[import-untyped]
from pymoo.util.display.multi import MultiObjectiveOutput  # type: ignore[import-untyped]
from pymoo.util.display.single import SingleObjectiveOutput  # type: ignore[import-untyped]
from pymoo.util.optimum import filter_optimum  # type: ignore[import-untyped]

from mnas_moo.pymoo.problems import ParameterProblem, Point, n_values
from mnas_moo.sampler import MnasSampler


class MnasAlgorithm(Algorithm):  # type: ignore[misc]
    """``MnasSampler`` as an algorithm of pymoo, for ``minimize`` or for its ask-and-tell interface.

    It runs on problems of one or more objectives whose variables have bounds: vectors (``vtype`` float, int or bool)
    and mixed variables (``vars`` of Real, Integer, Binary and Choice), with constraints G and H. Any combination of
    values must be a point: for permutations, use pymoo's own algorithms.

    Each iteration asks for ``pop_size`` points at once, which pymoo may evaluate in parallel; with fewer points, the
    sampler learns from each result sooner. ``pop`` has all evaluated points and ``opt`` their feasible front (without
    feasible points, the least infeasible point). A point with a NaN, an infinite objective or an infinite violation
    counts as failed: it is never in the front, and the sampler does not learn from it. The run ends when all points of
    a finite problem have been evaluated. Equal seeds give equal runs; a copy or a pickle continues as the original
    would.

    >>> from pymoo.optimize import minimize
    >>> from pymoo.problems import get_problem
    >>> result = minimize(get_problem("bnh"), MnasAlgorithm(), ("n_eval", 30), seed=1)
    >>> len(result.pop), bool((result.G <= 0).all())
    (30, True)

    Args:
        pop_size: number of points per iteration.
        sampling: initial points: a (N, n_var) array, a list of dicts, a ``Population`` (whose evaluated individuals
            are not evaluated again), or one of pymoo's samplings; None: the sampler proposes them.
        sampler: function that makes the Optuna sampler, called with ``seed`` and ``canonical``.
        **settings: arguments of pymoo's ``Algorithm`` (``output``, ``callback``, ``termination``, ``archive``…).

    Raises:
        ValueError: ``pop_size`` is below 1.
    """

    output: Any
    pop: Any

    def __init__(
        self,
        pop_size: int = 10,
        sampling: Any = None,
        sampler: Callable[..., optuna.samplers.BaseSampler] = MnasSampler,
        **settings: Any,
    ) -> None:
        if pop_size < 1:
            raise ValueError(f"pop_size is {pop_size}; it must be at least 1")
        super().__init__(**settings)
        self.pop_size, self.sampling, self.sampler = pop_size, sampling, sampler

    def setup(self, problem: Problem, **settings: Any) -> Algorithm:
        """Starts a run on a problem; called by ``minimize``.

        Raises:
            ValueError: a variable has no bounds, or is not a Real, Integer, Binary or Choice.
        """
        if self.output is None:
            self.output = MultiObjectiveOutput() if problem.n_obj > 1 else SingleObjectiveOutput()
        super().setup(problem, **settings)
        # Not in pymoo's hook `_setup`, which its wrappers of algorithms do not forward.
        self.coding = problem if isinstance(problem, ParameterProblem) else _VariableCoding(problem)
        seed = int(self.random_state.integers(2**31)) if self.seed is None else self.seed
        self.trials = _Trials(self.sampler(seed=seed, canonical=self.coding.canonical), self.coding, problem.n_obj)
        self.asked: dict[int, Point] = {}  # proposed points without a result, by trial
        self.tried: set[str] = set()
        sizes = [n_values(dist) for dist in self.coding.distributions.values()]
        finite = None not in sizes and self.coding.exists is None
        self.size = math.prod(cast(list[int], sizes)) if finite else math.inf
        return self

    def _initialize_infill(self) -> Population | None:
        if self.sampling is None:
            return self._infill()
        if isinstance(self.sampling, Population):
            return self.sampling
        if callable(self.sampling):
            return self.sampling(self.problem, self.pop_size, random_state=self.random_state)
        return Population.new(X=list(self.sampling))

    def _infill(self) -> Population | None:
        points: list[Point] = []
        while len(points) < self.pop_size and len(self.tried) < self.size:
            number, params = self.trials.ask()
            self.tried.add(repr(params))
            self.asked[number] = self.coding.x(params)
            points.append(self.asked[number])
        if not points:
            self.termination.terminate()
            return None
        return Population.new(X=points)

    def _initialize_advance(self, infills: Population | None = None, **_: Any) -> None:
        if infills is not None:
            self._told(infills)

    def _advance(self, infills: Population | None = None, **_: Any) -> None:
        if infills is not None:
            self._told(infills)
            self.pop = Population.merge(self.pop, infills)

    def _told(self, infills: Population) -> None:
        """Tells the study the results of points, whether it proposed them or not."""
        for point, sound in zip(infills, _sound(infills), strict=True):
            number = next((number for number, x in self.asked.items() if _same(x, point.X)), None)
            if number is None:
                params = self.coding.params(point.X)
                self.tried.add(repr(params))
                number = self.trials.add(params)
            else:
                del self.asked[number]
            self.trials.tell(number, point.F.astype(float).tolist() if sound else None, _exceeded(point))

    def _set_optimum(self) -> None:
        if self.pop is None or not len(self.pop):
            return
        sound = _sound(self.pop)
        if sound.any():
            self.opt = filter_optimum(self.pop[sound], least_infeasible=True)
        else:  # pymoo's displays and terminations need an optimum, and fail on a feasible one with NaN
            self.opt = copy.deepcopy(self.pop[:1])
            self.opt[0].CV = np.array([np.inf])


class _Trials:
    """The algorithm's Optuna study in memory; a copy or pickle holds its trials and makes a study when it is used."""

    def __init__(
        self, sampler: optuna.samplers.BaseSampler, coding: ParameterProblem | _VariableCoding, n_objectives: int
    ) -> None:
        self.sampler, self.coding, self.n_objectives = sampler, coding, n_objectives
        self._attributes: dict[str, Any] = {}
        self._held: list[FrozenTrial] = []
        self._study: optuna.Study | None = None

    @property
    def study(self) -> optuna.Study:
        """The study; made from the copied trials if there is none."""
        if self._study is None:
            logger = logging.getLogger("optuna.storages._in_memory")
            level = logger.level
            logger.setLevel(
                logging.WARNING
            )  # Optuna's message that a study was created would interrupt pymoo's display
            try:
                study = optuna.create_study(directions=["minimize"] * self.n_objectives, sampler=self.sampler)
            finally:
                logger.setLevel(level)
            for key, value in self._attributes.items():
                study._storage.set_study_system_attr(study._study_id, key, value)
            study.add_trials(self._held)
            self._study, self._held = study, []
        return self._study

    def ask(self) -> tuple[int, dict[str, Any]]:
        """The number and the parameters of a new trial."""
        trial = self.study.ask()
        params: dict[str, Any] = {}
        for name, dist in self.coding.distributions.items():
            if self.coding.exists is None or self.coding.exists(name, params):
                params[name] = trial._suggest(name, dist)
        return trial.number, params

    def add(self, params: dict[str, Any]) -> int:
        """Adds a trial with given parameters; returns its number."""
        distributions = {name: self.coding.distributions[name] for name in params}
        trial = optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        self.study.add_trial(trial)
        return len(self.study.get_trials(deepcopy=False)) - 1

    def tell(self, number: int, values: list[float] | None, exceeded: list[float]) -> None:
        """Ends a trial.

        Args:
            number: number of the trial.
            values: objective values, minimised; None: the trial failed.
            exceeded: how far each constraint is exceeded; a value of at most 0 means that it is kept.
        """
        if values is None:
            self.study.tell(number, state=TrialState.FAIL)
            return
        if exceeded:
            storage = self.study._storage
            trial_id = storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
            storage.set_trial_system_attr(trial_id, "constraints", exceeded)
        self.study.tell(number, values)

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_study": None}
        if self._study is not None:
            state["_held"] = self._study.get_trials(deepcopy=False)
            state["_attributes"] = self._study._storage.get_study_system_attrs(self._study._study_id)
        return state

    def __deepcopy__(self, memo: dict[int, Any]) -> _Trials:
        twin = object.__new__(_Trials)
        # Trials are shared, because a history holds a copy for every iteration; a storage replaces a trial that it
        # changes, so that the shared ones stay as they are.
        twin.__dict__.update(self.__getstate__())
        twin.sampler = copy.deepcopy(self.sampler, memo)
        return twin


class _VariableCoding:
    """The variables of a pymoo problem as Optuna parameters. A Choice becomes the index of its option."""

    canonical = None
    exists = None

    def __init__(self, problem: Problem) -> None:
        self.variables: dict[str, Variable]
        self.keys: list[Any] | None = None
        variables = getattr(problem, "vars", None)
        if variables is not None:
            self.keys = list(variables)
            self.variables = {str(key): variable for key, variable in variables.items()}
        else:
            if problem.xl is None or problem.xu is None:
                raise ValueError(f"{problem.name()} has no bounds; give the problem xl and xu")
            self.dtype = np.dtype(problem.vtype or float)
            kind = {"i": Integer, "u": Integer, "b": Binary}.get(self.dtype.kind, Real)
            bounds = zip(problem.xl, problem.xu, strict=True)
            self.variables = {f"x{i}": kind(bounds=limits) for i, limits in enumerate(bounds)}
        self.distributions = {name: _distribution(name, variable) for name, variable in self.variables.items()}

    def params(self, x: Point) -> dict[str, Any]:
        """The parameters of a point.

        Raises:
            ValueError: the point does not belong to the problem.
        """
        values = x if self.keys is None else [x[key] for key in self.keys]
        named = zip(self.variables.items(), values, strict=True)
        return {name: self._param(name, variable, value) for (name, variable), value in named}

    def x(self, params: Mapping[str, Any]) -> Point:
        """The point with given parameters."""
        values = [
            variable.options[params[name]] if isinstance(variable, Choice) else params[name]
            for name, variable in self.variables.items()
        ]
        return np.array(values, dtype=self.dtype) if self.keys is None else dict(zip(self.keys, values, strict=True))

    @staticmethod
    def _param(name: str, variable: Variable, value: Any) -> Any:
        if isinstance(variable, Choice):
            for index, option in enumerate(variable.options):
                if _same_value(option, value):
                    return index
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, variable.options))}")
        if isinstance(variable, Binary):
            return bool(value)
        low, high = variable.bounds
        if not low <= value <= high or (isinstance(variable, Integer) and value != int(value)):
            kind = "a whole number" if isinstance(variable, Integer) else "a number"
            raise ValueError(f"{name} is {value}; it must be {kind} from {low} to {high}")
        return int(value) if isinstance(variable, Integer) else float(value)


def _distribution(name: str, variable: Variable) -> BaseDistribution:
    """A variable of pymoo as an Optuna distribution."""
    if isinstance(variable, Choice):
        return CategoricalDistribution(range(len(variable.options)))
    if isinstance(variable, Binary):
        return CategoricalDistribution([False, True])
    if not isinstance(variable, Real | Integer):
        raise ValueError(f"{name} is a {type(variable).__name__}; it must be a Real, Integer, Binary or Choice")
    low, high = variable.bounds
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} has the bounds {low} and {high}; both must be finite")
    if isinstance(variable, Real):
        return FloatDistribution(float(low), float(high))
    return IntDistribution(math.ceil(low), math.floor(high))


def _sound(population: Population) -> npt.NDArray[np.bool_]:
    """(N,) whether all objectives and the violation of an individual are finite."""
    objectives, violation = population.get("F", "CV")
    finite = np.isfinite(objectives.astype(float)).all(axis=1) & np.isfinite(violation.astype(float)).all(axis=1)
    return np.asarray(finite, dtype=bool)


def _exceeded(point: Any) -> list[float]:
    """How far an individual exceeds its constraints, first G, then H, beyond pymoo's tolerances."""
    inequalities = np.ravel(point.G).astype(float) - point.config["cv_ieq"]["eps"]
    equalities = np.abs(np.ravel(point.H).astype(float)) - point.config["cv_eq"]["eps"]
    # -inf would be kept, but the sampler cannot learn from it
    return [0.0 if math.isinf(value) else float(value) for value in (*inequalities, *equalities)]


def _same(a: Point, b: Point) -> bool:
    """Whether two points are equal."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same_value(a[key], b[key]) for key in a)
    return _same_value(a, b)


def _same_value(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b))
