from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from mnas_moo.compare import contenders, record
from mnas_moo.compare.tabular_run import play, task_of
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.spaces.growth import Growth
from tests.compare.conftest import figures, formula, same

SEVERAL = [
    pytest.param(name, marks=pytest.mark.slow) if name == "botorch" else name
    for name in contenders.NAMES
    if name not in ("cmaes", "mnas-paper", "fbnet")
]
"""Samplers of several objectives."""


@pytest.mark.parametrize("sampler", SEVERAL)
def test_every_sampler_of_several_objectives_runs_and_its_seed_is_all_that_it_depends_on(sampler: str) -> None:
    problem = dataclasses.replace(formula(), growth=Growth.by_parameter(formula().distributions))  # for dppnet
    reason = contenders.refusal(sampler, task_of(problem))
    if reason is not None and "could not fetch" in reason:
        pytest.skip(reason)
    first, again, other = (play(problem, sampler, seed, 12) for seed in (3, 3, 4))
    assert len(first) == 12
    assert first.ended == "trials"
    assert same(first, again)
    assert not same(first, other)
    assert (first.sampler_ms > 0).all()
    params = [trial.params for trial in record.trials_of(first, formula().distributions)]
    assert first.values.tolist() == [list(figures(each).values()) for each in params]


def test_the_sampler_is_told_of_the_noise_and_judged_by_the_mean() -> None:
    run, other = (play(formula(noise=0.1), sampler, 0, 20) for sampler in ("random", "brute"))
    params = [trial.params for trial in record.trials_of(run, formula().distributions)]
    assert run.values.tolist() == [list(figures(each).values()) for each in params]
    assert np.std(run.told[:, 0] - run.values[:, 0]) == pytest.approx(0.1, rel=0.5)
    assert run.told[:, 0] - run.values[:, 0] == pytest.approx(other.told[:, 0] - other.values[:, 0]), (
        "the same seed met another luck"
    )


def test_infeasible_trials_are_marked_and_the_sampler_is_told_how_far_they_are_off() -> None:
    problem = formula(bounds={"latency_ms": (None, 10.0)})
    run = play(problem, "nsga2", 0, 60)
    assert run.violations[:, 0].tolist() == (run.values[:, 1] - 10).tolist()
    assert run.feasible.tolist() == (run.values[:, 1] <= 10).tolist()
    assert 0 < run.feasible.sum() < 60
    stored = record.trials_of(run, problem.distributions)[5]
    assert list(stored.constraints.values()) == run.violations[5].tolist()


def test_parameters_that_do_not_exist_are_not_asked_for() -> None:
    problem = formula(conditional=True)
    for sampler in ("mnas", "pymoo-nsga2"):
        run = play(problem, sampler, 0, 30)
        layers, skip = run.genomes[:, 1], run.genomes[:, 3]
        assert np.isnan(skip).tolist() == (layers <= 3).tolist()


def test_a_trial_that_the_table_says_failed_counts_and_is_no_result() -> None:
    run = play(formula(fails=True), "nsga2", 0, 40)
    failed = run.genomes[:, 0] == 1
    assert len(run) == 40
    assert 0 < failed.sum() < 40
    assert np.isnan(run.values).any(axis=1).tolist() == failed.tolist()
    assert not run.feasible[failed].any()
    assert [not trial.values for trial in record.trials_of(run, formula().distributions)] == failed.tolist()


def test_a_run_ends_when_the_samplers_time_is_up() -> None:
    run = play(formula(), "random", 0, 50, limit_ms=1e-9)
    assert (len(run), run.ended) == (1, "time")


def test_a_sampler_that_has_tried_all_there_is_ends() -> None:
    run = play(formula(), "brute", 0, 1000)
    assert (len(run), run.ended) == (180, "exhausted")
    assert len({tuple(genome) for genome in run.genomes}) == 180


@pytest.mark.skipif("MNAS_MOO_TABLES" not in os.environ, reason="MNAS_MOO_TABLES names no folder of published tables")
def test_random_search_does_on_a_published_table_as_others_measured() -> None:
    problem = bench_table("macro", os.environ["MNAS_MOO_TABLES"])
    runs = [play(problem, "random", seed, 200) for seed in range(5)]
    regrets = [np.mean([problem.regret(run.values[:n]) for run in runs]) for n in (50, 100, 200)]
    assert regrets == pytest.approx([0.1503, 0.1228, 0.0712], abs=1e-4)  # the table's own README, Optuna 5.0
