"""What each part of the default sampler is worth: hypervolume regret with one part taken away, and with ten workers.

Parts: the policy (no imitation, no practice, none of its proposals), the model (the pool is tried in random order),
mutations (random networks instead of children, and so no evolutionary search on the model), neighbours of the front,
and the acquisition (the networks that the model expects to be best along a random ray are tried, whatever its
uncertainty and the front). "10 workers" asks for ten networks at once and tells their results together. All on the
same tables, seeds and budgets.

    python studies/benchmarks/sampler_parts.py --tables DIR [--seeds 5] [--trials 200] [--jobs 2] [--json parts.json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import optuna

import mnas_moo
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.settings import SearchSettings

PROBLEMS = [
    "macro",
    "nb201-cifar10-pixel3",
    "nb201-cifar100-raspi4",
    "nb201-imagenet16-a50",
    "anb-zcu102",
    "anb-a100",
]
MARKS = (100, 200, 400, 1000)


VARIANTS: dict[str, tuple[SearchSettings, int]] = {
    "all parts": (SearchSettings(), 1),
    "without policy": (SearchSettings(imitation_steps=0, practice_rounds=0, policy_networks=0), 1),
    "without model": (SearchSettings(practice_rounds=0, search_rounds=0, acquisition="random"), 1),
    "without mutations": (SearchSettings(child_networks=0, search_rounds=0, random_networks=600), 1),
    "without neighbours": (SearchSettings(neighbour_networks=0), 1),
    "without acquisition": (SearchSettings(acquisition="mean"), 1),
    "10 workers": (SearchSettings(), 10),
}
"""Variant -> settings, and networks asked for at once."""


def run(task: tuple[str, str, int, int, str]) -> tuple[str, str, dict[int, float]]:
    """One study: the regret at every mark up to its number of trials."""
    variant, name, seed, trials, folder = task
    settings, workers = VARIANTS[variant]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = bench_table(name, folder)
    sampler = mnas_moo.MnasSampler(seed=seed, settings=settings)
    study = optuna.create_study(directions=list(problem.directions.values()), sampler=sampler)
    values: list[list[float]] = []
    while len(values) < trials:
        asked = [study.ask() for _ in range(min(workers, trials - len(values)))]
        found = [problem.measure(problem.suggest(trial)) for trial in asked]
        for trial, measured in zip(asked, found, strict=True):
            values.append([measured[objective] for objective in problem.directions])
            study.tell(trial, values[-1])
    marks = [*(mark for mark in MARKS if mark < trials), trials]
    return variant, name, {mark: problem.regret(np.array(values[:mark])) for mark in marks}


def main() -> None:
    """Runs all and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="folder of the tables")
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("sampler_parts.json"))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [
        (variant, name, seed, arguments.trials, arguments.tables)
        for seed in range(arguments.seeds)
        for name in arguments.problems
        for variant in arguments.variants
    ]
    regrets: dict[str, dict[str, list[dict[int, float]]]] = {}
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        for variant, name, marks in pool.imap_unordered(run, tasks):
            regrets.setdefault(variant, {}).setdefault(name, []).append(marks)
            arguments.json.write_text(json.dumps(regrets, indent=1))
    mark = arguments.trials
    print(f"mean regret at {mark} trials over {arguments.seeds} seeds")
    print("| variant |" + "".join(f" {name} |" for name in arguments.problems) + " relative |")
    print("|---|" + "---|" * (len(arguments.problems) + 1))
    whole = regrets.get("all parts", {})
    for variant in arguments.variants:
        means = [np.mean([marks[mark] for marks in regrets[variant][name]]) for name in arguments.problems]
        relative = ""
        if whole:
            base = [np.mean([marks[mark] for marks in whole[name]]) for name in arguments.problems]
            relative = f"{np.mean(means) / np.mean(base):.2f}"
        print(f"| {variant} |" + "".join(f" {mean:.4f} |" for mean in means) + f" {relative} |")


if __name__ == "__main__":
    main()
