from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.running.trained import label_of, trained_figures, trained_file, trial_of
from mnas_moo.running.trials import FAILURE
from mnas_moo.study_file.document import StudyError
from tests.running.conftest import write


def test_figures_are_found_by_label_and_what_is_no_figures_is_left_out(tmp_path: Path) -> None:
    study_file = write(tmp_path)
    assert trained_figures(study_file) == {}
    file = trained_file(study_file, label_of(3))
    assert (file.name, file.parent.parent) == ("trial-3.pt", study_file.files)
    file.parent.mkdir(parents=True)
    file.with_suffix(".json").write_text(json.dumps({"label": "trial-3", "accuracy": 0.5}))
    file.with_name("broken.json").write_text("{")
    file.with_name("list.json").write_text("[1]")
    file.with_name("other.json").write_text('{"accuracy": 1}')
    assert trained_figures(study_file) == {"trial-3": {"label": "trial-3", "accuracy": 0.5}}


def test_a_label_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    study_file = write(tmp_path)
    assert trained_file(study_file, "../../x").parent == trained_file(study_file, "a").parent


def test_a_trial_that_failed_or_is_not_there_is_refused() -> None:
    study = optuna.create_study(study_name="small")
    study.add_trial(create_trial(value=1.0))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={FAILURE: "the loss became nan\x1b"}))
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert trial_of(study, 0).number == 0
    for number, message in (
        (1, r"trial 1 of small failed \(the loss became nan\\x1b\); `mnas-moo front` lists others"),
        (2, "trial 2 of small failed; `mnas-moo front` lists others"),
        (3, "small has no trial 3; it has trials 0 to 2"),
        (-1, "small has no trial -1; it has trials 0 to 2"),
    ):
        with pytest.raises(StudyError, match=f"^{message}$"):
            trial_of(study, number)
