"""What each part of the default sampler is worth: hypervolume regret with a part taken away or added, and many workers.

Parts: the model (the pool is tried in random order), mutations (random networks instead of children, and so no
evolutionary search on the model), neighbours of the front, and the acquisition (the networks that the model expects to
be best along a random ray are tried, whatever its uncertainty and the front); also with the reference point nearer to
the front. "with policy" adds MnasNet's controller, which is off by default. "with features" lets the model read numbers
that describe a network, on the tables that have them (nb201). "10 workers" asks for ten networks at once and tells
their results together, "100 workers" for a hundred; there, and in a space with conditions (``--problems
anb-zcu102-conditional``), a policy might be expected to help. All on the same tables, seeds and budgets.

    python studies/benchmarks/sampler_parts.py --tables DIR [--seeds 5] [--trials 200] [--jobs 2] [--json parts.json]
"""

from __future__ import annotations

import numpy as np
import optuna

import mnas_moo
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.settings import SearchSettings
from mnas_moo.studies.benchmarks import harness

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
    "with policy": (SearchSettings(policy=True), 1),
    "without model": (SearchSettings(search_rounds=0, acquisition="random"), 1),
    "without mutations": (SearchSettings(child_networks=0, search_rounds=0, random_networks=600), 1),
    "without neighbours": (SearchSettings(neighbour_networks=0), 1),
    "without acquisition": (SearchSettings(acquisition="mean"), 1),
    "reference point nearer": (SearchSettings(reference_margin=0.3, reference_errors=0.0), 1),
    "with features": (SearchSettings(), 1),
    "10 workers": (SearchSettings(), 10),
    "100 workers": (SearchSettings(), 100),
    "100 workers, with policy": (SearchSettings(policy=True), 100),
}
"""Variant -> settings, and networks asked for at once."""


def run(task: tuple[str, str, int, int, str]) -> tuple[str, str, dict[int, float]]:
    """One study: the regret at every mark up to its number of trials, and there."""
    variant, name, seed, trials, folder = task
    settings, workers = VARIANTS[variant]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = bench_table(name, folder)
    features = problem.features if variant == "with features" else None
    sampler = mnas_moo.MnasSampler(seed=seed, settings=settings, features=features)
    study = optuna.create_study(directions=list(problem.directions.values()), sampler=sampler)
    values = harness.search(problem, study, trials, workers)
    return variant, name, harness.regrets(problem, values, sorted({*MARKS, trials}))


def main() -> None:
    """Runs all and prints the table."""
    parser = harness.options(__doc__, tables="needed", seeds=5, trials=200, jobs=2)
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    arguments = parser.parse_args()
    tasks = [
        (variant, name, seed, arguments.trials, arguments.tables)
        for seed in range(arguments.seeds)
        for name in arguments.problems
        for variant in arguments.variants
    ]
    regrets: dict[str, dict[str, list[dict[int, float]]]] = {}
    for variant, name, marks in harness.in_processes(run, tasks, arguments.jobs):
        regrets.setdefault(variant, {}).setdefault(name, []).append(marks)
        harness.write_json(arguments.json, regrets)
    means = {
        variant: [float(np.mean([marks[arguments.trials] for marks in found[name]])) for name in arguments.problems]
        for variant, found in regrets.items()
    }
    print(f"mean regret at {arguments.trials} trials over {arguments.seeds} seeds")
    rows = []
    for variant in arguments.variants:
        relative = f"{np.mean(means[variant]) / np.mean(means['all parts']):.2f}" if "all parts" in means else ""
        rows.append([variant, *(f"{mean:.4f}" for mean in means[variant]), relative])
    print(harness.markdown(["variant", *arguments.problems, "relative"], rows))


if __name__ == "__main__":
    main()
