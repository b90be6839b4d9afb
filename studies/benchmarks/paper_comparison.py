"""The MnasNet paper's own comparisons, made again on tables of real networks (Tan et al. 2019, sec. 3, 4.1, 4.2 and 6).

- ``reward``: hard against soft reward: which latencies the published search samples, early and late (fig. 6), and
  why: the entropy of its choices, the reward along the best known front, and the settings nobody published.
- ``front``: published searches for several targets, joined, against one search for the whole front.
- ``controller``: the published controller against NSGA-II and random search, by the reward and by the front.
- ``space``: the factorised space against the flat one, on handwritten digits, timed on this machine.

The first three need the tables of Accel-NASBench. What was run is written to a JSON; tables and plots are made of that
alone (``paper_comparison_page.py``), so a part can be run again by itself.

    python studies/benchmarks/paper_comparison.py --tables DIR [--parts reward front controller space] [--seeds 3]
        [--trials N] [--output build/paper-comparison.json] [--page docs/paper-comparison.md]
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

import mnas_moo
from mnas_moo import spaces
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.tabular.problem import TabularProblem
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.studies.benchmarks import harness, paper_comparison_page
from mnas_moo.studies.benchmarks.paper_comparison_page import BINS, ENTROPY_TRIALS, FAST, PUBLISHED, SLOW

Floats = npt.NDArray[np.float64]
Summary = dict[str, Any]

TABLES = {"anb-zcu102": "lat_zcu102", "anb-a100": "lat_a100"}
"""Tables, and how the file of their best known front is called."""
TRIALS = {"reward": 8000, "front": 1000, "controller": 8000, "space": 30}
"""Trials of a run. 8,000 is the paper's own number (sec. 5)."""
TARGET_QUANTILE = 0.25
"""T is the latency that this share of random networks keeps: most break it, and it is well inside the front's range."""
TARGETS = (0.05, 0.25, 0.5, 0.75)
"""The targets of ``front``, likewise."""
LONGER = 4
"""The published searches of ``front`` go on for so many times the trials: at the equal number they have just begun."""
RANDOM = 4000
"""Random networks that T is taken from, and that stand beside the searches."""


@dataclass(frozen=True)
class Arm:
    """A published search.

    Attributes:
        alpha: the reward's exponent up to the target.
        beta: the same above it.
        aim: the target, in units of T.
        settings: arguments of ``MnasSampler.paper`` that are not left as they are.
    """

    alpha: float
    beta: float
    aim: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


ARMS = {name: Arm(*exponents) for name, exponents in PUBLISHED.items()}
"""As published."""
VARIANTS = {
    "soft, aimed at 2 T": Arm(-0.07, -0.07, aim=2.0),
    "soft, entropy bonus x 100": Arm(-0.07, -0.07, settings={"entropy": 1e-3}),
    "soft, one pass of PPO": Arm(-0.07, -0.07, settings={"epochs": 1}),
    "hard, one pass of PPO": Arm(0.0, -1.0, settings={"epochs": 1}),
}
"""One thing changed in each, to see what the spread of the samples depends on."""
OTHERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "NSGA-II": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "MnasSampler()": lambda seed: mnas_moo.MnasSampler(seed=seed),
}

_Row = tuple[list[float], list[float], float]
"""Of a trial: its genome, its accuracy and latency, and the CPU seconds since the search began."""


@dataclass(frozen=True)
class Run:
    """The N trials of one search, in order.

    Attributes:
        genomes: (N, D) the choices made, as Optuna numbers them.
        accuracy: (N,) as a fraction.
        latency: (N,) in ms.
        seconds: (N,) of CPU time that it had taken after each.
    """

    genomes: npt.NDArray[np.int32]
    accuracy: Floats
    latency: Floats
    seconds: Floats

    def __getitem__(self, part: slice) -> Run:
        return Run(self.genomes[part], self.accuracy[part], self.latency[part], self.seconds[part])

    @property
    def values(self) -> Floats:
        """(N, 2) accuracies and latencies."""
        return np.column_stack([self.accuracy, self.latency])


# What is measured of runs


def choice_entropy(genomes: npt.NDArray[np.int32]) -> float:
    """Sum over the decisions of the entropy of their choices' frequencies in (N, D) genomes, in nats.

    An upper bound of the entropy of the policy that sampled them, if that stood still; 0 if all are one network.

    >>> round(choice_entropy(np.array([[0, 2], [1, 2]], dtype=np.int32)), 4)
    0.6931
    """
    entropy = 0.0
    for column in genomes.T:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        entropy -= float(shares @ np.log(shares))
    return entropy


def spread(run: Run, target: float) -> Summary:
    """How the latencies of a run lie about a target: shares of the trials, and quantiles in units of the target."""
    ratio = run.latency / target
    return {
        "at_most_target": float(np.mean(ratio <= 1)),
        "fast": float(np.mean(ratio < FAST)),
        "slow": float(np.mean(ratio > SLOW)),
        "quantiles": np.quantile(ratio, [0.05, 0.5, 0.95]).tolist(),
        "different": len(np.unique(run.genomes, axis=0)) / len(run.genomes),
        "choice_entropy": choice_entropy(run.genomes),
        "accuracy": float(run.accuracy.mean()),
        "histogram": (np.histogram(ratio.clip(0, BINS[-1]), BINS)[0] / len(ratio)).tolist(),
    }


def exponent(gain: float) -> float:
    """The paper's recipe for w (sec. 3): where twice the latency buys this relative accuracy, rewards are equal.

    >>> round(exponent(0.05), 2)
    -0.07
    """
    return -math.log(1 + gain) / math.log(2)


def checkpoints(trials: int) -> list[int]:
    """Numbers of trials at which curves are drawn: some 40 on a logarithmic axis, round ones and the last included."""
    round_ones = (n for n in (100, 300, 1000, 3000) if n <= trials)
    return sorted({*np.geomspace(min(50, trials), trials, 36).round().astype(int).tolist(), *round_ones})


class Table:
    """A table, the best known front of it, T, and the searches made on it so far.

    Args:
        name: one of ``TABLES``.
        folder: folder of the tables.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.problem: TabularProblem = bench_table(name, folder)
        best = np.load(folder / "anb" / f"reference_front_{TABLES[name]}.npz")
        order = np.argsort(best["lat_ms"])
        self.front_accuracy: Floats = best["acc"][order] / 100
        self.front_latency: Floats = best["lat_ms"][order]
        self.random = self._random()
        self.target = self.quantile(TARGET_QUANTILE)
        self._runs: dict[tuple[Any, ...], Run] = {}

    def quantile(self, share: float) -> float:
        """The latency that a share of random networks keeps, to three digits."""
        return float(f"{np.quantile(self.random.latency, share):.3g}")

    def accuracy_within(self, latency: float) -> float:
        """The best known accuracy within a latency."""
        return float(self.front_accuracy[self.front_latency <= latency].max())

    def recipe(self) -> float:
        """The exponent by the paper's recipe: from what twice the latency buys along the front, T in the middle."""
        below, above = self.target / math.sqrt(2), self.target * math.sqrt(2)
        return exponent(self.accuracy_within(above) / self.accuracy_within(below) - 1)

    def published(self, arm: Arm, seed: int, trials: int, target: float | None = None) -> Run:
        """A published search, for T or another target."""
        reward = mnas_moo.MnasReward(arm.aim * (target or self.target), arm.alpha, arm.beta)
        make = functools.partial(mnas_moo.MnasSampler.paper, reward, seed=seed, **arm.settings)
        return self._run((reward, seed, *arm.settings.items()), make, trials)

    def other(self, name: str, seed: int, trials: int) -> Run:
        """A search of ``OTHERS``."""
        return self._run((name, seed), functools.partial(OTHERS[name], seed), trials)

    def _run(self, key: tuple[Any, ...], make: Callable[[], optuna.samplers.BaseSampler], trials: int) -> Run:
        """A search, or the beginning of one that was made already: all of them ignore how long they will be."""
        if key not in self._runs or len(self._runs[key].latency) < trials:
            started = time.process_time()
            study = optuna.create_study(directions=list(self.problem.directions.values()), sampler=make())
            distributions = dict(self.problem.distributions)
            rows: list[_Row] = []
            for _ in range(trials):
                trial = study.ask(distributions)
                values = list(self.problem.measure(trial.params).values())
                study.tell(trial, values)
                rows.append((self._genome(trial.params), values, time.process_time() - started))
            self._runs[key] = _as_run(rows)
        return self._runs[key][:trials]

    def _random(self) -> Run:
        rng = np.random.default_rng(0)
        points = [self.problem.random(rng) for _ in range(RANDOM)]
        return _as_run([(self._genome(p), list(self.problem.measure(p).values()), 0.0) for p in points])

    def _genome(self, params: Mapping[str, Any]) -> list[float]:
        return [d.to_internal_repr(params[name]) for name, d in self.problem.distributions.items()]


def _as_run(rows: Sequence[_Row]) -> Run:
    genomes, values, seconds = (np.array(column) for column in zip(*rows, strict=True))
    return Run(genomes.astype(np.int32), values[:, 0], values[:, 1], seconds)


# The four comparisons: each returns what the JSON holds of it


def compare_rewards(table: Table, seeds: range, trials: int, arms: Mapping[str, Arm]) -> Summary:
    """Which latencies the published search samples."""
    windows = {
        "first 1,000": slice(1000),
        "first 3,000": slice(3000),
        f"last 1,000 of {trials:,}": slice(-1000, None),
    }
    result: Summary = {}
    log_accuracy = np.log(table.random.accuracy)
    for name, arm in arms.items():
        runs = [table.published(arm, seed, trials) for seed in seeds]
        reward = mnas_moo.MnasReward(arm.aim * table.target, arm.alpha, arm.beta)
        along = reward(table.front_accuracy, table.front_latency)
        near = table.front_latency[along >= 0.99 * np.max(along)] / table.target
        log_factor = np.log(reward(table.random.accuracy, table.random.latency)) - log_accuracy
        result[name] = {
            "best_on_front": float(table.front_latency[np.argmax(along)] / table.target),
            "within_1_percent_on_front": [float(near.min()), float(near.max())],
            "deviation_of_log_latency_factor": float(np.std(log_factor)),
            "windows": {label: [spread(run[cut], table.target) for run in runs] for label, cut in windows.items()},
            "entropy": [
                [choice_entropy(run.genomes[i : i + ENTROPY_TRIALS]) for i in range(0, trials, ENTROPY_TRIALS)]
                for run in runs
            ],
        }
    return {
        "target": table.target,
        "trials": trials,
        "recipe": table.recipe(),
        "random": spread(table.random, table.target),
        "random_networks": RANDOM,
        "deviation_of_log_accuracy": float(np.std(log_accuracy)),
        "best_front": [table.front_accuracy.tolist(), table.front_latency.tolist()],
        "arms": result,
    }


def compare_fronts(table: Table, seeds: range, trials: int) -> Summary:
    """Searches for several targets joined, against one for the whole front with as many trials in all; they go on."""
    targets = [table.quantile(share) for share in TARGETS]
    result: Summary = {}
    for name in (*ARMS, "NSGA-II", "MnasSampler()"):
        totals = [trials, LONGER * trials] if name in ARMS else [trials]
        at = [n for n in checkpoints(totals[-1]) if n >= len(targets)]
        runs = []
        for seed in seeds:
            if name in ARMS:
                # a seed of its own for each, or all would begin with the same networks
                seeded = [(len(targets) * seed + i, target) for i, target in enumerate(targets)]
                each = totals[-1] // len(targets)
                parts = [table.published(ARMS[name], own, each, target) for own, target in seeded]
            else:
                parts = [table.other(name, seed, trials)]
            values = {n: np.concatenate([part.values[: n // len(parts)] for part in parts]) for n in {*at, *totals}}
            runs.append(
                {
                    "curve": [table.problem.regret(values[n]) for n in at],
                    "regret": [table.problem.regret(values[n]) for n in totals],
                    "accuracy_within": [[_best(values[n], target) for target in targets] for n in totals],
                    "front": values[trials][pareto_mask(values[trials], ["maximize", "minimize"])].tolist(),
                    "ms_a_trial": 1e3 * sum(part.seconds[-1] for part in parts) / len(values[totals[-1]]),
                }
            )
        result[name] = {"totals": totals, "at": at, "runs": runs}
    return {
        "targets": targets,
        "trials": trials,
        "best_accuracy_within": [table.accuracy_within(target) for target in targets],
        "best_front": [table.front_accuracy.tolist(), table.front_latency.tolist()],
        "arms": result,
    }


def _best(values: Floats, latency: float) -> float:
    """The best accuracy within a latency; NaN where there is none."""
    kept = values[values[:, 1] <= latency, 0]
    return float(kept.max()) if len(kept) else math.nan


def compare_controllers(table: Table, seeds: range, trials: int) -> Summary:
    """The published controller against NSGA-II and random search, by both rewards and by the front."""
    at = checkpoints(trials)
    rewards = {name: mnas_moo.MnasReward(table.target, arm.alpha, arm.beta) for name, arm in ARMS.items()}
    best = {name: np.max(reward(table.front_accuracy, table.front_latency)) for name, reward in rewards.items()}
    result: Summary = {}
    for name in ("hard", "soft", "NSGA-II", "random"):
        runs = []
        for seed in seeds:
            search = table.published(ARMS[name], seed, trials) if name in ARMS else table.other(name, seed, trials)
            lacks = {
                f"lacks_{key}": 1 - np.maximum.accumulate(reward(search.accuracy, search.latency)) / best[key]
                for key, reward in rewards.items()
            }
            runs.append(
                {
                    **{key: curve[np.array(at) - 1].tolist() for key, curve in lacks.items()},
                    "regret": [table.problem.regret(search.values[:n]) for n in at],
                }
            )
        result[name] = runs
    return {"target": table.target, "trials": trials, "at": at, "arms": result}


def compare_spaces(seeds: range, trials: int, epochs: int = 3) -> Summary:
    """The factorised space against the flat one: the default sampler, real training, this machine's latency."""
    from mnas_moo.objectives.host.latency import HostLatency
    from mnas_moo.objectives.training.accuracy import Accuracy
    from mnas_moo.objectives.training.data import load_data

    accuracy, latency = Accuracy(load_data("digits", resolution=16), epochs=epochs), HostLatency()
    result: Summary = {}
    for name in ("mnasnet", "mnasnet-flat"):
        space = spaces.get(name, preset="digits")
        sizes = [len(distribution.choices) for distribution in space.distributions.values()]  # type: ignore[attr-defined]
        result[name] = {"decisions": len(sizes), "log10_size": float(np.log10(sizes).sum()), "runs": []}
    for seed in seeds:  # in turns, so that whatever else the machine does falls on both alike
        for name, summary in result.items():
            space = spaces.get(name, preset="digits")
            sampler = mnas_moo.MnasSampler(seed=seed, canonical=space.canonical)
            study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
            started, values = time.perf_counter(), []
            for _ in range(trials):
                trial = study.ask(space.distributions)
                network = space.spec(trial.params)
                values.append([accuracy.measure(network, seed).value, latency.measure(network, seed).value])
                study.tell(trial, values[-1])
            summary["runs"].append({"values": values, "seconds": time.perf_counter() - started})
    latency.close()
    return {"trials": trials, "epochs": epochs, "spaces": result}


def main() -> None:
    """Runs the parts that are asked for, and reports all that the JSON holds."""
    parser = harness.options(__doc__, tables="optional", seeds=3, json_file=False)
    parser.add_argument("--parts", nargs="*", choices=TRIALS, default=list(TRIALS), help="parts (default: all)")
    parser.add_argument("--trials", type=int, help=f"of each run (default: {TRIALS})")
    parser.add_argument("--output", type=Path, default=Path("build/paper-comparison.json"), help="the JSON")
    parser.add_argument(
        "--page", type=Path, help="put the tables into this page, the plots beside it; see paper_comparison_page.py"
    )
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    arguments.output.parent.mkdir(parents=True, exist_ok=True)

    def keep(part: str, found: Summary) -> None:
        results = json.loads(arguments.output.read_text()) if arguments.output.is_file() else {}
        results[part] = found
        arguments.output.write_text(json.dumps(results) + "\n")
        print(f"{part} is done", flush=True)

    seeds = range(arguments.seeds)
    trials = {part: arguments.trials or number for part, number in TRIALS.items()}
    on_tables = [part for part in arguments.parts if part != "space"]
    if on_tables and arguments.tables is None:
        print(f"no {', '.join(on_tables)}: they need --tables, or the folder in {harness.TABLES}")
    elif on_tables:
        tables = {name: Table(name, arguments.tables) for name in TABLES}
        for part in on_tables:
            found = {}
            for i, (name, table) in enumerate(tables.items()):
                if part == "reward":  # the variants, which explain, on one table
                    found[name] = compare_rewards(table, seeds, trials[part], ARMS | VARIANTS if i == 0 else ARMS)
                else:
                    compare = compare_fronts if part == "front" else compare_controllers
                    found[name] = compare(table, seeds, trials[part])
            keep(part, found)
    if "space" in arguments.parts:
        keep("space", compare_spaces(seeds, trials["space"]))
    paper_comparison_page.report(arguments.output, arguments.page)


if __name__ == "__main__":
    main()
