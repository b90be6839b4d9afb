from __future__ import annotations

import json

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.reports.dashboard_view import NetworkStore, View
from mnas_moo.running.identity import IDENTITY
from mnas_moo.study_file.study import StudyFile
from tests.reports.conftest import of
from tests.reports.test_members import five

Finished = tuple[StudyFile, optuna.Study]
NOTE = "dashboard:note_str:0"


@pytest.fixture
def own(finished_study: Finished) -> tuple[View, optuna.Study]:
    """A view of a copy of the finished study that may be written to."""
    study_file, stored = finished_study
    study = optuna.create_study(study_name="small", directions=stored.directions)
    identity = stored._storage.get_study_system_attrs(stored._study_id)[IDENTITY]
    study._storage.set_study_system_attr(study._study_id, IDENTITY, identity)
    study.add_trials(stored.get_trials())
    view = View(study._storage, study_file)
    view.refresh()
    return view, study


def test_the_front_leads_to_the_note(own: tuple[View, optuna.Study]) -> None:
    view, study = own
    plots = view.get_study_system_attrs(study._study_id)
    front = json.loads(
        "".join(text for key, text in plots.items() if key.startswith("dashboard:plot_data:pareto-front:"))
    )
    assert f'<a href="/dashboard/studies/{study._study_id}/note"' in front["layout"]["title"]["text"]


def test_what_is_shown_is_made_again_only_when_something_has_happened(own: tuple[View, optuna.Study]) -> None:
    view, study = own
    before = view.shown[study._study_id]
    view.refresh()
    assert view.shown[study._study_id] is before
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"failure": "no room"}))
    view.refresh()
    after = view.shown[study._study_id]
    assert after.notes[study.trials[-1]._trial_id] == "**It failed**: no room"
    assert after.past.numbers == before.past.numbers


def test_a_note_of_the_users_replaces_ours(own: tuple[View, optuna.Study]) -> None:
    view, study = own
    assert view.get_study_system_attrs(study._study_id)[NOTE].startswith("## small")
    view.set_study_system_attr(study._study_id, NOTE, "Mine.")
    assert view.get_study_system_attrs(study._study_id)[NOTE] == "Mine."
    assert view.get_all_studies()[0].system_attrs[NOTE] == "Mine."


def test_pictures_are_drawn_on_request_and_an_unknown_one_is_not_found(
    own: tuple[View, optuna.Study], finished_study: Finished
) -> None:
    view, study = own
    store = NetworkStore(study._storage, finished_study[0].files)
    trial = view.get_trial(study.trials[0]._trial_id)
    assert store.open_reader(f"0-{trial._trial_id:x}-0").read().lstrip().startswith(b"<svg")
    with pytest.raises(optuna.artifacts.exceptions.ArtifactNotFound):
        store.open_reader("0-fffff-0")


def test_a_front_of_many_objectives_has_its_plots_and_one_of_two_has_none(own: tuple[View, optuna.Study]) -> None:
    study = five()
    assert list(own[0].at_once(study.trials, of(study))) == ["parallel", "matrix"]
    assert own[0].at_once(own[1].trials, of(own[1])) == {}


def test_pairs_of_all_trials_are_left_out_where_they_are_too_crowded(own: tuple[View, optuna.Study]) -> None:
    study = five()
    frozen = study._storage.get_all_studies()[0]
    kept = View(study._storage, own[0].study_file).plots(frozen, study.get_trials(), study.metric_names, of(study))
    drawn = {key.split(":")[2] for key in kept if key.startswith("dashboard:plot_data:")}
    assert {"parallel", "matrix", "hypervolume"} <= drawn and "pareto-front" not in drawn
    assert "What is this study?" in "".join(kept[key] for key in kept if ":parallel:" in key)
