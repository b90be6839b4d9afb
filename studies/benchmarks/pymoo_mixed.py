"""Mixed variables: our sampler as pymoo's algorithm, against pymoo's own and Optuna's, on pymoo's test problems.

- ``guide``: the two-objective problem of pymoo's guide ("Mixed Variable Problems"): bit, choice, integer, real.
- ``zdt1``: ZDT1 of ten variables, half of them on 2, 4, 8, 16 and 32 levels, the way mixed-integer test problems are
  made of real ones (Tusar, Brockhoff & Hansen 2019, "Mixed-Integer Benchmark Problems").
- ``welded-beam``: two objectives, four constraints; weld and beam are as thick as a multiple of 1/16 inch.
- ``vessel``: a pressure vessel, one objective, four constraints; two plates as thick as a multiple of 1/16 inch.

Everybody gets the same number of evaluations and the same seeds, and is as shipped: MixedVariableGA and NSGA2 with the
mixed-variable operators of pymoo's guide, Optuna's samplers with a seed. Regret is the share of hypervolume that is
missing to the front of all runs together; with one objective, the relative distance to the best value of all runs. It
is 1 while nothing feasible was found, and never more. p: Wilcoxon's signed-rank test over the seeds against ours.

    python studies/benchmarks/pymoo_mixed.py [--seeds 10] [--trials 200] [--problems guide zdt1 welded-beam vessel]
        [--contenders mnas ...] [--json pymoo_mixed.json]
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowding  # type: ignore[import-untyped]
from pymoo.core.algorithm import Algorithm  # type: ignore[import-untyped]
from pymoo.core.mixed import (  # type: ignore[import-untyped]
    MixedVariableDuplicateElimination,
    MixedVariableGA,
    MixedVariableMating,
    MixedVariableSampling,
)
from pymoo.core.problem import ElementwiseProblem  # type: ignore[import-untyped]
from pymoo.core.variable import Binary, Choice, Integer, Real, Variable  # type: ignore[import-untyped]
from pymoo.optimize import minimize  # type: ignore[import-untyped]
from pymoo.problems import get_problem  # type: ignore[import-untyped]
from scipy.stats import wilcoxon  # type: ignore[import-untyped]

from mnas_moo.objectives.front import hypervolume
from mnas_moo.pymoo.algorithm import MnasAlgorithm
from mnas_moo.studies.benchmarks import harness

Floats = npt.NDArray[np.float64]
Evaluate = Callable[[Mapping[str, Any]], tuple[list[float], list[float]]]

CHECKPOINTS = (50, 100, 200, 400)
"""Evaluations after which the regret is shown, as far as they go."""


@dataclass(frozen=True)
class Case:
    """A problem.

    Attributes:
        variables: variables by name.
        evaluate: function that gives objectives (minimised) and constraints (kept at or below 0) of a point.
        reference: worst objective values that count; None for one objective.
    """

    variables: Mapping[str, Variable]
    evaluate: Evaluate
    reference: tuple[float, ...] | None


@dataclass
class Run:
    """What one contender evaluated with one seed, in order.

    Attributes:
        objectives: objective values of each evaluation, minimised.
        feasible: whether each evaluation kept all constraints.
        seconds: duration of the run.
    """

    objectives: list[list[float]] = field(default_factory=list)
    feasible: list[bool] = field(default_factory=list)
    seconds: float = 0.0

    def found(self, trials: int) -> Floats:
        """(N, M) objectives of the feasible ones among the first evaluations."""
        return np.array([f for f, kept in zip(self.objectives[:trials], self.feasible, strict=False) if kept])


def guide() -> Case:
    """Bit, choice, integer and real."""

    def evaluate(x: Mapping[str, Any]) -> tuple[list[float], list[float]]:
        first = x["z"] ** 2 + x["y"] ** 2
        second = (x["z"] + 2) ** 2 + (x["y"] - 1) ** 2
        factor = (100 if x["b"] else 1) * (10 if x["x"] == "multiply" else 1)
        return [first, factor * second], []

    variables = {
        "b": Binary(),
        "x": Choice(options=["nothing", "multiply"]),
        "y": Integer(bounds=(-2, 2)),
        "z": Real(bounds=(-5, 5)),
    }
    return Case(variables, evaluate, (5.5, 5.5))


def zdt1() -> Case:
    """Five reals and five integers."""
    problem = get_problem("zdt1", n_var=10)
    levels = {1: 2, 3: 4, 5: 8, 7: 16, 9: 32}
    variables = {
        f"x{i}": Integer(bounds=(0, levels[i] - 1)) if i in levels else Real(bounds=(0.0, 1.0)) for i in range(10)
    }

    def evaluate(x: Mapping[str, Any]) -> tuple[list[float], list[float]]:
        place = [x[f"x{i}"] / (levels[i] - 1) if i in levels else x[f"x{i}"] for i in range(10)]
        return problem.evaluate(np.array(place, dtype=float)).tolist(), []

    return Case(variables, evaluate, (1.1, 5.0))


def inches(name: str, thick: tuple[int, ...], scale: float, reference: tuple[float, ...] | None) -> Case:
    """A problem of pymoo's of four variables, some of which are multiples of 1/16 inch."""
    problem = get_problem(name)
    variables: dict[str, Variable] = {}
    for i, (low, high) in enumerate(zip(problem.xl, problem.xu, strict=True)):
        whole = (round(low / scale), round(high / scale))
        variables[f"x{i}"] = Integer(bounds=whole) if i in thick else Real(bounds=(float(low), float(high)))

    def evaluate(x: Mapping[str, Any]) -> tuple[list[float], list[float]]:
        place = [x[f"x{i}"] * (scale if i in thick else 1.0) for i in range(4)]
        objectives, constraints = problem.evaluate(np.array(place, dtype=float))
        return objectives.tolist(), constraints.tolist()

    return Case(variables, evaluate, reference)


CASES: dict[str, Callable[[], Case]] = {
    "guide": guide,
    "zdt1": zdt1,
    "welded-beam": lambda: inches("welded_beam", (0, 3), 1 / 16, (40.0, 0.016)),
    "vessel": lambda: inches("pressure_vessel", (0, 1), 1.0, None),  # pymoo counts in sixteenths itself
}


class Recorded(ElementwiseProblem):  # type: ignore[misc]
    """A case as a problem of pymoo that notes what is evaluated."""

    def __init__(self, case: Case, run: Run) -> None:
        middle = {name: _middle(variable) for name, variable in case.variables.items()}
        objectives, constraints = case.evaluate(middle)
        super().__init__(vars=dict(case.variables), n_obj=len(objectives), n_ieq_constr=len(constraints))
        self.case, self.record = case, run

    def _evaluate(self, x: Mapping[str, Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        out["F"], out["G"] = _evaluated(self.case, self.record, x)


def _middle(variable: Variable) -> Any:
    if isinstance(variable, Choice):
        return variable.options[0]
    return False if isinstance(variable, Binary) else sum(variable.bounds) // 2


def _evaluated(case: Case, run: Run, x: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    objectives, constraints = case.evaluate(x)
    run.objectives.append([float(value) for value in objectives])
    run.feasible.append(all(value <= 0 for value in constraints))
    return objectives, constraints


def _pymoo(make: Callable[[Case], Algorithm]) -> Callable[[Case, int, int], Run]:
    def search(case: Case, trials: int, seed: int) -> Run:
        run = Run()
        minimize(Recorded(case, run), make(case), ("n_eval", trials), seed=seed, copy_algorithm=False)
        return run

    return search


def _optuna(make: Callable[..., optuna.samplers.BaseSampler]) -> Callable[[Case, int, int], Run]:
    def suggest(trial: optuna.Trial, name: str, variable: Variable) -> Any:
        if isinstance(variable, Choice):
            return trial.suggest_categorical(name, list(variable.options))
        if isinstance(variable, Binary):
            return trial.suggest_categorical(name, [False, True])
        if isinstance(variable, Integer):
            return trial.suggest_int(name, *variable.bounds)
        return trial.suggest_float(name, *variable.bounds)

    def search(case: Case, trials: int, seed: int) -> Run:
        run = Run()

        def objective(trial: optuna.Trial) -> list[float]:
            x = {name: suggest(trial, name, variable) for name, variable in case.variables.items()}
            objectives, constraints = _evaluated(case, run, x)
            for i, value in enumerate(constraints):
                trial.set_constraint(f"g{i}", value)
            return objectives

        n_objectives = 1 if case.reference is None else len(case.reference)
        study = optuna.create_study(directions=["minimize"] * n_objectives, sampler=make(seed=seed))
        study.optimize(objective, n_trials=trials)
        return run

    return search


def _mixed_ga(case: Case) -> Algorithm:
    return MixedVariableGA() if case.reference is None else MixedVariableGA(survival=RankAndCrowding())


def _nsga2(case: Case) -> Algorithm:
    return NSGA2(
        pop_size=50,
        sampling=MixedVariableSampling(),
        mating=MixedVariableMating(eliminate_duplicates=MixedVariableDuplicateElimination()),
        eliminate_duplicates=MixedVariableDuplicateElimination(),
    )


CONTENDERS: dict[str, Callable[[Case, int, int], Run]] = {
    "mnas": _pymoo(lambda case: MnasAlgorithm()),
    "pymoo MixedVariableGA": _pymoo(_mixed_ga),
    "pymoo NSGA2": _pymoo(_nsga2),
    "optuna NSGA-II": _optuna(optuna.samplers.NSGAIISampler),
    "optuna TPE": _optuna(optuna.samplers.TPESampler),
    "random": _optuna(optuna.samplers.RandomSampler),
}


def regret(case: Case, found: Floats, everything: Floats) -> float:
    """How far a run's feasible points are from those of all runs, in [0, 1]."""
    if not len(found):
        return 1.0
    if case.reference is None:
        best = everything.min()
        return float(min(1.0, (found.min() - best) / abs(best)))
    return 1.0 - hypervolume(found, case.reference) / hypervolume(everything, case.reference)


def compare(problem: str, contenders: list[str], seeds: int, trials: int) -> dict[str, dict[str, Any]]:
    """Regrets at the checkpoints by seed, p against ours, and milliseconds an evaluation, by contender."""
    case = CASES[problem]()
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for seed in range(seeds):
        for name in contenders:
            seconds, run = harness.seconds(CONTENDERS[name], case, trials, seed)
            run.seconds = seconds
            runs[name].append(run)
    feasible = [run.found(trials) for each in runs.values() for run in each]
    everything = np.concatenate([points for points in feasible if len(points)])
    checkpoints = [n for n in CHECKPOINTS if n < trials] + [trials]
    result: dict[str, dict[str, Any]] = {}
    for name, each in runs.items():
        regrets = {str(n): [regret(case, run.found(n), everything) for run in each] for n in checkpoints}
        milliseconds = 1e3 * float(np.mean([run.seconds for run in each])) / trials
        result[name] = {"regret": regrets, "milliseconds": milliseconds, "p": None}
    if "mnas" in result:
        ours = result["mnas"]["regret"][str(trials)]
        for name in contenders:
            theirs = result[name]["regret"][str(trials)]
            if theirs != ours:
                result[name]["p"] = float(wilcoxon(ours, theirs).pvalue)
    return result


def main() -> None:
    """Prints a table a problem."""
    parser = harness.options(__doc__, seeds=10, trials=200)
    parser.add_argument("--problems", nargs="+", choices=CASES, default=list(CASES), help="problems (default: all)")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="searches (default: all)"
    )
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

    results: dict[str, dict[str, dict[str, Any]]] = {}
    for problem in arguments.problems:
        result = compare(problem, arguments.contenders, arguments.seeds, arguments.trials)
        results[problem] = result
        checkpoints = list(next(iter(result.values()))["regret"])
        print(f"\n{problem}: regret after so many evaluations, mean of {arguments.seeds} seeds (standard error)")
        head = "".join(f"{n:>16}" for n in checkpoints)
        print(f"{'':24}{head}{'p':>10}{'ms':>8}")
        for name, figures in result.items():
            cells = ""
            for values in figures["regret"].values():
                error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
                cells += f"{f'{np.mean(values):.4f} ({error:.4f})':>16}"
            p = "" if figures["p"] is None else f"{figures['p']:.3f}"
            print(f"{name:24}{cells}{p:>10}{figures['milliseconds']:8.1f}")
    settings = {"seeds": arguments.seeds, "trials": arguments.trials}
    harness.write_json(arguments.json, {**settings, "problems": results})


if __name__ == "__main__":
    main()
