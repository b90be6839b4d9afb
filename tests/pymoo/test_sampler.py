from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

import mnas_moo.pymoo.sampler
from mnas_moo.pymoo.sampler import ALGORITHMS, POPULATION, ExhaustedError, PymooSampler

CHOICES: dict[str, Any] = {f"x{i}": CategoricalDistribution([0, 1, 2, 3, 4]) for i in range(6)}


def values(params: dict[str, Any]) -> tuple[float, float]:
    x = np.array(list(params.values()), dtype=float)
    return float(((x - 1) ** 2).sum()), float(((x - 3) ** 2 * np.arange(1, len(x) + 1)).sum())


def run(study: optuna.Study, space: dict[str, Any], trials: int) -> None:
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, values({name: trial._suggest(name, dist) for name, dist in space.items()}))


def study(sampler: PymooSampler) -> optuna.Study:
    return optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)


def test_it_tries_what_pymoo_itself_tries() -> None:
    class Same(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=6, n_obj=2, xl=0, xu=4, vtype=int)
            self.seen: list[list[int]] = []

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            self.seen += x.astype(int).tolist()
            out["F"] = np.array([values(dict(enumerate(row))) for row in x])

    problem = Same()
    settings = {"prob": 1.0, "eta": 3.0, "vtype": float}
    crossover, mutation = SBX(**settings, repair=RoundingRepair()), PM(**settings, repair=RoundingRepair())
    algorithm = NSGA2(
        pop_size=50,
        sampling=IntegerRandomSampling(),
        crossover=crossover,
        mutation=mutation,
        eliminate_duplicates=True,
    )
    minimize(problem, algorithm, ("n_gen", 4), seed=5)
    ours = study(PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, seed=5))
    run(ours, CHOICES, 200)
    assert [list(trial.params.values()) for trial in ours.trials] == problem.seen


def test_a_new_sampler_goes_on_with_a_study_as_the_old_one_would_have() -> None:
    whole = study(PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, seed=1))
    run(whole, CHOICES, 170)
    parts = study(PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, seed=1))
    run(parts, CHOICES, 70)
    parts.sampler = PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, seed=1)
    run(parts, CHOICES, 100)
    assert [trial.params for trial in parts.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_mixed_parameters_are_sampled_within_their_ranges(name: str) -> None:
    space = {
        "float": FloatDistribution(1e-4, 1.0, log=True),
        "int": IntDistribution(2, 10, step=4),
        "choice": CategoricalDistribution([1, 2, 5]),
    }
    mixed = study(PymooSampler(name, space, n_objectives=2, seed=0))
    run(mixed, space, 2 * POPULATION + 10)
    tried = [trial.params for trial in mixed.trials]
    assert all(1e-4 <= params["float"] <= 1 for params in tried)
    assert {params["int"] for params in tried} == {2, 6, 10}
    assert {params["choice"] for params in tried} == {1, 2, 5}
    assert np.median([params["float"] for params in tried[:POPULATION]]) == pytest.approx(1e-2, rel=1.5)


def test_infeasible_trials_are_survived_by_feasible_ones() -> None:
    sampler = PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, n_constraints=1, seed=0)
    limited = study(sampler)
    for _ in range(4 * POPULATION):
        trial = limited.ask(CHOICES)
        excess = 14.0 - sum(trial.params.values())
        limited._storage.set_trial_system_attr(trial._trial_id, "constraints", [excess])
        limited.tell(trial, values(trial.params))
    feasible = [sum(trial.params.values()) >= 14 for trial in limited.trials]
    assert np.mean(feasible[-POPULATION:]) > np.mean(feasible[:POPULATION]) + 0.2


def test_failed_trials_are_left_out_of_a_generation() -> None:
    sampler = PymooSampler("pymoo-nsga2", CHOICES, n_objectives=2, seed=0)
    failing = study(sampler)
    for number in range(3 * POPULATION):
        trial = failing.ask(CHOICES)
        if number < POPULATION or number % 3 == 0:
            failing.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            failing.tell(trial, values(trial.params))
    assert len(failing.trials) == 3 * POPULATION


def test_an_algorithm_that_finds_nothing_new_says_so() -> None:
    space = {"x": CategoricalDistribution([0, 1, 2]), "y": CategoricalDistribution([0, 1])}
    small = study(PymooSampler("pymoo-nsga2", space, n_objectives=2, seed=0))
    with pytest.raises(ExhaustedError, match="finds no point that it has not tried"):
        run(small, space, POPULATION)


def test_a_maximised_objective_is_maximised() -> None:
    space = {f"x{i}": IntDistribution(0, 9) for i in range(4)}
    up = optuna.create_study(
        directions=["maximize", "maximize"], sampler=PymooSampler("pymoo-nsga2", space, n_objectives=2, seed=0)
    )
    for _ in range(6 * POPULATION):
        trial = up.ask(space)
        up.tell(trial, (trial.params["x0"] + trial.params["x1"], trial.params["x2"] + trial.params["x3"]))
    assert [18.0, 18.0] in [trial.values for trial in up.trials]


def test_the_examples_in_the_docstrings_are_right() -> None:
    failed, tried = doctest.testmod(mnas_moo.pymoo.sampler)
    assert (failed, tried > 0) == (0, True)
