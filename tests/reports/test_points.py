from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from mnas_moo.instanas.sampler import RESULT
from mnas_moo.reports.points import points_of_trials
from mnas_moo.running.per_image import search_file
from mnas_moo.spaces.instanas import NAMES
from tests.running.points import CLASSES, SPACE, searched


def test_points_are_those_of_the_trials_with_what_their_images_do(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    study.add_trial(study.trials[0])  # a point again
    first, second = points_of_trials(study, study_file, study.trials)
    assert (first.trial, first.number, second.trial, second.number) == (0, 0, 1, 1)
    assert first.figures == {"accuracy": 0.5, "latency_ms": 1.0, "shuffled_accuracy": 0.375, "paths": 3.0, "on": 0.25}
    assert first.use is not None and first.use.shape == (10, SPACE.cells, len(NAMES))
    assert np.allclose(first.use[9], 1) and second.use is not None and np.allclose(second.use[9], 0)
    assert [image.label for image in second.images] == CLASSES[::-1]
    assert first.images[0].pixels.tolist() == [[[0], [10], [20]], [[30], [40], [50]]]
    assert [each.trial for each in points_of_trials(study, study_file, study.trials[1:2])] == [1]


@pytest.mark.parametrize(
    "broken",
    [
        {"ways": []},
        {"ways": [{"use": [[1]], "images": []}] * 2},
        {
            "ways": [{"use": [[0.5] * 25] * 10, "images": [{"label": 12, "latency_ms": 1, "pixels": "", "shape": [0]}]}]
            * 2
        },
        {"points": [{"file": "another"}] * 2},
        {"classes": None},
    ],
)
def test_notes_that_are_missing_broken_or_of_another_search_leave_the_figures(
    broken: dict[str, Any], tmp_path: Path
) -> None:
    study_file, study = searched(tmp_path)
    notes = search_file(study_file).with_suffix(".json")
    notes.write_text(json.dumps({**json.loads(notes.read_text()), **broken}))
    for _ in range(2):
        found = points_of_trials(study, study_file, study.trials)
        assert [(each.trial, each.use, each.images) for each in found] == [(0, None, ()), (1, None, ())]
        notes.unlink(missing_ok=True)


def test_figures_of_another_program_are_no_points(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    study._storage.set_study_system_attr(study._study_id, RESULT, {"points": [{"accuracy": "high"}]})
    assert points_of_trials(study, study_file, study.trials) == []
    other = optuna.create_study()
    assert points_of_trials(other, study_file, []) == []
