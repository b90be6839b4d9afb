from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.study_file.folder_name import folder_name
from tests.study_file.conftest import load


@pytest.mark.parametrize(
    "name", ["digits", "imagenet-pixel", "my study 2", "Größe 1.5", "a=1, b(2)", "consul", "x" * 100]
)
def test_most_names_stay_as_they_are(name: str) -> None:
    assert folder_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/x", "..", ".", "...", "", " ", "a/b", "a\\b", "C:x", "a\0b", "a\nb", "con", "NUL", "Com1.x",
     "\ud800", "x" * 101, "ä" * 101, "\U0001f600" * 60, ".hidden", " x ", "~", "$HOME"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    made = tmp_path / f"{folder_name(name)}_files"
    made.mkdir()
    assert made.resolve().parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [made.name]
    assert len(made.name) <= 130


def test_other_names_of_devices_and_paths_are_not_theirs() -> None:
    assert folder_name("con").startswith("study-con-")
    assert folder_name("nul.txt").startswith("study-nul.txt-")
    assert len({folder_name(name) for name in ("a/b", "a_b", "a:b", "../a", "a")}) == 5


def test_files_of_a_study_lie_in_the_working_folder_whatever_its_name(tmp_path: Path) -> None:
    changes = ("name: small", "name: ../../x", "sqlite:///small.db", "postgresql://host/db")
    assert load(tmp_path, *changes).files.parent == Path()
