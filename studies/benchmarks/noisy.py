"""What it is worth to tell the sampler how noisy each result is: true regret with standard errors told and not told.

A published table answers with Gaussian noise on its accuracy, the same in both runs of a seed. The noise is equal for
all trials, or unequal: a network counts as trained once, four times or sixteen times at random, so that its standard
error is twice, once or half of ``--deviation``. Three regrets, all of true values: of all networks tried; of those on
the front of the noisy results, which a user sees (``study.best_trials``); and of those on the model's front, whose
values are expected ones. "optimism" is how much better the accuracy of the seen front looks than it is.

    python studies/benchmarks/noisy.py --tables DIR [--seeds 8] [--trials 100] [--deviation 0.01] [--json noisy.json]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import optuna

import mnas_moo
from mnas_moo.genomes.history import STANDARD_ERRORS, History
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.tabular.problem import TabularProblem
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.settings import DEFAULTS
from mnas_moo.studies.benchmarks import harness
from mnas_moo.surrogate.surrogate import Surrogate, Transfer
from mnas_moo.surrogate.view import Reader

TABLES = ("macro", "nb201-cifar10-pixel3", "anb-zcu102")
NOISES = ("equal", "unequal")
TRAININGS = (1, 4, 16)
"""Numbers of trainings of a network where noise is unequal; the standard error is that of four where it is equal."""
CONTENDERS = ("not told", "told")


@dataclasses.dataclass(frozen=True)
class Task:
    """One study: a table, the kind of its noise, whether errors are told, seed, trials, deviation, folder of tables."""

    table: str
    noise: str
    contender: str
    seed: int
    trials: int
    deviation: float
    folder: str


@dataclasses.dataclass(frozen=True)
class Figures:
    """Regrets of the networks tried, on the front seen, and on the model's front; optimism in accuracy."""

    tried: float
    seen: float
    model: float
    optimism: float


def error_of(noise: str, deviation: float, rng: np.random.Generator) -> float:
    """The standard error of one result."""
    trainings = 4 if noise == "equal" else int(rng.choice(TRAININGS))
    return deviation * float(np.sqrt(4 / trainings))


def search(
    problem: TabularProblem, study: optuna.Study, task: Task
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """True and noisy objective values (N, M) of a study's trials."""
    accuracy = list(problem.directions).index("accuracy")
    true: list[list[float]] = []
    noisy: list[list[float]] = []
    while len(true) < task.trials:
        trial = study.ask()
        found = problem.measure(problem.suggest(trial))
        values = [found[objective] for objective in problem.directions]
        true.append(list(values))
        rng = np.random.default_rng([task.seed, trial.number])  # the same noise for both contenders
        error = error_of(task.noise, task.deviation, rng)
        values[accuracy] += error * float(rng.standard_normal())
        if task.contender == "told":
            trial.set_user_attr(STANDARD_ERRORS, [error if m == accuracy else 0.0 for m in range(len(values))])
        noisy.append(values)
        study.tell(trial, values)
    return np.array(true), np.array(noisy)


def model_front(problem: TabularProblem, study: optuna.Study) -> list[int]:
    """Numbers of the trials on the front that the sampler's model expects."""
    history = History()
    history.read(study.get_trials(deepcopy=False))
    signs = problem.minimised(np.ones(len(problem.directions)))
    surrogate = Surrogate(history.finished, signs, {}, Transfer(), DEFAULTS, np.random.default_rng(0), Reader())
    return [record.number for record, kept in zip(history.finished, surrogate.front, strict=True) if kept]


def run(task: Task) -> tuple[Task, Figures]:
    """One study and what came out of it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = bench_table(task.table, task.folder)
    directions = list(problem.directions.values())
    study = optuna.create_study(directions=directions, sampler=mnas_moo.MnasSampler(seed=task.seed))
    true, noisy = search(problem, study, task)
    seen = pareto_mask(problem.minimised(noisy))
    accuracy = list(problem.directions).index("accuracy")
    figures = Figures(
        tried=problem.regret(true),
        seen=problem.regret(true[seen]),
        model=problem.regret(true[model_front(problem, study)]),
        optimism=float((noisy - true)[seen, accuracy].mean()),
    )
    return task, figures


def rows(figures: Sequence[tuple[Task, Figures]]) -> list[list[str]]:
    """A row for each table, noise and contender: means over seeds."""
    lines = []
    for table in TABLES:
        for noise in NOISES:
            for contender in CONTENDERS:
                own = [f for t, f in figures if (t.table, t.noise, t.contender) == (table, noise, contender)]
                means = np.mean([dataclasses.astuple(each) for each in own], axis=0)
                lines.append([table, noise, contender, *(f"{mean:.4f}" for mean in means)])
    return lines


def main() -> None:
    """Runs all and prints a table."""
    parser = harness.options(__doc__, tables="needed", seeds=8, trials=100, jobs=1)
    parser.add_argument("--deviation", type=float, default=0.01, help="of an accuracy, a fraction (default: 0.01)")
    arguments = parser.parse_args()
    tasks = [
        Task(table, noise, contender, seed, arguments.trials, arguments.deviation, str(arguments.tables))
        for seed in range(arguments.seeds)
        for table in TABLES
        for noise in NOISES
        for contender in CONTENDERS
    ]
    found = sorted(harness.in_processes(run, tasks, arguments.jobs), key=lambda pair: tasks.index(pair[0]))
    harness.write_json(arguments.json, [dataclasses.asdict(task) | dataclasses.asdict(each) for task, each in found])
    print(f"mean of {arguments.seeds} seeds after {arguments.trials} trials, deviation {arguments.deviation}")
    head = ["table", "noise", "errors", "regret: tried", "seen front", "model's front", "optimism"]
    print(harness.markdown(head, rows(found), numbers=range(3, 7)))


if __name__ == "__main__":
    main()
