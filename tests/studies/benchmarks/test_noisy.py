"""Both contenders of the benchmark meet the same noise, and one of them is told of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna

from mnas_moo.genomes.history import STANDARD_ERRORS
from mnas_moo.studies.benchmarks import noisy
from tests.compare.conftest import formula

TASK = noisy.Task("formula", "unequal", "told", seed=1, trials=30, deviation=0.01, folder="")


def study_of(task: noisy.Task) -> tuple[optuna.Study, np.ndarray, np.ndarray]:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    return study, *noisy.search(formula(), study, task)


def test_what_is_told_is_the_deviation_of_the_noise() -> None:
    study, true, found = study_of(TASK)
    errors = np.array([trial.user_attrs[STANDARD_ERRORS] for trial in study.trials])
    assert set(errors[:, 0]) == {0.005, 0.01, 0.02}
    assert not errors[:, 1].any()
    z = (found - true)[:, 0] / errors[:, 0]
    assert 0.6 < z.std() < 1.4
    assert np.array_equal(found[:, 1], true[:, 1])
    assert [trial.values for trial in study.trials] == found.tolist()


def test_who_is_not_told_meets_the_same_noise() -> None:
    told, silent = study_of(TASK), study_of(dataclasses.replace(TASK, contender="not told"))
    assert np.array_equal(told[2], silent[2])
    assert not any(trial.user_attrs for trial in silent[0].trials)


def test_equal_noise_is_that_of_four_trainings() -> None:
    rng = np.random.default_rng(0)
    assert {noisy.error_of("equal", 0.01, rng) for _ in range(9)} == {0.01}


def test_the_models_front_names_trials_and_leaves_out_the_worst() -> None:
    problem = formula()
    study, true, _ = study_of(dataclasses.replace(TASK, deviation=0.001))
    front = noisy.model_front(problem, study)
    assert 0 < len(front) < 30
    dominated = [i for i in range(30) if ((true[:, 0] > true[i, 0] + 0.1) & (true[:, 1] < true[i, 1] * 0.9)).any()]
    assert dominated
    assert not set(dominated) & set(front)
