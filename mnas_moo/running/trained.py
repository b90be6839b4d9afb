"""Where the trained networks of a study are: in a folder of their own among the study's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.study import StudyFile


def label_of(trial: int) -> str:
    """The label of a trial's network."""
    return f"trial-{trial}"


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
