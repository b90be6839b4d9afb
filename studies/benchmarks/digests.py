"""Digests of what must not change: published counts, the model writers' bytes, the sampler's proposals.

The same lines on two commits mean the same networks counted, the same files written and the same trials proposed.
Proposals rest on floating-point numbers: they are compared on one machine, with the same versions of torch and numpy.

    OMP_NUM_THREADS=1 python studies/benchmarks/digests.py > before.txt
"""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

import mnas_moo
from mnas_moo import spaces
from mnas_moo.objectives.formats import litert, onnx
from mnas_moo.objectives.formats.weights import random_weights
from mnas_moo.objectives.objective import Direction
from mnas_moo.spaces import NetworkSpec
from mnas_moo.studies.benchmarks import harness

Objective = Callable[[optuna.Trial], float | tuple[float, ...]]
Make = Callable[[], mnas_moo.MnasSampler]

RANDOM_NETWORKS = 60
"""Random networks of each space that are counted."""
WRITTEN = 6
"""Random networks of each space that are written."""

ONE: tuple[Direction, ...] = ("minimize",)
TWO: tuple[Direction, ...] = ("maximize", "minimize")
THREE: tuple[Direction, ...] = ("maximize", "minimize", "minimize")


def digest(value: object) -> str:
    """16 hexadecimal digits of a value's ``repr``."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def counts(spec: NetworkSpec) -> tuple[int, int, int]:
    """Parameters, multiply-adds, and bytes of peak memory."""
    return spec.parameters, spec.multiply_adds, spec.peak_memory_bytes


def random_counts() -> str:
    """The digest of the counts of all published networks and of random networks of every space."""
    found = [(name, counts(spaces.network(name))) for name in spaces.NETWORKS]
    for name in spaces.SPACES:
        space, rng = spaces.get(name, resolution=32, classes=10), np.random.default_rng(0)
        found += [(f"{name} {i}", counts(space.random(rng))) for i in range(RANDOM_NETWORKS)]
    return digest(found)


def writers() -> dict[str, str]:
    """The digest of all files of each writer: random networks, and some published ones with drawn weights."""
    digests = {name: hashlib.sha256() for name in ("litert", "litert int8", "onnx")}
    rng = np.random.default_rng(1)
    for _ in range(WRITTEN):
        for name in spaces.SPACES:
            spec = spaces.get(name, resolution=32, classes=10).random(rng)
            weights = random_weights(spec)
            images = rng.standard_normal((4, 32, 32, 3)).astype(np.float32)
            digests["litert"].update(litert.write(spec, weights))
            digests["litert int8"].update(litert.write(spec, weights, "int8", images))
            digests["onnx"].update(onnx.write(spec, weights))
    for name in list(spaces.NETWORKS)[:3]:
        digests["litert"].update(litert.write(spaces.network(name)))
        digests["onnx"].update(onnx.write(spaces.network(name)))
    return {name: each.hexdigest()[:16] for name, each in digests.items()}


def static(trial: optuna.Trial) -> tuple[float, ...]:
    """Twelve categories."""
    values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(12)]
    return sum(values) / 24, 10.0 + sum(value * value for value in values)


def mixed(trial: optuna.Trial) -> tuple[float, ...]:
    """A category, a number of each kind, a constraint, and trials that fail or are pruned."""
    category = trial.suggest_categorical("a", ["x", "y", "z"])
    whole = trial.suggest_int("n", 1, 100, log=True)
    real = trial.suggest_float("f", 1e-4, 1.0, log=True)
    stepped = trial.suggest_float("g", 0.0, 1.0, step=0.05)
    if trial.number % 11 == 5:
        raise optuna.TrialPruned if trial.number % 2 else ValueError("no")
    trial.set_constraint("c", stepped - 0.7)
    place = "xyz".index(category)
    return 0.5 + 0.1 * place + stepped / 5 - abs(np.log10(real) + 2) / 10, whole * (1 + place) + 1.0


def conditional(trial: optuna.Trial) -> tuple[float, ...]:
    """Names of parameters depend on the first one, and one exists for half of its choices only."""
    half = trial.suggest_categorical("half", [0, 1])
    values = [trial.suggest_categorical(f"p{i}" if i % 2 else f"p{i}.{half}", [0, 1, 2]) for i in range(9)]
    if half:
        values.append(trial.suggest_int("extra", 0, 5))
    return sum(values) / 30, 10.0 + sum(value * value for value in values)


def single(trial: optuna.Trial) -> float:
    """One objective."""
    values = [trial.suggest_int(f"p{i}", 0, 4) for i in range(6)]
    return float(sum((value - 2) ** 2 for value in values))


def three(trial: optuna.Trial) -> tuple[float, ...]:
    """Three objectives."""
    values = [trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(8)]
    return sum(values) / 16, 10.0 + sum(value * value for value in values), float(len(set(values)))


@dataclass(frozen=True)
class Case:
    """A study whose proposals are compared.

    Attributes:
        make: function that makes the sampler.
        objective: function that gives a trial's values.
        directions: directions of the objectives.
        trials: number of trials.
        workers: number of trials that are asked for before the first of them is told.
    """

    make: Make
    objective: Objective
    directions: tuple[Direction, ...]
    trials: int
    workers: int = 1


def outcome(objective: Objective, trial: optuna.Trial) -> float | tuple[float, ...] | TrialState:
    """The values of a trial, or the state in which it ends without any."""
    try:
        return objective(trial)
    except optuna.TrialPruned:
        return TrialState.PRUNED
    except ValueError:
        return TrialState.FAIL


def proposals(case: Case) -> str:
    """The digest of all parameters that a sampler proposes, in their order."""
    study = optuna.create_study(directions=case.directions, sampler=case.make())
    for _ in range(0, case.trials, case.workers):
        asked = [study.ask() for _ in range(case.workers)]
        results = [outcome(case.objective, trial) for trial in asked]
        for trial, result in zip(asked, results, strict=True):
            if isinstance(result, TrialState):
                study.tell(trial, state=result)
            else:
                study.tell(trial, result)
    return digest([(trial.number, list(trial.params.items())) for trial in study.get_trials(deepcopy=False)])


def default(seed: int, **settings: Any) -> Make:
    """A function that makes the default sampler."""
    return functools.partial(mnas_moo.MnasSampler, seed=seed, **settings)


def paper(seed: int, **settings: Any) -> Make:
    """A function that makes the published sampler."""
    return functools.partial(mnas_moo.MnasSampler.paper, seed=seed, **settings)


def cases() -> Iterator[tuple[str, Case]]:
    """All studies, by name."""
    reward = mnas_moo.MnasReward(target=30.0)
    for seed in range(3):
        yield f"mnas static seed {seed}", Case(default(seed), static, TWO, 120)
        yield f"mnas mixed seed {seed}", Case(default(seed), mixed, TWO, 120)
        yield f"mnas conditional seed {seed}", Case(default(seed), conditional, TWO, 100)
        yield f"paper static seed {seed}", Case(paper(seed, reward=reward), static, TWO, 400)
        yield f"paper conditional seed {seed}", Case(paper(seed, reward=reward), conditional, TWO, 200)
    yield "mnas one objective", Case(default(5), single, ONE, 100)
    yield "mnas three objectives", Case(default(6), three, THREE, 80)
    yield "mnas 10 workers", Case(default(7), static, TWO, 150, workers=10)
    bounded = default(8, reference_point=[0.1, 50.0], model_trials=50)
    yield "mnas reference point, 50 modelled", Case(bounded, static, TWO, 140)
    yield "paper one objective", Case(paper(9), single, ONE, 200)


def main() -> None:
    """Prints one line for each network, writer and study."""
    harness.options(__doc__, json_file=False).parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for name in spaces.NETWORKS:
        print("counts", name, *counts(spaces.network(name)))
    print("counts of random networks", random_counts())
    for name, value in writers().items():
        print("writer", name, value)
    for name, case in cases():
        print("proposals", name, proposals(case), flush=True)


if __name__ == "__main__":
    main()
