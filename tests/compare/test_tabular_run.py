from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from mnas_moo.compare import contenders, record
from mnas_moo.compare.record import Run
from mnas_moo.compare.tabular_run import play, task_of
from mnas_moo.objectives.tabular.published import bench_table
from tests.compare.conftest import figures, formula

ARRAYS = ("genomes", "told", "values", "violations", "feasible")


def same(one: Run, other: Run) -> bool:
    """Whether two runs made and judged the same trials."""
    return all(np.array_equal(getattr(one, key), getattr(other, key), equal_nan=key != "feasible") for key in ARRAYS)


@pytest.mark.parametrize("sampler", [name for name in contenders.NAMES if name not in ("cmaes", "mnas-paper")])
def test_every_sampler_of_several_objectives_runs_and_its_seed_is_all_that_it_depends_on(sampler: str) -> None:
    first, again, other = (play(formula(), sampler, seed, 12) for seed in (3, 3, 4))
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


def test_a_sampler_that_cannot_do_a_problem_is_refused_with_a_reason() -> None:
    task = task_of(formula())
    assert "one objective, not 2" in str(contenders.refusal("cmaes", task))
    assert "needs a reward" in str(contenders.refusal("mnas-paper", task))
    assert contenders.refusal("mnas", task) is None
    floats = formula({"layers": FloatDistribution(0, 1)})
    assert "float without a step" in str(contenders.refusal("brute", task_of(floats)))


def test_a_missing_package_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cmaes", None)
    one = contenders.Task(formula().distributions, 1)
    assert "mnas-moo[cmaes]" in str(contenders.refusal("cmaes", one))


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    run = play(formula(conditional=True, bounds={"latency_ms": (None, 10.0)}), "random", 2, 15)
    file = tmp_path / "runs" / "random-2.npz"
    record.save(run, file)
    loaded = record.load(file)
    assert loaded is not None
    assert same(run, loaded)
    assert (loaded.sampler, loaded.seed, loaded.ended, loaded.limit_ms) == ("random", 2, "trials", math.inf)
    assert [path.name for path in file.parent.iterdir()] == ["random-2.npz"]


def test_what_is_no_run_counts_as_none(tmp_path: Path) -> None:
    assert record.load(tmp_path / "none.npz") is None
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and then the power failed")
    assert record.load(tmp_path / "torn.npz") is None
    np.savez(tmp_path / "other.npz", words=np.array('{"format": 0}'))
    assert record.load(tmp_path / "other.npz") is None


def test_a_run_with_a_smaller_budget_is_the_beginning_of_one_with_a_larger() -> None:
    long = play(formula(), "random", 0, 30)
    short = long.within(10, math.inf)
    assert short is not None
    assert same(short, play(formula(), "random", 0, 10))
    assert long.within(31, math.inf) is None
    timed = long.within(30, float(long.sampler_ms[:7].sum()) - 1e-6)
    assert timed is not None
    assert (len(timed), timed.ended) == (7, "time")
    exhausted = play(formula(), "brute", 0, 200)
    assert exhausted.within(1000, math.inf) == exhausted


@pytest.mark.skipif("MNAS_MOO_TABLES" not in os.environ, reason="MNAS_MOO_TABLES names no folder of published tables")
def test_random_search_does_on_a_published_table_as_others_measured() -> None:
    problem = bench_table("macro", os.environ["MNAS_MOO_TABLES"])
    runs = [play(problem, "random", seed, 200) for seed in range(5)]
    regrets = [np.mean([problem.regret(run.values[:n]) for run in runs]) for n in (50, 100, 200)]
    assert regrets == pytest.approx([0.1503, 0.1228, 0.0712], abs=1e-4)  # the table's own README, Optuna 5.0
