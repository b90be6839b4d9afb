"""The sampler as an algorithm of pymoo, on pymoo's own problems."""

from __future__ import annotations

import copy
import doctest
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

pytest.importorskip("pymoo", reason="the extra pymoo is not installed")

from pymoo.constraints.as_penalty import ConstraintsAsPenalty
from pymoo.constraints.eps import AdaptiveEpsilonConstraintHandling
from pymoo.core.callback import Callback
from pymoo.core.evaluator import Evaluator
from pymoo.core.mixed import MixedVariableSampling
from pymoo.core.population import Population
from pymoo.core.problem import ElementwiseProblem, Problem
from pymoo.core.variable import Binary, Choice, Integer, Real, Variable
from pymoo.indicators.hv import HV
from pymoo.operators.sampling.lhs import LHS
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.problems.single.knapsack import create_random_knapsack_problem
from pymoo.problems.static import StaticProblem
from pymoo.termination import get_termination

import mnas_moo.pymoo.algorithm
from mnas_moo import MnasSampler, hypervolume
from mnas_moo.objectives.front import is_feasible, pareto_mask
from mnas_moo.pymoo.algorithm import MnasAlgorithm

ROOT = Path(__file__).resolve().parents[2]


class Mixed(ElementwiseProblem):
    """The mixed-variable problem of pymoo's guide."""

    def __init__(self, **settings: Any) -> None:
        variables = {
            "b": Binary(),
            "x": Choice(options=["nothing", "multiply"]),
            "y": Integer(bounds=(-2, 2)),
            "z": Real(bounds=(-5, 5)),
        }
        super().__init__(vars=variables, n_obj=settings.pop("n_obj", 1), **settings)

    def _evaluate(self, x: dict[str, Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        value = x["z"] ** 2 + x["y"] ** 2
        if x["b"]:
            value = 100 * value
        if x["x"] == "multiply":
            value = 10 * value
        out["F"] = value


class Mixed2(Mixed):
    """The two-objective one of pymoo's guide."""

    def __init__(self) -> None:
        super().__init__(n_obj=2)

    def _evaluate(self, x: dict[str, Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        first = x["z"] ** 2 + x["y"] ** 2
        second = (x["z"] + 2) ** 2 + (x["y"] - 1) ** 2
        if x["b"]:
            second = 100 * second
        if x["x"] == "multiply":
            second = 10 * second
        out["F"] = [first, second]


class Grid(Problem):
    """Integers, with a circle to stay in and a line to stay on."""

    def __init__(self, n_eq_constr: int = 0, size: int = 9) -> None:
        super().__init__(
            n_var=2, n_obj=2, n_ieq_constr=1, n_eq_constr=n_eq_constr, xl=np.array([0, 0]), xu=size, vtype=int
        )

    def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        a, b = x.T.astype(float)
        out["F"] = np.column_stack([a + b, (a - 9) ** 2 + (b - 4) ** 2])
        out["G"] = (a - 5) ** 2 + (b - 5) ** 2 - 20
        if self.n_eq_constr:
            out["H"] = a - b


class Broken(Grid):
    """Two columns of the grid give no result: one NaN, one inf; a third has no violation that is a number."""

    def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super()._evaluate(x, out)
        out["F"][x[:, 0] % 4 == 0, 0] = np.nan
        out["F"][x[:, 0] % 4 == 1, 1] = np.inf
        out["G"][x[:, 0] % 4 == 2] = np.nan


def front_of(points: Population) -> set[tuple[float, ...]]:
    """The feasible front, worked out anew."""
    feasible = points[points.get("FEAS")[:, 0]]
    values = feasible.get("F")
    return set(map(tuple, values[pareto_mask(values)].tolist()))


PROBLEMS = {
    "real vector": lambda: get_problem("zdt1", n_var=5),
    "constraints": lambda: get_problem("bnh"),
    "tight constraints": lambda: get_problem("mw7", n_var=4),
    "inequality and equality": lambda: Grid(n_eq_constr=1),
    "one objective": lambda: get_problem("rastrigin", n_var=3),
    "three objectives": lambda: get_problem("dtlz2", n_var=5),
    "four objectives": lambda: get_problem("dtlz2", n_var=6, n_obj=4),
    "integers": Grid,
    "bits": lambda: create_random_knapsack_problem(12, seed=1),
    "mixed": Mixed,
    "mixed, two objectives": Mixed2,
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_pymoo_minimizes_with_it(name: str) -> None:
    problem = PROBLEMS[name]()
    result = minimize(problem, MnasAlgorithm(), ("n_eval", 40), seed=1)
    points = result.pop
    assert len(points) == result.algorithm.evaluator.n_eval == 40
    again = problem.evaluate(points.get("X"), return_as_dictionary=True)
    np.testing.assert_array_equal(again["F"], points.get("F"))
    if result.opt is None:
        assert not points.get("FEAS").any()
    elif problem.n_obj == 1:
        assert result.F[0] == points[points.get("FEAS")[:, 0]].get("F").min()
    else:
        assert set(map(tuple, result.F.tolist())) == front_of(points)


def test_points_have_the_types_and_bounds_of_the_variables() -> None:
    vectors = {
        float: get_problem("zdt1", n_var=5),
        int: Grid(),
        bool: create_random_knapsack_problem(12, seed=1),
    }
    for vtype, problem in vectors.items():
        points = minimize(problem, MnasAlgorithm(), ("n_eval", 20), seed=1).pop.get("X")
        assert points.dtype == vtype
        assert (problem.xl <= points).all()
        assert (problem.xu >= points).all()
    for x in minimize(Mixed(), MnasAlgorithm(), ("n_eval", 20), seed=1).pop.get("X"):
        assert [type(value) for value in x.values()] == [bool, str, int, float]
        assert x["x"] in ("nothing", "multiply")
        assert -2 <= x["y"] <= 2
        assert -5 <= x["z"] <= 5


def test_choices_of_any_type_come_back_as_they_are() -> None:
    options = ["a", 1, 1.5, None, (3, 5), np.array([1, 2])]

    class Options(ElementwiseProblem):
        def __init__(self) -> None:
            super().__init__(vars={7: Choice(options=options), "z": Real(bounds=(0, 1))}, n_obj=1)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            (index,) = (i for i, option in enumerate(options) if option is x[7])
            out["F"] = index + x["z"]

    result = minimize(Options(), MnasAlgorithm(), ("n_eval", 40), seed=1)
    assert {int(value) for value in result.pop.get("F")[:, 0]} == set(range(6))
    told = MnasAlgorithm(sampling=result.pop)
    minimize(Options(), told, ("n_gen", 1), copy_algorithm=False)
    assert len(told.trials.study.trials) == 40


def test_it_is_the_sampler_that_optuna_runs() -> None:
    def objective(trial: optuna.Trial) -> list[float]:
        return [float(f) for f in problem.evaluate(np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(5)]))]

    problem = get_problem("zdt1", n_var=5)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=MnasSampler(seed=3))
    study.optimize(objective, n_trials=30)
    result = minimize(problem, MnasAlgorithm(pop_size=1), ("n_eval", 30), seed=3)
    assert result.pop.get("F").tolist() == [trial.values for trial in study.trials]


def test_the_hypervolume_is_pymoos() -> None:
    result = minimize(get_problem("bnh"), MnasAlgorithm(), ("n_eval", 60), seed=1)
    reference = np.array([140.0, 50.0])
    assert hypervolume(result.F, reference) == pytest.approx(HV(ref_point=reference)(result.F), rel=1e-12)
    assert hypervolume(result.F, reference) > hypervolume(result.pop[:10].get("F"), reference)


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int | None) -> list[list[float]]:
        found: list[list[float]] = minimize(Grid(), MnasAlgorithm(), ("n_eval", 30), seed=seed).pop.get("X").tolist()
        return found

    state = np.random.get_state()[1].tolist()  # noqa: NPY002 (is the global one left alone?)
    assert run(1) == run(1)
    assert len({str(run(seed)) for seed in (1, 2, None, None)}) == 4
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_the_algorithm_that_is_given_stays_as_it_was() -> None:
    algorithm = MnasAlgorithm()
    first, second = (minimize(Grid(), algorithm, ("n_eval", 20), seed=1).F.tolist() for _ in range(2))
    assert first == second
    assert algorithm.problem is algorithm.pop is None


def test_asked_and_told_it_does_what_minimize_does() -> None:
    problem = get_problem("bnh")
    algorithm = MnasAlgorithm(pop_size=7)
    algorithm.setup(problem, termination=("n_gen", 4), seed=1, verbose=False)
    while algorithm.has_next():
        infills = algorithm.ask()
        assert len(infills) == 7
        algorithm.evaluator.eval(problem, infills)
        algorithm.tell(infills=infills)
    result = minimize(problem, MnasAlgorithm(pop_size=7), ("n_gen", 4), seed=1)
    assert algorithm.result().F.tolist() == result.F.tolist()
    assert len(algorithm.pop) == 28


def test_points_may_be_told_of_as_new_individuals_in_any_order_and_number() -> None:
    problem = get_problem("bnh")
    algorithm = MnasAlgorithm(pop_size=6).setup(problem, termination=("n_gen", 9), seed=1)
    first, second = algorithm.ask().get("X"), None
    for points in (first[:2], first[5:1:-1]):
        objectives, constraints = problem.evaluate(points)
        infills = Population.new("X", points)
        Evaluator().eval(StaticProblem(problem, F=objectives, G=constraints), infills)
        algorithm.tell(infills=infills)
        second = algorithm.ask().get("X")
    trials = algorithm.trials.study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6 + ["RUNNING"] * 12
    for trial in trials[:6]:
        assert trial.values == problem.evaluate(np.array(list(trial.params.values())))[0].tolist()
    assert np.array_equal(second, [list(trial.params.values()) for trial in trials[12:]])


def test_points_from_elsewhere_are_learnt_from() -> None:
    problem = Mixed()
    strangers = MixedVariableSampling()(problem, 5, random_state=np.random.default_rng(0))
    Evaluator().eval(problem, strangers)
    algorithm = MnasAlgorithm().setup(problem, termination=("n_gen", 3), seed=1)
    for infills in (algorithm.ask(), strangers):
        Evaluator().eval(problem, infills)
        algorithm.tell(infills=infills)
    trials = algorithm.trials.study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 15
    assert [trial.value for trial in trials[10:]] == strangers.get("F")[:, 0].tolist()
    assert [trial.params["z"] for trial in trials[10:]] == [x["z"] for x in strangers.get("X")]


@pytest.mark.parametrize("kind", ["array", "dicts", "population", "sampling"])
def test_a_run_begins_with_the_points_that_are_given(kind: str) -> None:
    if kind == "dicts":
        problem: Problem = Mixed()
        points: Any = MixedVariableSampling()(problem, 5, random_state=np.random.default_rng(0)).get("X").tolist()
        result = minimize(problem, MnasAlgorithm(sampling=points), ("n_gen", 2), seed=1)
        assert result.pop[:5].get("X").tolist() == points
        assert len(result.pop) == 15
        return
    problem = get_problem("bnh")
    points = np.array([[0.5, 1.5], [2.5, 2.0]])
    given = {"array": points, "sampling": LHS()}.get(kind, Population.new("X", points))
    if kind == "population":
        Evaluator().eval(problem, given)
    result = minimize(problem, MnasAlgorithm(sampling=given), ("n_gen", 2), seed=1)
    if kind == "sampling":
        assert len(result.pop) == 20
    else:
        np.testing.assert_array_equal(result.pop[:2].get("X"), points)
    assert result.algorithm.evaluator.n_eval == {"array": 12, "population": 10, "sampling": 20}[kind]


def test_termination_callback_display_and_history(capsys: pytest.CaptureFixture[str]) -> None:
    class Sizes(Callback):
        def __init__(self) -> None:
            super().__init__()
            self.data["sizes"] = []

        def notify(self, algorithm: Any) -> None:
            self.data["sizes"].append(len(algorithm.pop))

    result = minimize(
        get_problem("bnh"), MnasAlgorithm(), ("n_gen", 3), seed=1, callback=Sizes(), save_history=True, verbose=True
    )
    assert result.algorithm.callback.data["sizes"] == [10, 20, 30]
    assert [len(entry.pop) for entry in result.history] == [10, 20, 30]
    assert front_of(result.history[1].pop) == set(map(tuple, result.history[1].opt.get("F").tolist()))
    shown = capsys.readouterr()
    assert [line.split("|")[1].strip() for line in shown.out.splitlines() if "|" in line] == [
        "n_eval",
        "10",
        "20",
        "30",
    ]
    assert "n_nds" in shown.out
    assert shown.err == ""
    minimize(Mixed(), MnasAlgorithm(), ("n_gen", 1), seed=1, verbose=True)
    assert "f_min" in capsys.readouterr().out
    stopped = minimize(Mixed(), MnasAlgorithm(), get_termination("fmin", 1e9), seed=1)
    assert len(stopped.pop) == 10


@pytest.mark.parametrize("name", ["constraints", "mixed, two objectives"])
@pytest.mark.parametrize("way", ["deepcopy", "pickle", "history"])
def test_a_run_that_goes_on_from_a_checkpoint_equals_an_unbroken_one(name: str, way: str) -> None:
    problem = PROBLEMS[name]()
    unbroken = minimize(problem, MnasAlgorithm(), ("n_eval", 70), seed=1)
    algorithm = MnasAlgorithm()
    broken = minimize(problem, algorithm, ("n_eval", 40), seed=1, copy_algorithm=False, save_history=way == "history")
    if way == "deepcopy":
        checkpoint = copy.deepcopy(algorithm)
    elif way == "pickle":
        checkpoint = pickle.loads(pickle.dumps(algorithm))
    else:
        checkpoint = broken.history[1]
        checkpoint.history, checkpoint.callback, checkpoint.display = [], Callback(), lambda algorithm: None
        checkpoint.finalize = lambda: None
    checkpoint.termination = get_termination("n_eval", 70)
    resumed = minimize(problem, checkpoint, seed=1, copy_algorithm=False)
    assert [str(x) for x in resumed.pop.get("X")] == [str(x) for x in unbroken.pop.get("X")]
    assert resumed.F.tolist() == unbroken.F.tolist()
    if way == "deepcopy":  # and the original knows nothing of what its copy did
        assert len(algorithm.pop) == len(algorithm.trials.study.trials) == 40


def test_a_copy_with_points_under_way_goes_on_with_them() -> None:
    problem = Grid()
    algorithm = MnasAlgorithm().setup(problem, termination=("n_gen", 9), seed=1)
    infills = algorithm.ask()
    algorithm.evaluator.eval(problem, infills)
    found = []
    for each in (copy.deepcopy(algorithm), pickle.loads(pickle.dumps(algorithm)), algorithm):
        each.tell(infills=copy.deepcopy(infills))
        assert [trial.state.name for trial in each.trials.study.trials] == ["COMPLETE"] * 10
        found.append(each.ask().get("X").tolist())
    assert found[0] == found[1] == found[2]


def test_constraints_are_told_as_optuna_has_them() -> None:
    problem = Grid(n_eq_constr=1)
    result = minimize(problem, MnasAlgorithm(), ("n_eval", 60), seed=1)
    trials = result.algorithm.trials.study.trials
    for point, trial in zip(result.pop, trials, strict=True):
        assert list(trial.constraints.values()) == [point.G[0], abs(point.H[0]) - 1e-4]
        assert is_feasible(trial) == bool(point.FEAS[0])
    assert (result.G <= 0).all()
    assert (result.H == 0).all()
    assert len({bool(feasible) for feasible in result.pop.get("FEAS")[:, 0]}) == 2


def test_without_feasible_points_the_least_infeasible_is_the_optimum() -> None:
    class Nowhere(Grid):
        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"], out["G"] = np.ones((len(x), 2)), 1.0 + x[:, 0]

    problem = Nowhere()
    algorithm = MnasAlgorithm(return_least_infeasible=True)
    minimize(problem, algorithm, ("n_eval", 20), seed=1, copy_algorithm=False)
    assert algorithm.opt.get("CV").min() == algorithm.pop.get("CV").min()
    assert algorithm.result().opt is not None
    assert minimize(problem, MnasAlgorithm(), ("n_eval", 20), seed=1).opt is None


def test_evaluations_without_a_result_neither_end_the_run_nor_enter_the_front() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", optuna.exceptions.ExperimentalWarning)
        result = minimize(Broken(), MnasAlgorithm(), ("n_eval", 70), seed=1, verbose=False)
    assert np.isfinite(result.F).all()
    assert (result.X[:, 0] % 4 == 3).all()
    for point, trial in zip(result.pop, result.algorithm.trials.study.trials, strict=True):
        assert trial.state.name == ("COMPLETE" if point.X[0] % 4 == 3 else "FAIL")


@pytest.mark.parametrize("n_obj", [1, 2])
def test_a_run_in_which_everything_fails_ends_without_an_optimum(
    n_obj: int, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hopeless(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=2, n_obj=n_obj, xl=0, xu=1)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = np.full((len(x), n_obj), np.nan)

    result = minimize(Hopeless(), MnasAlgorithm(), ("n_eval", 30), seed=1, verbose=True)
    assert len(result.pop) == 30
    assert result.opt is None
    assert "30" in capsys.readouterr().out.splitlines()[-1]


def test_pymoos_default_termination_ends_a_run() -> None:
    algorithm = MnasAlgorithm(sampler=lambda seed, canonical: optuna.samplers.RandomSampler(seed=seed))
    for problem in (Mixed(), Mixed2(), Grid()):
        assert minimize(problem, algorithm, seed=1).opt is not None


def test_a_finite_problem_that_is_evaluated_whole_ends_the_run() -> None:
    problem = Grid(size=3)
    result = minimize(problem, MnasAlgorithm(), ("n_eval", 500), seed=1)
    assert len({tuple(x) for x in result.pop.get("X")}) == 16
    assert len(result.pop) < 30


def test_pymoos_wrappers_of_problems_and_algorithms_go_with_it() -> None:
    problem = ConstraintsAsPenalty(get_problem("g1"), penalty=100.0)
    assert len(minimize(problem, MnasAlgorithm(), ("n_eval", 20), seed=1).pop) == 20
    algorithm = AdaptiveEpsilonConstraintHandling(MnasAlgorithm(), perc_eps_until=0.5)
    result = minimize(get_problem("bnh"), algorithm, ("n_gen", 4), seed=1)
    assert (result.G <= 0).all()


def test_another_sampler_can_be_given() -> None:
    def sampler(seed: int, canonical: object) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=seed)

    result = minimize(Grid(), MnasAlgorithm(sampler=sampler), ("n_eval", 20), seed=1)
    assert len(result.pop) == 20


class Strange(Variable):
    """A variable of a kind of its own."""


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Problem(n_var=2, n_obj=1), "Problem has no bounds; give the problem xl and xu"),
        (Problem(n_var=2, n_obj=1, xl=0, xu=np.inf), "x0 has the bounds 0.0 and inf; both must be finite"),
        (Problem(vars={"n": Integer(bounds=(0, None))}), "n has the bounds 0 and None; both must be finite"),
        (Problem(vars={"s": Strange()}), "s is a Strange; it must be a Real, Integer, Binary or Choice"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_once(problem: Problem, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MnasAlgorithm().setup(problem, seed=1)


@pytest.mark.parametrize(
    ("problem", "x", "message"),
    [
        (Grid(), [3, 10], "x1 is 10; it must be a whole number from 0.0 to 9.0"),
        (Grid(), [2.5, 3], "x0 is 2.5; it must be a whole number from 0.0 to 9.0"),
        (Mixed(), {"b": True, "x": "add", "y": 0, "z": 0}, "x is 'add'; it must be one of 'nothing', 'multiply'"),
        (Mixed(), {"b": True, "x": "nothing", "y": 0, "z": 9}, "z is 9; it must be a number from -5 to 5"),
    ],
)
def test_a_point_that_is_none_of_the_problems_is_refused(problem: Problem, x: Any, message: str) -> None:
    algorithm = MnasAlgorithm(sampling=[x]).setup(problem, seed=1)
    infills = algorithm.ask()
    infills.set("F", np.zeros((1, problem.n_obj)), "G", np.zeros((1, problem.n_ieq_constr)))
    with pytest.raises(ValueError, match=re.escape(message)):
        algorithm.tell(infills=infills)


def test_a_population_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="pop_size is 0; it must be at least 1"):
        MnasAlgorithm(pop_size=0)


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(mnas_moo.pymoo.algorithm).failed == 0


def python(program: str, cwd: Path = ROOT) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_without_pymoo_the_message_names_the_extra() -> None:
    program = """
import sys
sys.modules["pymoo"] = None
from mnas_moo.objectives.extras import MissingExtraError
for module in ("mnas_moo.pymoo.algorithm", "mnas_moo.pymoo.problems"):
    try:
        __import__(module)
    except MissingExtraError as error:
        print(error)
"""
    lines = python(program).splitlines()
    assert len(lines) == 2
    assert all("install it with: pip install" in line and line.endswith("[pymoo]'") for line in lines)


def test_pymoo_is_loaded_only_where_it_is_used() -> None:
    modules = "mnas_moo, mnas_moo.spaces, mnas_moo.cli.main, mnas_moo.running.run, mnas_moo.sampler"
    assert python(f"import sys, {modules}; print('pymoo' in sys.modules)") == "False\n"


def test_the_page_shows_what_happens(tmp_path: Path) -> None:
    page = ROOT.joinpath("docs/pymoo.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    examples = [(text, blocks[i + 1]) for i, (language, text) in enumerate(blocks) if language == "python"]
    assert examples
    number = re.compile(r"\d+(?:\.\d+)?")
    for program, (language, output) in examples:
        assert language == "text"
        printed = python(program, tmp_path)
        # Another type of CPU rounds differently, and may choose another point somewhere: figures may differ a little.
        assert number.sub("#", printed) == number.sub("#", output)
        shown = [pytest.approx(float(each), rel=0.02) for each in number.findall(output)]
        assert [float(each) for each in number.findall(printed)] == shown
