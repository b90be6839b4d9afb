from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.objectives.counts import Count
from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.running.objectives import describe, images_of, make_objective, space_of, training_settings
from mnas_moo.study_file.document import StudyError
from mnas_moo.supernet.accuracy import SharedAccuracy
from tests.running.test_shared_weights import Told, study_of

LINE = "{shared: {steps: 30, batch_size: 64, device: cpu, alone: 2, train: {steps: 12, device: cpu}}}"


def test_objectives_are_made_as_the_file_says(tmp_path: Path) -> None:
    shared = study_of(tmp_path, "steps: 30", "steps: 2")
    space = space_of(shared, describe(shared))
    assert isinstance(make_objective(shared, "accuracy", space, Told()), SharedAccuracy)
    assert isinstance(make_objective(shared, "multiply_adds_m", space, Told()), Count)
    alone = study_of(tmp_path, LINE, "{train: {steps: 12, holdout: 0.5, device: cpu}}")
    accuracy = make_objective(alone, "accuracy", space, Told())
    assert isinstance(accuracy, Accuracy)
    assert (accuracy.settings.steps, len(accuracy.data.holdout)) == (12, 898)


def test_images_are_read_at_the_space_s_resolution_and_told_of(tmp_path: Path) -> None:
    study_file, told = study_of(tmp_path), Told()
    data = images_of(study_file, space_of(study_file, describe(study_file)), told)
    assert tuple(data.images.shape[1:]) == (16, 16, 1)
    assert told.lines == ["reading the images of digits", "1,797 images of 10 classes"]


def test_networks_are_trained_alone_as_the_file_says(tmp_path: Path) -> None:
    settings = training_settings(study_of(tmp_path))
    assert settings["steps"] == 12 and not {"holdout", "confirm"} & set(settings)


def test_a_space_for_other_classes_is_one_line(tmp_path: Path) -> None:
    study_file = study_of(tmp_path, "blocks: 3", "blocks: 3, classes: 7")
    with pytest.raises(StudyError, match=r"space\.mnasnet\.classes is 7, but the data has 10; leave it out"):
        space_of(study_file, describe(study_file))
