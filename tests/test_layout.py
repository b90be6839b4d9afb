"""The folders at the top of the repository are the subpackages the wheel installs."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import bundled, load_study_file

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_folder_is_listed_in_setup_cfg() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    # rglob does not follow the links to the folders at the top
    found = {".".join(init.parent.relative_to(ROOT).parts) for init in (ROOT / "mnas_moo").rglob("__init__.py")}
    for top in ("objectives", "spaces", "studies"):
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(("mnas_moo", *init.parent.relative_to(ROOT).parts)))
    assert found == listed


def test_bundled_study_by_name_and_by_path() -> None:
    assert "digits" in bundled()
    by_name, by_path = load_study_file("digits"), load_study_file(ROOT / "studies" / "digits.yaml")
    assert by_name.model_dump() == by_path.model_dump()


def test_missing_study_names_the_bundled_ones() -> None:
    with pytest.raises(StudyError, match=r"bundled: .*digits"):
        load_study_file("nope")
