from __future__ import annotations

import optuna

from mnas_moo.reports.note import explain
from mnas_moo.reports.past import history
from mnas_moo.running.run import IDENTITY
from mnas_moo.study_file.network_study import StudyFile

Finished = tuple[StudyFile, optuna.Study]


def test_the_note_says_what_is_searched_with_units_and_bounds(finished_study: Finished) -> None:
    study = finished_study[1]
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    note = explain("small", identity, history(study.trials, study.directions, study.metric_names), "random")
    for words in (
        "space `mnasnet` (18 decisions a network; preset: digits, blocks: 3)",
        "`digits` (10 classes, grey)",
        "- accuracy on the hold-out, maximized",
        "- latency (ms), minimized",
        "- constraint: parameters (millions) at most 0.015",
        "the sampler `random`",
        "`mnas-moo run STUDY`",
    ):
        assert words in note
