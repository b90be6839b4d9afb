"""Where the trained networks of a study are: in a folder of their own among the study's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from mnas_moo.running.trials import FAILURE
from mnas_moo.spaces.printable import short
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.study import StudyFile

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


def label_of(trial: int) -> str:
    """The label of a trial's network."""
    return f"trial-{trial}"


def trial_at(study: optuna.Study, number: int) -> FrozenTrial:
    """A trial of a study, by its number.

    Raises:
        StudyError: there is no such trial.
    """
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        has = f"trials 0 to {len(trials) - 1}" if trials else "no trials yet"
        raise StudyError(f"{study.study_name} has no trial {number}; it has {has}")
    return trials[number]


def trial_of(study: optuna.Study, number: int) -> FrozenTrial:
    """A trial of a study that may have a network, by its number.

    Raises:
        StudyError: there is no such trial, or it failed.
    """
    trial = trial_at(study, number)
    if trial.state == TrialState.FAIL:
        reason = trial.user_attrs.get(FAILURE)
        why = f" ({short(reason)})" if isinstance(reason, str) else ""
        raise StudyError(f"trial {number} of {study.study_name} failed{why}; `mnas-moo front` lists others")
    return trial


def trained_file(study_file: StudyFile, label: str) -> Path:
    """The file of a trained network (``objectives.training.trained``) by its label."""
    return study_file.files / f"trained-{folder_name(study_file.name)}" / f"{folder_name(label)}.pt"


def trained_figures(study_file: StudyFile) -> dict[str, dict[str, Any]]:
    """The figures of all trained networks of a study by their labels; files of others are left out."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(trained_file(study_file, "any").parent.glob("*.json")):
        try:
            figures = json.loads(file.read_text(encoding="utf-8"))
            found[str(figures["label"])] = figures
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
