from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from mnas_moo.objectives.front import is_feasible
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, NETWORK, Observer
from mnas_moo.study_file.document import StudyError
from tests.study_file.conftest import BENCH, FILE, FOLDER, PAST, bench, load_table

pytestmark = pytest.mark.usefixtures("past_table")


def test_every_trial_is_a_look_up_with_its_measurements_stored() -> None:
    study = run_study(load_table())
    completed = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(completed) == 12
    assert study.metric_names == ["accuracy", "latency_ms"]
    rows = {tuple(line.split(",")[:2]): line.split(",")[2:] for line in PAST.splitlines()[1:]}
    for trial in completed:
        row = [float(cell) for cell in rows[str(trial.params["width"]), trial.params["act"]]]
        assert trial.values == row[:2]
        assert trial.user_attrs[MEASUREMENTS] == {
            name: {"value": value} for name, value in zip(("accuracy", "latency_ms", "memory"), row, strict=True)
        }
        assert is_feasible(trial) == (row[2] <= 50)
        assert NETWORK not in trial.user_attrs
    failed = study.get_trials(states=(TrialState.FAIL,))
    assert {(trial.params["width"], trial.params["act"]) for trial in failed} == {(3, "relu")}
    assert all(trial.user_attrs[FAILURE].startswith("the table says that the trial failed") for trial in failed)


@pytest.mark.parametrize(
    "sampler", ["mnas", "{mnas-paper: {reward: {mnas: {target: 2}}}}", "nsga2", "nsga3", "tpe", "gp", "brute"]
)
def test_every_sampler_of_several_objectives_runs_on_a_table(sampler: str) -> None:
    # Some samplers learn nothing from failed trials, and would try the row that failed for ever.
    Path("past.csv").write_text(PAST.replace("3,relu,,,", "3,relu,0.8,3.0,30"), encoding="utf-8")
    wanted = 6 if sampler == "brute" else 12  # there are six points
    study = run_study(load_table("{random: {seed: 0}}", sampler, "trials: 12", f"trials: {wanted}"))
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == wanted


def test_a_study_of_one_objective_goes_to_cmaes_too() -> None:
    changes = (
        "{accuracy: maximize, latency_ms: minimize}",
        "{accuracy: maximize}",
        "constraints: {memory: {max: 50}}\n",
        "",
    )
    study = run_study(load_table(*changes, "{random: {seed: 0}}", "{cmaes: {seed: 0}}"))
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 12


def test_ten_trials_and_more_are_as_many_in_one_go_and_another_study_is_refused() -> None:
    run_study(load_table("{random: {seed: 0}}", "{mnas: {seed: 0}}"), trials=6)
    parts = run_study(load_table("{random: {seed: 0}}", "{mnas: {seed: 0}}"), trials=12)
    whole = run_study(load_table("{random: {seed: 0}}", "{mnas: {seed: 0}}", "past.log", "whole.log"))
    assert [trial.params for trial in parts.trials] == [trial.params for trial in whole.trials]
    with pytest.raises(
        StudyError, match=r"past.yaml:7: constraints: the file asks for {memory: {max: 40.0}}, but study"
    ):
        run_study(load_table("max: 50", "max: 40"))
    with pytest.raises(
        StudyError, match=r"past.yaml:3: table: the file asks for past.csv {parameters: \['act', 'width'\]"
    ):
        run_study(load_table("[width, act]", "[act, width]"))
    Path("net.yaml").write_text(
        "name: past\nstorage: journal:///past.log\nspace: mnasnet\ndata: digits\n"
        "objectives: {parameters_m: , multiply_adds_m: }\nsampler: random\ntrials: 1\n"
    )
    with pytest.raises(
        StudyError, match=r"net.yaml:1: name: the file is a study of networks of mnasnet, but .* past.csv;"
    ):
        run_study("net.yaml")


def test_a_run_says_how_far_the_forest_can_be_trusted() -> None:
    rng = np.random.default_rng(0)
    rows = [f"{width},relu,{0.5 + width / 100},{1 + width / 10},1" for width in rng.uniform(0, 9, 40)]
    Path("past.csv").write_text("\n".join([PAST.splitlines()[0], *rows]), encoding="utf-8")
    said: list[str] = []

    class Listener(Observer):
        def preparing(self, what: str) -> None:
            said.append(what)

    run_study(load_table(), trials=2, observer=Listener())
    assert re.fullmatch(
        r"points without a row are answered by a forest; out of bag: accuracy R2 0\.9\d\d, tau .*", said[0]
    )


@bench
def test_noise_is_new_with_every_trial_and_the_same_in_every_run() -> None:
    problem = bench_table("macro-noisy", FOLDER)
    first, second = (run_study(load_table(*BENCH, "past.log", f"{run}.log")) for run in "ab")
    assert [trial.values for trial in first.trials] == [trial.values for trial in second.trials]
    errors = [trial.values[0] - problem.measure(trial.params)["accuracy"] for trial in first.trials]
    assert len({round(error, 9) for error in errors}) > 6
    assert max(map(abs, errors)) < 0.02


@bench
def test_conditional_parameters_are_asked_for_where_they_exist() -> None:
    study = run_study(
        load_table(FILE, "table: anb-zcu102-conditional\n", "memory: {max: 50}", "parameters_m: {max: 5}")
    )
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert len({len(trial.params) for trial in study.trials}) > 1
