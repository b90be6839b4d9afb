"""Time per trial of the samplers, learning included, as a study grows.

One study a sampler, in memory, 40 categorical parameters of three choices, two objectives that cost nothing: what is
left is Optuna and the sampler. The studies advance in turns of 100 trials, so that whatever else the machine does
falls on all alike, and the whole is repeated; the medians of the repeats are reported.

    python studies/benchmarks/sampler_cost.py [--trials 10000] [--repeats 3] [--json sampler_cost.json]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import optuna

import mnas_moo
from mnas_moo.studies.benchmarks import harness

PARAMETERS = 40
CHOICES = [0, 1, 2]
TURN = 100


def static(trial: optuna.Trial) -> tuple[float, float]:
    """Accuracy that grows with the choices, latency that grows faster."""
    values = [trial.suggest_categorical(f"p{i}", CHOICES) for i in range(PARAMETERS)]
    return sum(values) / (2 * PARAMETERS), 10.0 + sum(value**2 for value in values)


def conditional(trial: optuna.Trial) -> tuple[float, float]:
    """As many parameters a trial, but half of their names depend on the first one."""
    half = trial.suggest_categorical("half", [0, 1])
    names = [f"p{i}" if i % 2 else f"p{i}.{half}" for i in range(PARAMETERS - 1)]
    values = [trial.suggest_categorical(name, CHOICES) for name in names]
    return sum(values) / (2 * PARAMETERS), 10.0 + sum(value**2 for value in values)


def paper() -> mnas_moo.MnasSampler:
    """The published configuration."""
    return mnas_moo.MnasSampler.paper(reward=mnas_moo.MnasReward(target=60.0), seed=0)


CASES: dict[str, tuple[Callable[[], optuna.samplers.BaseSampler], Callable[[optuna.Trial], tuple[float, float]]]] = {
    "random (Optuna itself)": (lambda: optuna.samplers.RandomSampler(seed=0), static),
    "nsga2": (lambda: optuna.samplers.NSGAIISampler(seed=0), static),
    "mnas-paper": (paper, static),
    "mnas-paper, conditional space": (paper, conditional),
    "nsga2, conditional space": (lambda: optuna.samplers.NSGAIISampler(seed=0), conditional),
    "mnas": (lambda: mnas_moo.MnasSampler(seed=0), static),
    "mnas, 50 trials modelled": (lambda: mnas_moo.MnasSampler(seed=0, model_trials=50), static),
    "tpe": (lambda: optuna.samplers.TPESampler(seed=0), static),
}


def run(trials: int, cases: list[str]) -> dict[str, list[float]]:
    """Seconds of every turn, by case."""
    studies = {
        case: optuna.create_study(directions=["maximize", "minimize"], sampler=CASES[case][0]()) for case in cases
    }
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(trials // TURN):
        for case, study in studies.items():
            seconds[case].append(harness.seconds(study.optimize, CASES[case][1], n_trials=TURN)[0])
    return seconds


def main() -> None:
    """Prints a table of milliseconds a trial."""
    parser = harness.options(__doc__, trials=10_000)
    parser.add_argument("--repeats", type=int, default=3, help="times the whole is repeated (default: %(default)s)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="which (default: all)")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    ends = [0, 500, 1000, 2000, 4000, 8000, 10_000]
    windows = [(a, b) for a, b in itertools.pairwise(ends) if b <= arguments.trials]
    runs = [run(arguments.trials, arguments.cases) for _ in range(arguments.repeats)]
    result = {
        case: harness.medians(
            [{f"{a}-{b}": 1e3 * sum(r[case][a // TURN : b // TURN]) / (b - a) for a, b in windows} for r in runs]
        )
        for case in arguments.cases
    }
    print(f"ms per trial, {PARAMETERS} parameters, median of {arguments.repeats}")
    print(f"{'trials':30}" + "".join(f"{f'{a}-{b}':>12}" for a, b in windows))
    for case, figures in result.items():
        print(f"{case:30}" + "".join(f"{figure:12.2f}" for figure in figures.values()))
    harness.write_json(arguments.json, {"ms_per_trial": result, "repeats": arguments.repeats})


if __name__ == "__main__":
    main()
