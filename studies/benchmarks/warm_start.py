"""What a warm start saves: regret over new trials, cold and after each kind of earlier trials.

On a phone's table: cold; with 200 random trials of the same phone in the study already (another sampler's); with the
ten best of those queued first (``enqueue_trial``), as a list of published networks would be; and with another phone's
study of 400 trials as ``source``, whose accuracy is shared. Earlier trials never count for the regret, queued ones do.

    python studies/benchmarks/warm_start.py --tables DIR [--seeds 5] [--trials 100] [--jobs 2] [--json warm_start.json]
"""

from __future__ import annotations

import numpy as np
import optuna

import mnas_moo
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.studies.benchmarks import harness
from mnas_moo.studies.benchmarks.harness import search

PHONES = {"anb-zcu102": "anb-a100", "nb201-cifar10-pixel3": "nb201-cifar10-raspi4"}
"""Tables, and the other phone of each."""
STARTS = ("cold", "200 random trials", "10 networks queued", "another phone's study")
MARKS = (25, 50, 100, 200)


def run(task: tuple[str, str, int, int, str]) -> tuple[str, str, dict[int, float]]:
    """One study: the regret at every mark."""
    name, start, seed, trials, folder = task
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = bench_table(name, folder)
    directions = list(problem.directions.values())
    earlier = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=seed))
    sampler = mnas_moo.MnasSampler(seed=seed)
    if start == "another phone's study":
        other = bench_table(PHONES[name], folder)
        source = optuna.create_study(directions=directions, sampler=mnas_moo.MnasSampler(seed=seed + 1000))
        search(other, source, 400)
        sampler = mnas_moo.MnasSampler(seed=seed, source=source, shared={0: 0})
    elif start != "cold":
        search(problem, earlier, 200)
    study = optuna.create_study(directions=directions, sampler=sampler)
    if start == "200 random trials":
        study.add_trials(earlier.trials)
    elif start == "10 networks queued":
        front = pareto_mask([trial.values for trial in earlier.trials], earlier.directions)
        for place in np.flatnonzero(front)[:10]:
            study.enqueue_trial(earlier.trials[place].params)
    return name, start, harness.regrets(problem, search(problem, study, trials), MARKS)


def main() -> None:
    """Runs all and prints a table for each phone."""
    arguments = harness.options(__doc__, tables="needed", seeds=5, trials=100, jobs=2).parse_args()
    tasks = [
        (name, start, seed, arguments.trials, arguments.tables)
        for seed in range(arguments.seeds)
        for name in PHONES
        for start in STARTS
    ]
    regrets: dict[str, dict[str, list[dict[int, float]]]] = {}
    for name, start, marks in harness.in_processes(run, tasks, arguments.jobs):
        regrets.setdefault(name, {}).setdefault(start, []).append(marks)
    harness.write_json(arguments.json, regrets)
    marks_shown = [mark for mark in MARKS if mark <= arguments.trials]
    print(f"mean regret after so many new trials, {arguments.seeds} seeds")
    lines = []
    for name in PHONES:
        for start in STARTS:
            means = [np.mean([marks[mark] for marks in regrets[name][start]]) for mark in marks_shown]
            lines.append([name, start, *(f"{mean:.4f}" for mean in means)])
    print(harness.markdown(["table", "start", *map(str, marks_shown)], lines))


if __name__ == "__main__":
    main()
