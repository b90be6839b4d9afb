"""What the benchmarks share: options, turns, processes, searches on tables, and how figures are written."""

from __future__ import annotations

import dataclasses
import doctest
import json
import os
from pathlib import Path

import optuna
import pytest

from mnas_moo.studies.benchmarks import harness
from tests.compare.conftest import formula


def double(number: int) -> tuple[int, int, str]:
    """Twice a number, in which process, and on how many threads."""
    return 2 * number, os.getpid(), os.environ["OMP_NUM_THREADS"]


def test_the_examples_print_what_they_show() -> None:
    failed, run = doctest.testmod(harness)
    assert not failed
    assert run


def test_a_benchmark_has_the_options_it_asks_for() -> None:
    parser = harness.options("What is compared.", tables="needed", seeds=5, jobs=2)
    arguments = parser.parse_args(["--tables", "folder", "--seeds", "3", "--json", "out.json"])
    assert vars(arguments) == {"tables": Path("folder"), "seeds": 3, "jobs": 2, "json": Path("out.json")}
    assert vars(harness.options("", json_file=False).parse_args([])) == {}


def test_tables_are_those_of_the_environment_unless_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(harness.TABLES, "there")
    assert harness.options("", tables="needed").parse_args([]).tables == Path("there")
    monkeypatch.delenv(harness.TABLES)
    assert harness.options("", tables="optional").parse_args([]).tables is None
    with pytest.raises(SystemExit):
        harness.options("", tables="needed").parse_args([])
    assert "required: --tables" in capsys.readouterr().err


def test_figures_are_written_where_a_file_is_named(tmp_path: Path) -> None:
    harness.write_json(None, {"ms": 1.5})
    assert list(tmp_path.iterdir()) == []
    harness.write_json(tmp_path / "out.json", {"ms": [1.5, 2.0]})
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == {"ms": [1.5, 2.0]}


def test_a_timed_call_gets_its_arguments_and_gives_its_result() -> None:
    seconds, result = harness.seconds(sorted, [2, 3, 1], reverse=True)
    assert result == [3, 2, 1]
    assert 0 <= seconds < 10


def test_tasks_run_in_other_processes_on_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    results = list(harness.in_processes(double, range(3), 1, fresh=True))
    assert [twice for twice, _, _ in results] == [0, 2, 4]
    assert len({process for _, process, _ in results} | {os.getpid()}) == 4
    assert {threads for _, _, threads in results} == {"1"}


@pytest.mark.parametrize("workers", [1, 4])
def test_a_search_tells_every_trial_what_the_table_says(workers: int) -> None:
    problem = formula()
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=list(problem.directions.values()), sampler=sampler)
    values = harness.search(problem, study, 10, workers)
    assert [trial.values for trial in study.trials] == values
    assert [list(problem.measure(trial.params).values()) for trial in study.trials] == values


def test_workers_ask_before_the_first_of_them_is_told() -> None:
    problem, running = formula(), []

    class Watching(optuna.samplers.RandomSampler):
        def after_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial, *rest: object) -> None:
            running.append(len(study.get_trials(states=[optuna.trial.TrialState.RUNNING])))

    study = optuna.create_study(directions=list(problem.directions.values()), sampler=Watching(seed=0))
    harness.search(problem, study, 5, workers=3)
    assert running == [3, 2, 1, 2, 1]


def test_regret_is_given_at_the_marks_that_were_reached() -> None:
    problem = dataclasses.replace(formula(), reference_point=(0.0, 10.0), best_hypervolume=8.0)
    values = [[0.5, 6.0], [0.9, 20.0], [0.5, 2.0]]  # hypervolumes 2, 2 and 4
    assert harness.regrets(problem, values, (1, 2, 3, 100)) == pytest.approx({1: 0.75, 2: 0.75, 3: 0.5})
