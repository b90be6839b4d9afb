"""Our spaces as problems of pymoo, so that NSGA-II and every other algorithm of pymoo can search them.

``ParameterProblem`` is made from parameters and a function, ``SpaceProblem`` from a space and objectives, and
``study_problem`` makes either from a study file. pymoo minimises everything: a maximised objective is negated, and a
bound becomes an inequality constraint G <= 0 (Blank & Deb 2020, "pymoo: Multi-Objective Optimization in Python").
"""

# ruff: noqa: E402 (the check that pymoo is installed comes before its import)

from __future__ import annotations

import functools
import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.objectives.extras import MissingExtraError, require
from mnas_moo.objectives.front import minimised

require("pymoo", extra="pymoo")

from pymoo.core.problem import ElementwiseProblem  # type: ignore[import-untyped]
from pymoo.core.variable import Choice, Integer, Real, Variable  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import os

    from mnas_moo.objectives.objective import Objective
    from mnas_moo.objectives.tabular.problem import TabularProblem
    from mnas_moo.spaces.space import Space

Floats = npt.NDArray[np.float64]
Point = Any
"""A point of a pymoo problem: a vector, or a dict from variable names to values."""

FAILURE = "failure"
"""Key of the reason for an individual's failed evaluation: ``res.pop.get("failure")``; "" if it did not fail."""


class ParameterProblem(ElementwiseProblem):  # type: ignore[misc]
    """A pymoo problem made from Optuna's parameters and a function that measures them.

    Without continuous parameters, a point is a vector of integers, one for each parameter that has more than one
    value: the index of the value, with numbers in ascending order. ``vtype`` is int, and pymoo's integer operators
    apply. With continuous parameters, a point is a dict of Real (the logarithm of a logarithmic parameter), Integer
    (the index of a number) and Choice (the index of a category), for pymoo's mixed-variable operators. ``params`` and
    ``x`` translate both kinds of points; floats in place of integers are rounded.

    An evaluation that raises or gives a value that is not finite does not end the run: F and all G become inf (NaN
    would break non-dominated sorting), the reason is stored with the individual under ``failure``, and the first one
    is reported by a warning. A missing extra ends the run.

    >>> import numpy as np
    >>> from optuna.distributions import CategoricalDistribution
    >>> kernels = {f"kernel{i}": CategoricalDistribution([3, 5, 7]) for i in range(4)}
    >>> def measure(params):
    ...     return {"accuracy": sum(params.values()) / 25, "latency_ms": sum(k**2 for k in params.values())}
    >>> problem = ParameterProblem(kernels, measure, {"accuracy": "maximize", "latency_ms": "minimize"})
    >>> problem.params([0, 1, 2, 0])
    {'kernel0': 3, 'kernel1': 5, 'kernel2': 7, 'kernel3': 3}
    >>> problem.evaluate(np.array([0, 1, 2, 0])).tolist()
    [-0.72, 92.0]

    Args:
        distributions: distribution of every parameter that can exist, in decision order.
        measure: function from the parameters' values to numbers by name: all objectives and bounded quantities.
        directions: name of each objective -> "minimize" or "maximize", in order.
        bounds: name of a quantity -> (minimum, maximum), None: no such bound. Each bound gives one G: value - maximum,
            then minimum - value.
        exists: for a conditional space, function of a parameter's name and the values of those before it that tells
            whether the parameter exists. ``measure`` receives only parameters that exist; points hold all.
        canonical: function from values to the one representative of all with the same meaning; for ``MnasAlgorithm``.
        **settings: arguments of pymoo's ``Problem``, for example ``elementwise_runner``.

    Raises:
        ValueError: no parameter has more than one value, there is no objective, or a direction is unknown.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        measure: Callable[[dict[str, Any]], Mapping[str, float]],
        directions: Mapping[str, str],
        bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
        *,
        exists: Callable[[str, Mapping[str, Any]], bool] | None = None,
        canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        **settings: Any,
    ) -> None:
        self.distributions = dict(distributions)
        self.measure = measure
        self.directions = dict(directions)
        self.exists, self.canonical = exists, canonical
        self.limits = [
            (name, sign, limit)
            for name, (least, most) in (bounds or {}).items()
            for sign, limit in ((1.0, most), (-1.0, least))
            if limit is not None
        ]
        self.stack = ExitStack()  # closed with the problem
        self._warned = False
        if not self.directions:
            raise ValueError("directions is empty; it must name at least one objective, as minimize or maximize")
        minimised(np.zeros(len(self.directions)), list(self.directions.values()))
        free = {name: dist for name, dist in self.distributions.items() if not dist.single()}
        if not free:
            raise ValueError("no parameter has more than one value; there is nothing to search")
        if any(n_values(dist) is None for dist in free.values()):
            space: dict[str, Any] = {"vars": {name: _variable(dist) for name, dist in free.items()}}
        else:
            xu = np.array([float(cast(int, n_values(dist)) - 1) for dist in free.values()])
            space = {"n_var": len(free), "xl": np.zeros(len(free)), "xu": xu, "vtype": int}
        self._free = free
        super().__init__(n_obj=len(self.directions), n_ieq_constr=len(self.limits), **space, **settings)

    def params(self, x: Point) -> dict[str, Any]:
        """The values, at a point, of the parameters that exist there."""
        place = x if isinstance(x, Mapping) else dict(zip(self._free, x, strict=True))
        params: dict[str, Any] = {}
        for name, dist in self.distributions.items():
            if self.exists is None or self.exists(name, params):
                params[name] = _value(dist, place.get(name, 0))
        return params

    def x(self, params: Mapping[str, Any]) -> Point:
        """The point with given values; parameters that are not given have their first value.

        Raises:
            ValueError: a value is not in its parameter's distribution.
        """
        place = {name: _place(name, dist, params[name]) if name in params else 0 for name, dist in self._free.items()}
        return place if hasattr(self, "vars") else np.array(list(place.values()), dtype=int)

    def values(self, F: npt.ArrayLike) -> Floats:  # noqa: N803
        """Objective values (..., M) of pymoo in their own directions: maximised ones are negated back."""
        return minimised(F, list(self.directions.values())) + 0.0  # no negative zeros

    def _evaluate(self, x: Point, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        params = self.params(x)
        failure = ""
        measured: Mapping[str, float] = {}
        try:
            measured = self.measure(params)
        except MissingExtraError:
            raise
        except Exception as error:
            failure = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            failure = failure or type(error).__name__
        if not failure:
            wanted = [*self.directions, *(name for name, _, _ in self.limits)]
            missing = [name for name in wanted if name not in measured]
            if missing:
                raise ValueError(f"measure gave {', '.join(measured) or 'nothing'}, but not {', '.join(missing)}")
            failure = ", ".join(f"{name} is {measured[name]}" for name in wanted if not math.isfinite(measured[name]))
        if failure:
            out["F"] = np.full(self.n_obj, np.inf)
            exceeded = np.full(self.n_ieq_constr, np.inf)
            if not self._warned:
                self._warned = True
                text = f"the evaluation of {params} failed and counts as inf: {failure}; further ones are not warned of"
                warnings.warn(text, stacklevel=2)
        else:
            out["F"] = minimised([measured[name] for name in self.directions], list(self.directions.values()))
            exceeded = np.array([sign * (measured[name] - limit) for name, sign, limit in self.limits])
        out[FAILURE] = failure
        if self.n_ieq_constr:
            out["G"] = exceeded

    def close(self) -> None:
        """Releases what the objectives of a study file hold, such as devices and processes."""
        self.stack.close()

    def __enter__(self) -> ParameterProblem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __deepcopy__(self, memo: object) -> ParameterProblem:
        """The problem itself: pymoo copies it with every entry of a history, and it may hold tables or devices."""
        return self


class SpaceProblem(ParameterProblem):
    """A pymoo problem made from a space of networks and objectives.

    A network is measured once, even if several points mean it, with the same seed as by ``mnas-moo run``.

    >>> from mnas_moo import spaces
    >>> from mnas_moo.objectives.counts import Count
    >>> space = spaces.get("mnasnet", width=0.25, resolution=32)
    >>> problem = SpaceProblem(space, [Count("multiply_adds_m")], constraints=[(Count("parameters_m"), None, 0.2)])
    >>> problem.n_obj, problem.n_ieq_constr, problem.n_var == len(space.distributions)
    (1, 1, True)

    Args:
        space: space of the networks.
        objectives: objectives in order.
        constraints: (measured quantity, minimum, maximum), None: no such bound.
        **settings: arguments of pymoo's ``Problem``, for example ``elementwise_runner``.
    """

    def __init__(
        self,
        space: Space,
        objectives: Iterable[Objective],
        constraints: Iterable[tuple[Objective, float | None, float | None]] = (),
        **settings: Any,
    ) -> None:
        objectives, constraints = list(objectives), list(constraints)
        self.space = space
        self._objectives = {each.name: each for each in (*(each for each, _, _ in constraints), *objectives)}
        self._known: dict[str, dict[str, float]] = {}
        super().__init__(
            space.distributions,
            self._measure,
            {each.name: each.direction for each in objectives},
            {each.name: (least, most) for each, least, most in constraints},
            canonical=space.canonical,
            **settings,
        )

    def _measure(self, params: Mapping[str, Any]) -> dict[str, float]:
        from mnas_moo.spaces.text import to_text

        spec = self.space.spec(params).canonical()
        network = to_text(spec)
        if network not in self._known:
            seed = zlib.crc32(network.encode())  # depends on the network, as in a run of a study file
            self._known[network] = {name: each.measure(spec, seed).value for name, each in self._objectives.items()}
        return self._known[network]


def study_problem(study_file: str | os.PathLike[str], **settings: Any) -> ParameterProblem:
    """The problem of a study file: its parameters, objectives and constraints, without its storage.

    The randomness of a measurement (a training, a noisy table) depends on the parameters alone, so that equal
    parameters give equal values. Use the problem in a ``with`` statement, or close it, to release devices and
    processes of its objectives.

    >>> with study_problem("digits") as problem:
    ...     problem.n_obj, dict(problem.directions)
    (2, {'accuracy': 'maximize', 'latency_ms': 'minimize'})

    Args:
        study_file: path of a study file, or name of a bundled study.
        **settings: arguments of pymoo's ``Problem``, for example ``elementwise_runner``.

    Raises:
        StudyError: the study file has an error.
        MissingExtraError: the study needs a package that is not installed.
    """
    from mnas_moo.running.run import subject_of
    from mnas_moo.running.trials import Observer
    from mnas_moo.study_file.load import load_study_file
    from mnas_moo.study_file.tabular_study import TabularStudy

    study = load_study_file(study_file)
    subject: Any = subject_of(study)
    if isinstance(study, TabularStudy):
        table = study.problem
        looked_up = functools.partial(_looked_up, table)
        return ParameterProblem(
            table.distributions, looked_up, table.directions, table.bounds, exists=table.exists, **settings
        )
    with ExitStack() as stack:
        subject.prepare(stack, Observer())
        measured = subject.objectives
        limits = [(measured[name], *bounds) for name, bounds in study.limits.items()]
        problem = SpaceProblem(subject.space, [measured[name] for name in study.objective_names], limits, **settings)
        problem.stack = stack.pop_all()
    return problem


def _looked_up(table: TabularProblem, params: Mapping[str, Any]) -> Mapping[str, float]:
    return table.measure(params, np.random.default_rng(zlib.crc32(repr(params).encode())))


def n_values(dist: BaseDistribution) -> int | None:
    """The number of values of a parameter; None: it is continuous.

    >>> n_values(IntDistribution(16, 64, step=16)), n_values(FloatDistribution(0, 1))
    (4, None)
    """
    if isinstance(dist, CategoricalDistribution):
        return len(dist.choices)
    assert isinstance(dist, FloatDistribution | IntDistribution)
    return None if dist.step is None else round((dist.high - dist.low) / dist.step) + 1


def _variable(dist: BaseDistribution) -> Variable:
    """The variable of a mixed problem that stands for a parameter; see ``ParameterProblem``."""
    count = n_values(dist)
    if count is None:
        assert isinstance(dist, FloatDistribution)
        return Real(bounds=(math.log(dist.low), math.log(dist.high)) if dist.log else (dist.low, dist.high))
    if isinstance(dist, CategoricalDistribution):
        return Choice(options=list(range(count)))
    return Integer(bounds=(0, count - 1))


def _value(dist: BaseDistribution, place: float) -> Any:
    """The value of a parameter from its coordinate, which is rounded and clipped to the distribution."""
    count = n_values(dist)
    if count is None:
        assert isinstance(dist, FloatDistribution)
        return float(min(max(math.exp(place) if dist.log else place, dist.low), dist.high))
    index = min(max(round(place), 0), count - 1)
    if isinstance(dist, CategoricalDistribution):
        return dist.choices[index]
    assert isinstance(dist, FloatDistribution | IntDistribution) and dist.step is not None
    return min(dist.low + index * dist.step, dist.high)


def _place(name: str, dist: BaseDistribution, value: Any) -> float:
    """The coordinate of a parameter's value in a point."""
    try:
        contained = dist._contains(internal := dist.to_internal_repr(value))
    except ValueError:
        contained = False
    if not contained:
        raise ValueError(f"{name} is {value!r}; it must be one of {dist}")
    if isinstance(dist, CategoricalDistribution):
        return int(internal)
    assert isinstance(dist, FloatDistribution | IntDistribution)
    if dist.step is None:
        return math.log(value) if dist.log else float(value)
    index: int = round((value - dist.low) / dist.step)
    return index
