"""The progressive sampler against others on tables with an order of growth, at equal budgets and with the same seeds.

Regret is the share of the best known hypervolume that is still missing. "dppnet, costs known" is told every objective
but the accuracy of all mutants, as DPP-Net computes or measures them; the other samplers are told nothing.

    python studies/benchmarks/progressive.py --tables DIR [--problems macro anb-zcu102] [--study STUDY.yaml]
        [--samplers dppnet mnas gp tpe nsga2 random] [--seeds 10] [--trials 160] [--jobs 2] [--json PATH]

``--study`` is a study file of a table of one's own, whose section `sampler: {dppnet: {steps: …}}` says the order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from mnas_moo.compare import contenders
from mnas_moo.compare.tabular_run import task_of
from mnas_moo.objectives.tabular.problem import TabularProblem
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.running.run import subject_of
from mnas_moo.running.samplers import growth_of
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.tabular_study import TabularStudy

PROBLEMS = ("macro", "anb-zcu102")
SAMPLERS = ("dppnet", "dppnet-costs", "mnas", "gp", "tpe", "nsga2", "random")
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the trials after which the regret is told."""


def problem_of(name: str, tables: str | None) -> TabularProblem:
    """A published table by its name, or the table of a study file."""
    if not name.endswith((".yaml", ".yml")):
        return bench_table(name, tables or ".")
    study_file = load_study_file(name, tables=tables)
    if not isinstance(study_file, TabularStudy):
        raise SystemExit(f"{name} is a study of networks; one of a table is needed")
    return dataclasses.replace(study_file.problem, growth=growth_of(study_file, subject_of(study_file)))


def regrets_of(task: tuple[str, str | None, str, int, int]) -> dict[str, Any]:
    """One run: the regret after each trial."""
    name, tables, sampler, seed, trials = task
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = problem_of(name, tables)
    seen = task_of(problem)
    if sampler == "dppnet-costs":

        def costs(params: Mapping[str, Any]) -> dict[int, float]:
            found = problem.measure(params)
            return {m: found[each] for m, each in enumerate(problem.directions) if each != "accuracy"}

        seen = dataclasses.replace(seen, computed=costs)
    made = contenders.make(sampler.removesuffix("-costs"), seed, seen)
    study = optuna.create_study(directions=list(problem.directions.values()), sampler=made)
    spent, values = harness.seconds(harness.search, problem, study, trials)
    curve = [problem.regret(np.array(values[:n])) for n in range(1, trials + 1)]
    return {"problem": name, "sampler": sampler, "seed": seed, "regret": curve, "seconds": spent}


def main() -> None:
    """Runs all and prints the mean regrets."""
    parser = harness.options(__doc__, tables="optional", seeds=10, trials=160, jobs=2)
    parser.add_argument("--problems", nargs="*", default=PROBLEMS, metavar="TABLE")
    parser.add_argument("--study", type=Path, metavar="FILE", help="a study file of a table, in place of --problems")
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS, metavar="NAME")
    arguments = parser.parse_args()
    problems = [str(arguments.study)] if arguments.study else list(arguments.problems)
    tables = None if arguments.tables is None else str(arguments.tables)
    tasks = [
        (problem, tables, sampler, seed, arguments.trials)
        for problem in problems
        for sampler in arguments.samplers
        for seed in range(arguments.seeds)
    ]
    runs = list(harness.in_processes(regrets_of, tasks, arguments.jobs))
    marks = [max(1, round(share * arguments.trials)) for share in SHARES]
    rows = []
    for problem in problems:
        for sampler in arguments.samplers:
            own = [run for run in runs if (run["problem"], run["sampler"]) == (problem, sampler)]
            mean = np.mean([run["regret"] for run in own], axis=0)
            worst = max(run["regret"][-1] for run in own)
            milliseconds = 1000 * np.mean([run["seconds"] for run in own]) / arguments.trials
            figures = [*(f"{mean[mark - 1]:.4f}" for mark in marks), f"{worst:.4f}", f"{milliseconds:.0f}"]
            rows.append([Path(problem).stem, sampler, *figures])
    head = ["table", "sampler", *(f"{mark} trials" for mark in marks), "worst", "ms a trial"]
    print(harness.markdown(head, rows, numbers=range(2, len(head))))
    harness.write_json(arguments.json, runs)


if __name__ == "__main__":
    main()
