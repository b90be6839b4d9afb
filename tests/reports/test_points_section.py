from __future__ import annotations

from pathlib import Path

from mnas_moo.reports.points import points_of_trials
from mnas_moo.reports.points_section import points_sections
from tests.running.points import EPOCH, searched


def test_the_search_has_a_section_and_its_images_another(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    points = points_of_trials(study, study_file, study.trials)
    search, images = points_sections(points, {"epochs": [{**EPOCH, "epoch": 0}]})
    assert [figure.name for figure in search.figures] == ["instanas-search"]
    rows = search.tables["Points of the search"].rows
    assert rows[1] == ["1", "75.00 %", "37.50 %", "2", "3", "25 %"]
    kinds = ("images", "modules")
    assert [figure.name for figure in images.figures] == [f"instanas-{kind}-{i}" for i in (0, 1) for kind in kinds]


def test_a_study_without_points_has_no_section_and_one_without_notes_has_a_table() -> None:
    assert points_sections([], {}) == []


def test_without_notes_there_is_a_table(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    search, images = points_sections(points_of_trials(study, study_file, study.trials), {"epochs": "none"})
    assert search.figures == [] and len(search.tables["Points of the search"].rows) == 2 and images.figures
