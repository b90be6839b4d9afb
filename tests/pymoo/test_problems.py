"""Our spaces as problems of pymoo, searched by pymoo's own algorithms."""

from __future__ import annotations

import copy
import doctest
import math
import pickle
import re
import zlib
from collections.abc import Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

pytest.importorskip("pymoo", reason="the extra pymoo is not installed")

from pymoo.algorithms.moo.cmopso import CMOPSO
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowding
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2
from pymoo.algorithms.soo.nonconvex.cmaes import CMAES
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.core.mixed import MixedVariableGA
from pymoo.core.variable import Choice, Integer, Real
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize
from pymoo.parallelization import StarmapParallelization
from pymoo.util.ref_dirs import get_reference_directions

import mnas_moo.pymoo.problems
from mnas_moo import spaces
from mnas_moo.objectives.counts import Count
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.pymoo import MnasAlgorithm, ParameterProblem, SpaceProblem, study_problem
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import to_text

OPERATORS: dict[str, Any] = {
    "sampling": IntegerRandomSampling(),
    "crossover": SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
    "mutation": PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
}
"""Of integers, as pymoo's guide has them."""

DISCRETE: dict[str, BaseDistribution] = {
    "kernel": CategoricalDistribution([3, 5, 7]),
    "operation": CategoricalDistribution(["conv", None, True]),
    "fixed": CategoricalDistribution(["only"]),
    "layers": IntDistribution(1, 4),
    "filters": IntDistribution(16, 64, step=16),
    "nodes": IntDistribution(1, 64, log=True),
    "width": FloatDistribution(0.25, 1.0, step=0.25),
}
MIXED: dict[str, BaseDistribution] = {
    **DISCRETE,
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
}
FIRST = {
    "kernel": 3,
    "operation": "conv",
    "fixed": "only",
    "layers": 1,
    "filters": 16,
    "nodes": 1,
    "width": 0.25,
}


def measure(params: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy (more is better), latency, and size, which is bounded in some tests."""
    size = params["kernel"] * params["layers"] * params["filters"] / 64
    accuracy = 1 - math.exp(-size / 10) - 0.1 * abs(math.log10(params.get("rate", 1e-3)) + 3)
    return {"accuracy": accuracy, "latency_ms": size + params["nodes"] * params["width"], "size": size}


DIRECTIONS = {"accuracy": "maximize", "latency_ms": "minimize"}


def test_every_value_of_a_parameter_has_its_place() -> None:
    problem = ParameterProblem(DISCRETE, measure, DIRECTIONS)
    assert problem.n_var == 6
    assert problem.vtype is int
    assert problem.xl.tolist() == [0] * 6
    assert problem.xu.tolist() == [2, 2, 3, 3, 63, 3]
    assert problem.params([0] * 6) == FIRST
    assert problem.x(FIRST).tolist() == [0] * 6
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = rng.integers(0, problem.xu.astype(int) + 1)
        params = problem.params(x)
        assert problem.x(params).tolist() == x.tolist()
        for name, dist in DISCRETE.items():
            assert dist._contains(dist.to_internal_repr(params[name]))
    last = {"kernel": 7, "operation": True, "layers": 4, "filters": 64, "nodes": 64, "width": 1.0}
    assert problem.params(problem.xu) == {**FIRST, **last}
    assert type(problem.params(problem.xu)["filters"]) is int


def test_with_continuous_parameters_the_problem_is_a_mixed_one() -> None:
    problem = ParameterProblem(MIXED, measure, DIRECTIONS)
    assert {name: type(variable) for name, variable in problem.vars.items()} == {
        "kernel": Choice,
        "operation": Choice,
        "layers": Integer,
        "filters": Integer,
        "nodes": Integer,
        "width": Integer,
        "rate": Real,
        "dropout": Real,
    }
    assert problem.vars["rate"].bounds == pytest.approx((math.log(1e-5), math.log(1e-1)))
    params = {**FIRST, "operation": None, "filters": 48, "rate": 1e-3, "dropout": 0.25}
    x = problem.x(params)
    assert x == {**dict.fromkeys(x, 0), "operation": 1, "filters": 2, "rate": math.log(1e-3), "dropout": 0.25}
    assert problem.params(x) == {**params, "rate": pytest.approx(1e-3, rel=1e-14)}


def test_floats_between_the_places_are_rounded_and_clipped() -> None:
    problem = ParameterProblem(DISCRETE, measure, DIRECTIONS)
    x = np.array([0.4, 1.6, 9.0, -3.0, 0.0, 2.51])
    assert problem.params(x) == {**FIRST, "operation": True, "layers": 4, "width": 1.0}


def test_maximised_objectives_are_negated_and_bounds_become_constraints() -> None:
    bounds = {"size": (1.0, 2.0), "latency_ms": (None, 5.0), "accuracy": (None, None)}
    problem = ParameterProblem(DISCRETE, measure, DIRECTIONS, bounds)
    x = problem.x({**FIRST, "layers": 4})
    values = measure({**FIRST, "layers": 4})
    objectives, exceeded = problem.evaluate(x)
    assert objectives.tolist() == [-values["accuracy"], values["latency_ms"]]
    assert exceeded.tolist() == [values["size"] - 2.0, 1.0 - values["size"], values["latency_ms"] - 5.0]
    assert problem.values(objectives).tolist() == [values["accuracy"], values["latency_ms"]]
    assert problem.values(np.stack([objectives, objectives])).shape == (2, 2)


def test_parameters_that_do_not_exist_are_not_measured() -> None:
    distributions = {
        "layers": IntDistribution(1, 3),
        **{f"kernel{i}": CategoricalDistribution([3, 5]) for i in range(3)},
    }
    seen: list[dict[str, Any]] = []

    def exists(name: str, params: Mapping[str, Any]) -> bool:
        return name == "layers" or int(name[-1]) < params["layers"]

    def count(params: dict[str, Any]) -> dict[str, float]:
        seen.append(params)
        return {"kernels": sum(value for name, value in params.items() if name != "layers"), "layers": params["layers"]}

    directions = {"kernels": "minimize", "layers": "maximize"}
    problem = ParameterProblem(distributions, count, directions, exists=exists)
    assert problem.params([1, 1, 0, 1]) == {"layers": 2, "kernel0": 5, "kernel1": 3}
    assert problem.x({"layers": 2, "kernel0": 5, "kernel1": 3}).tolist() == [1, 1, 0, 0]
    for algorithm in (NSGA2(pop_size=10, **OPERATORS), MnasAlgorithm()):
        seen.clear()
        result = minimize(problem, algorithm, ("n_gen", 4), seed=1)
        assert {tuple(params) for params in seen} <= {tuple(distributions)[: n + 1] for n in (1, 2, 3)}
        assert set(map(tuple, problem.values(result.F).tolist())) == {(3.0, 1.0), (6.0, 2.0), (9.0, 3.0)}


def test_no_evaluation_ends_the_run_and_the_reason_is_kept() -> None:
    def sometimes(params: dict[str, Any]) -> dict[str, float]:
        if params["layers"] == 2:
            raise ValueError("no memory")
        if params["layers"] == 3:
            raise KeyError("lost")
        return {**measure(params), **({"accuracy": math.nan} if params["layers"] == 4 else {})}

    problem = ParameterProblem(DISCRETE, sometimes, DIRECTIONS, {"size": (None, 5.0)})
    with pytest.warns(UserWarning, match=r"the evaluation of \{'kernel': .*\} failed and counts as inf: ") as warned:
        result = minimize(problem, NSGA2(pop_size=20, **OPERATORS), ("n_gen", 3), seed=1, save_history=True)
    assert len(warned) == 1
    reasons = {2: "no memory", 3: "KeyError: 'lost'", 4: "accuracy is nan", 1: ""}
    for entry in result.history:
        for point in entry.off:
            reason = reasons[problem.params(point.X)["layers"]]
            assert point.data["failure"] == reason
            assert np.isfinite(point.F).all() == np.isfinite(point.G).all() == (reason == "")
    assert {problem.params(x)["layers"] for x in result.X} == {1}


def test_a_missing_extra_and_a_missing_value_end_the_run() -> None:
    def missing(params: dict[str, Any]) -> dict[str, float]:
        raise MissingExtraError("torchvision is not installed")

    with pytest.raises(MissingExtraError):
        ParameterProblem(DISCRETE, missing, DIRECTIONS).evaluate(np.zeros(6))
    with pytest.raises(ValueError, match="measure gave accuracy, latency_ms, size, but not energy, memory"):
        ParameterProblem(DISCRETE, measure, {**DIRECTIONS, "energy": "minimize"}, {"memory": (None, 1.0)}).evaluate(
            np.zeros(6)
        )


@pytest.mark.parametrize(
    ("distributions", "directions", "message"),
    [
        ({"a": CategoricalDistribution([1])}, DIRECTIONS, "no parameter has more than one value"),
        (DISCRETE, {}, "directions is empty"),
        (DISCRETE, {"accuracy": "up"}, "directions are ['up'] for 1 objectives"),
    ],
)
def test_what_is_no_problem_is_refused(
    distributions: dict[str, BaseDistribution], directions: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ParameterProblem(distributions, measure, directions)


@pytest.mark.parametrize(("name", "value"), [("kernel", 4), ("layers", 9), ("width", 2.0)])
def test_a_value_that_is_not_the_parameters_has_no_place(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be one of"):
        ParameterProblem(DISCRETE, measure, DIRECTIONS).x({**FIRST, name: value})


def agemoea() -> Any:
    pytest.importorskip("numba", reason="pymoo compiles this algorithm")
    from pymoo.algorithms.moo.age import AGEMOEA

    return AGEMOEA


DIRECTED = get_reference_directions("uniform", 2, n_partitions=19)
SEVERAL = {
    "NSGA2": lambda: NSGA2(pop_size=20, **OPERATORS),
    "NSGA2 of floats": lambda: NSGA2(pop_size=20),
    "NSGA3": lambda: NSGA3(DIRECTED, **OPERATORS),
    "AGEMOEA": lambda: agemoea()(pop_size=20, **OPERATORS),
    "SMSEMOA": lambda: SMSEMOA(pop_size=20, **OPERATORS),
    "SPEA2": lambda: SPEA2(pop_size=20, **OPERATORS),
    "MOEAD": lambda: MOEAD(DIRECTED, **OPERATORS),
    "CMOPSO": lambda: CMOPSO(pop_size=20),
    "ours": MnasAlgorithm,
}
ONE = {
    "GA": lambda: GA(pop_size=20, **OPERATORS),
    "DE": lambda: DE(pop_size=20),
    "PSO": lambda: PSO(pop_size=20),
    "CMAES": CMAES,
    "ours": MnasAlgorithm,
}


def sometimes_broken(params: dict[str, Any]) -> dict[str, float]:
    if params["nodes"] % 7 == 3:
        raise ValueError("broken")
    return measure(params)


@pytest.mark.filterwarnings("ignore:the evaluation of")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of pymoo's, which subtracts inf from inf
@pytest.mark.parametrize("name", SEVERAL)
def test_algorithms_for_several_objectives_run_on_it(name: str) -> None:
    problem = ParameterProblem(DISCRETE, sometimes_broken, DIRECTIONS)
    result = minimize(problem, SEVERAL[name](), ("n_eval", 100), seed=1)
    assert np.isfinite(result.F).all()
    for x, f in zip(result.X, result.F, strict=True):
        values = measure(problem.params(x))
        assert problem.values(f).tolist() == [values["accuracy"], values["latency_ms"]]


@pytest.mark.filterwarnings("ignore:the evaluation of")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ONE)
def test_algorithms_for_one_objective_run_on_it(name: str) -> None:
    problem = ParameterProblem(DISCRETE, sometimes_broken, {"latency_ms": "minimize"}, {"accuracy": (0.1, None)})
    result = minimize(problem, ONE[name](), ("n_eval", 100), seed=1)
    assert np.isfinite(result.F).all()
    assert (result.G <= 0).all()


def test_mixed_algorithms_run_on_a_mixed_one() -> None:
    problem = ParameterProblem(MIXED, measure, DIRECTIONS, {"size": (None, 5.0)})
    theirs = MixedVariableGA(pop_size=20, survival=RankAndCrowding())
    for algorithm in (theirs, MnasAlgorithm()):
        result = minimize(problem, algorithm, ("n_eval", 60), seed=1)
        assert (result.G <= 0).all()
        for x in result.X:
            assert 1e-5 <= problem.params(x)["rate"] <= 1e-1
    sampled = result.algorithm.trials.study.trials
    for point, trial in zip(result.pop, sampled, strict=True):
        params = problem.params(point.X)
        assert {**params, "rate": None} == {**trial.params, "rate": None}
        assert params["rate"] == pytest.approx(trial.params["rate"], rel=1e-12)


def test_ours_sees_the_parameters_and_not_their_places() -> None:
    problem = ParameterProblem(DISCRETE, measure, DIRECTIONS)
    result = minimize(problem, MnasAlgorithm(), ("n_eval", 20), seed=1)
    for point, trial in zip(result.pop, result.algorithm.trials.study.trials, strict=True):
        assert trial.distributions == DISCRETE
        assert problem.params(point.X) == trial.params


def test_a_copy_is_the_same_problem_and_a_pickle_an_equal_one() -> None:
    problem = ParameterProblem(MIXED, measure, DIRECTIONS)
    assert copy.deepcopy(problem) is problem
    x = np.array([problem.x({**FIRST, "rate": 1e-3, "dropout": 0.0})])
    assert pickle.loads(pickle.dumps(problem)).evaluate(x).tolist() == problem.evaluate(x).tolist()


class Seen:
    """An objective that notes what it measures."""

    name = "accuracy"
    direction: Direction = "maximize"

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        self.seen.append((to_text(spec), seed))
        return Measurement(1 - math.exp(-spec.multiply_adds / 1e6))

    def close(self) -> None:
        """Nothing is held."""


SPACE = spaces.get("mnasnet", width=0.25, resolution=32)


def test_a_space_and_objectives_are_a_problem() -> None:
    problem = SpaceProblem(SPACE, [Seen(), Count("multiply_adds_m")], [(Count("parameters_m"), 0.05, 0.2)])
    assert (problem.n_obj, problem.n_ieq_constr, problem.n_var) == (2, 2, len(SPACE.distributions))
    params = SPACE.params(SPACE.random(np.random.default_rng(0)))
    spec = SPACE.spec(params)
    objectives, exceeded = problem.evaluate(problem.x(params))
    assert problem.values(objectives).tolist() == [1 - math.exp(-spec.multiply_adds / 1e6), spec.multiply_adds / 1e6]
    assert exceeded.tolist() == pytest.approx([spec.parameters / 1e6 - 0.2, 0.05 - spec.parameters / 1e6])
    for algorithm in (NSGA2(pop_size=20, **OPERATORS), MnasAlgorithm()):
        result = minimize(problem, algorithm, ("n_eval", 60), seed=1)
        assert (result.G <= 0).all()
        assert pareto_mask(problem.values(result.F), ["maximize", "minimize"]).all()


def test_a_network_is_measured_once_with_the_randomness_of_a_run() -> None:
    objective = Seen()
    problem = SpaceProblem(SPACE, [objective])
    result = minimize(problem, GA(pop_size=20, **OPERATORS), ("n_eval", 60), seed=1, save_history=True)
    points = np.concatenate([entry.off.get("X") for entry in result.history])
    networks = {to_text(SPACE.spec(problem.params(x)).canonical()) for x in points}
    assert sorted(text for text, _ in objective.seen) == sorted(networks)
    assert all(seed == zlib.crc32(text.encode()) for text, seed in objective.seen)


def test_points_are_evaluated_in_parallel_as_one_after_the_other() -> None:
    with ThreadPool(3) as pool:
        runner = StarmapParallelization(pool.starmap)
        found = [
            minimize(SpaceProblem(SPACE, [Count("parameters_m")], **settings), MnasAlgorithm(), ("n_eval", 30), seed=1)
            for settings in ({}, {"elementwise_runner": runner})
        ]
    assert found[0].pop.get("F").tolist() == found[1].pop.get("F").tolist()


def test_ours_tries_no_network_twice_though_its_points_differ() -> None:
    objective = Seen()
    result = minimize(SpaceProblem(SPACE, [objective]), MnasAlgorithm(), ("n_eval", 60), seed=1)
    assert len(objective.seen) == len(result.pop) == 60


STUDY = """\
name: counted
storage: sqlite:///counted.db
space: {mnasnet: {width: 0.25, resolution: 32}}
data: digits
objectives: {parameters_m: {}, multiply_adds_m: {}}
constraints: {peak_memory_mb: {max: 0.05}}
sampler: {mnas: {seed: 0}}
trials: 10
"""


def test_a_study_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the extra data is not installed")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("study.yaml").write_text(STUDY, encoding="utf-8")
    with study_problem("study.yaml") as problem:
        assert list(problem.directions.items()) == [("parameters_m", "minimize"), ("multiply_adds_m", "minimize")]
        x = problem.xu
        spec = problem.space.spec(problem.params(x)).canonical()
        assert spec.classes == 10
        objectives, exceeded = problem.evaluate(x)
        assert objectives.tolist() == [spec.parameters / 1e6, spec.multiply_adds / 1e6]
        assert exceeded.tolist() == [spec.peak_memory_bytes / 1e6 - 0.05]
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_a_study_of_a_table_is_a_problem(tmp_path: Path) -> None:
    rows = [f"{width},{depth},{width * depth},{depth}" for width in (16, 32, 64) for depth in (1, 2, 3)]
    tmp_path.joinpath("past.csv").write_text("\n".join(["width,depth,size,time", *rows]) + "\n", encoding="utf-8")
    study = f"""\
name: past
storage: sqlite:///past.db
table:
  file: {tmp_path / "past.csv"}
  parameters: [width, depth]
  objectives: {{size: maximize, time: minimize}}
sampler: {{mnas: {{seed: 0}}}}
trials: 5
"""
    tmp_path.joinpath("study.yaml").write_text(study, encoding="utf-8")
    problem = study_problem(tmp_path / "study.yaml")
    result = minimize(problem, NSGA2(pop_size=10, **OPERATORS), ("n_gen", 5), seed=1)
    assert sorted(problem.values(result.F).tolist()) == [[64.0, 1.0], [128.0, 2.0], [192.0, 3.0]]


def test_what_a_study_file_opened_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the extra data is not installed")
    closed: list[str] = []
    monkeypatch.setattr(Count, "close", lambda self: closed.append(self.name))
    tmp_path.joinpath("study.yaml").write_text(STUDY, encoding="utf-8")
    with study_problem(tmp_path / "study.yaml"):
        assert closed == []
    assert sorted(closed) == ["multiply_adds_m", "parameters_m", "peak_memory_mb"]


def test_the_examples_in_the_docstrings_are_right() -> None:
    pytest.importorskip("sklearn", reason="the extra data is not installed")
    pytest.importorskip("ai_edge_litert", reason="the extra host is not installed")
    assert doctest.testmod(mnas_moo.pymoo.problems).failed == 0
