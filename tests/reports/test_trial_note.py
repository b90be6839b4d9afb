from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnas_moo.reports.past import history
from mnas_moo.reports.trial_note import artifact_of, best_trials, explain_trials
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.trials import MEASUREMENTS
from mnas_moo.study_file.study import StudyFile
from tests.reports.conftest import STUDY, study_of

Finished = tuple[StudyFile, optuna.Study]
IDENTIFIED: dict[str, Any] = {"constraints": {}}


def notes_of(study: optuna.Study, identity: dict[str, Any] = IDENTIFIED) -> list[str]:
    trials = study.get_trials()
    past = history(trials, study.directions, study.metric_names)
    told = explain_trials(3, identity, trials, past)
    return [told[trial._trial_id] for trial in trials]


def test_a_note_says_where_a_trial_stands() -> None:
    notes = notes_of(study_of(*STUDY))
    assert notes[0].startswith("**On the Pareto front** of 6 finished trials.")
    assert notes[2].startswith("Not on the Pareto front of 6")
    assert notes[3].splitlines()[0].endswith("Its results are those of trial 1, the same network.")
    assert notes[4].startswith("**It violates a constraint**")


def test_a_note_has_figures_with_intervals_and_limits_the_picture_and_the_next_commands(
    finished_study: Finished,
) -> None:
    study = finished_study[1]
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    trial = next(trial for trial in study.trials if trial.state == TrialState.COMPLETE)
    note = notes_of(study, identity)[trial.number]
    assert f"- accuracy on the hold-out: **{trial.values[0]:.2%}**" in note
    assert "- latency (ms): **" in note
    assert "- parameters (millions): **" in note
    assert "; allowed is at most 0.015" in note
    address = f"/artifacts/3/{trial._trial_id}/{artifact_of(trial, 0)}"
    assert f"[![Picture of the network of trial {trial.number}" in note
    assert f"]({address})]({address})" in note
    assert f"`{trial.user_attrs['network']}`" in note
    for command in (
        f"show STUDY --trial {trial.number}",
        f"train STUDY {trial.number}",
        f"export STUDY {trial.number}",
    ):
        assert f"`mnas-moo {command}" in note


def test_a_figure_has_its_interval_and_the_number_of_trainings() -> None:
    accuracy = {"value": 0.8, "interval": [0.75, 0.85], "trainings": [{}, {}]}
    latency = {"value": 20.0, "confidence_half_width_ms": 0.5}
    study = study_of(([0.8, 20.0], {MEASUREMENTS: {"accuracy": accuracy, "latency_ms": latency}}))
    (note,) = notes_of(study)
    assert "- accuracy on the hold-out: **80.00%**, 95 % interval 75.00% to 85.00%, mean of 2 trainings" in note
    assert "- latency (ms): **20**, 95 % interval 19.5 to 20.5" in note


@pytest.mark.parametrize(
    ("trial", "line"),
    [
        (create_trial(state=TrialState.FAIL, user_attrs={"failure": "no *memory*"}), "**It failed**: `no *memory*`"),
        (create_trial(state=TrialState.FAIL, user_attrs={"failure": 3}), "**It failed**."),
        (create_trial(state=TrialState.RUNNING), "**It is under way**: it has not said how far it is."),
        (create_trial(values=[float("inf"), 1.0]), "It has no finite results."),
    ],
)
def test_a_trial_without_results_says_why(trial: FrozenTrial, line: str) -> None:
    study = study_of()
    study.add_trial(trial)
    (note,) = notes_of(study)
    assert note.splitlines()[0] == line
    assert "mnas-moo" not in note


def test_the_best_trials_are_the_feasible_front_with_readable_figures() -> None:
    study = study_of(*STUDY)
    trials = study.get_trials()
    best = best_trials(3, trials, history(trials, study.directions, study.metric_names))
    assert [trial["number"] for trial in best] == [0, 1, 3, 5]
    assert best[0]["values"] == ["accuracy on the hold-out: 80.00%", "latency (ms): 20"]
    assert best[0]["params"] == [{"name": "network", "param_external_value": "a"}]


def test_the_best_trial_of_a_table_has_its_parameters() -> None:
    study = study_of(([0.8, 20.0], {}))
    trials = study.get_trials()
    (best,) = best_trials(3, trials, history(trials, study.directions, study.metric_names))
    assert best["params"] == [{"name": "x", "param_external_value": "0.8"}]
