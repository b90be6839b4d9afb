"""pymoo's algorithms as Optuna samplers, which are run, stored and timed like all other samplers.

Operators are those that pymoo documents for the kind of parameters (Blank & Deb 2020; "Mixed Variable Problems" and
"Discrete Variables" of its guide): without continuous parameters, integer vectors with random sampling, simulated
binary crossover and polynomial mutation, rounded; otherwise, the mixed-variable operators. The population is 50.

An algorithm proposes one generation at a time and receives its results when all trials of the generation are finished,
without those that failed. Its state is a function of seed and trials, so that a resumed study is replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import minimised

POPULATION = 50
"""Individuals of a generation."""

ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "pymoo-nsga2": ("pymoo.algorithms.moo.nsga2", "NSGA2"),
    "pymoo-agemoea": ("pymoo.algorithms.moo.age", "AGEMOEA"),
    "pymoo-smsemoa": ("pymoo.algorithms.moo.sms", "SMSEMOA"),
    "pymoo-spea2": ("pymoo.algorithms.moo.spea2", "SPEA2"),
}
"""Name of the sampler -> pymoo's module and class."""

NEEDS_NUMBA = ("pymoo-agemoea",)
"""Samplers whose algorithms pymoo compiles with numba; it does not import them without it."""


class ExhaustedError(RuntimeError):
    """The algorithm proposes no new point any more."""


class PymooSampler(BaseSampler):
    """One of pymoo's algorithms as the sampler of one study, whose trials run one after the other in one process.

    >>> import optuna
    >>> from optuna.distributions import IntDistribution
    >>> space = {"x": IntDistribution(0, 99), "y": IntDistribution(0, 99)}
    >>> sampler = PymooSampler("pymoo-nsga2", space, n_objectives=2, seed=0)
    >>> study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    >>> def objective(trial):
    ...     x, y = trial.suggest_int("x", 0, 99), trial.suggest_int("y", 0, 99)
    ...     return x + y, (x - 50) ** 2
    >>> study.optimize(objective, n_trials=60)
    >>> len(study.trials)
    60

    Args:
        name: one of ``ALGORITHMS``.
        distributions: distribution of every parameter that can exist; those that a trial does not ask for have no
            effect.
        n_objectives: number of objectives of the study.
        n_constraints: number of constraints that every completed trial has.
        seed: seed of algorithm and sampler; None: a random one.

    Raises:
        MissingExtraError: pymoo is not installed.
        ValueError: no parameter has more than one value.
    """

    def __init__(
        self,
        name: str,
        distributions: Mapping[str, BaseDistribution],
        *,
        n_objectives: int,
        n_constraints: int = 0,
        seed: int | None = None,
    ) -> None:
        module, algorithm = ALGORITHMS[name]
        if name in NEEDS_NUMBA:
            require("numba", extra="compare")
        make = getattr(require(module, extra="pymoo"), algorithm)
        from mnas_moo.pymoo.problems import ParameterProblem

        self._distributions = dict(distributions)
        self._problem = ParameterProblem(
            self._distributions,
            _unasked,
            {f"objective {i}": "minimize" for i in range(n_objectives)},
            {f"constraint {i}": (None, 0.0) for i in range(n_constraints)},
        )
        self._algorithm = make(pop_size=POPULATION, **_operators(self._problem))
        termination = require("pymoo.core.termination", extra="pymoo").NoTermination()
        self._algorithm.setup(self._problem, termination=termination, seed=seed, verbose=False)
        self._generation: Any = []
        self._first = 0  # number of the generation's first trial
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters that can exist."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The algorithm's next individual.

        Raises:
            ExhaustedError: the algorithm finds no individual that it has not proposed before.
        """
        while trial.number >= self._first + len(self._generation):
            if len(self._generation):
                trials = study.get_trials(deepcopy=False)[self._first : self._first + len(self._generation)]
                self._tell(study, trials)
            self._first += len(self._generation)
            self._generation = self._algorithm.ask()
            if self._generation is None or not len(self._generation):
                raise ExhaustedError(f"{type(self._algorithm).__name__} finds no point that it has not tried")
        return self._problem.params(self._generation[trial.number - self._first].X)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for a parameter that is not among ``distributions``."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _tell(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        told = [i for i, trial in enumerate(trials) if trial.state == TrialState.COMPLETE]
        if not told:
            return
        individuals, completed = self._generation[told], [trials[i] for i in told]
        for individual, trial in zip(individuals, completed, strict=True):
            # an enqueued trial has other parameters than the individual that was proposed for it
            individual.X = self._problem.x({**self._problem.params(individual.X), **trial.params})
            individual.F = minimised(trial.values, study.directions)
            if self._problem.n_ieq_constr:
                individual.G = np.array(list(trial.constraints.values()), dtype=float)
            individual.evaluated = {"F", "G", "H"}
        self._algorithm.evaluator.n_eval += len(told)
        self._algorithm.tell(infills=individuals)


def _unasked(params: dict[str, Any]) -> Mapping[str, float]:
    raise RuntimeError(f"pymoo measured {params} itself; the study measures, and tells")


def _operators(problem: Any) -> dict[str, Any]:
    """Sampling, crossover, mutation and elimination of duplicates, as pymoo's guide recommends them."""
    if hasattr(problem, "vars") and problem.vars is not None:
        mixed = require("pymoo.core.mixed", extra="pymoo")
        return {
            "sampling": mixed.MixedVariableSampling(),
            "mating": mixed.MixedVariableMating(eliminate_duplicates=mixed.MixedVariableDuplicateElimination()),
            "eliminate_duplicates": mixed.MixedVariableDuplicateElimination(),
        }
    sampling = require("pymoo.operators.sampling.rnd", extra="pymoo").IntegerRandomSampling
    crossover = require("pymoo.operators.crossover.sbx", extra="pymoo").SBX
    mutation = require("pymoo.operators.mutation.pm", extra="pymoo").PM
    rounding = require("pymoo.operators.repair.rounding", extra="pymoo").RoundingRepair
    return {
        "sampling": sampling(),
        "crossover": crossover(prob=1.0, eta=3.0, vtype=float, repair=rounding()),
        "mutation": mutation(prob=1.0, eta=3.0, vtype=float, repair=rounding()),
        "eliminate_duplicates": True,
    }
