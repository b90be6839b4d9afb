from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from tests.study_file.conftest import DIGITS, load


def test_data_gives_the_space_what_the_file_leaves_open(tmp_path: Path) -> None:
    space = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mnasnet").make_space(DIGITS)
    spec = space.spec(dict.fromkeys(space.distributions) | {n: d.choices[0] for n, d in space.distributions.items()})  # type: ignore[attr-defined]
    assert (spec.input_shape, spec.classes) == ((1, 16, 16), 10)


def test_a_users_space_is_made_with_its_settings_and_what_the_data_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_space.py").write_text(
        "class MySpace:\n"
        "    def __init__(self, depth=1, classes=2, resolution=3):\n"
        "        if depth > 9: raise ValueError('depth is too much')\n"
        "        self.made = (depth, classes, resolution)\n"
    )
    monkeypatch.chdir(tmp_path)
    mine = "{my_own_space:MySpace: {depth: 2}}"
    study = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", mine)
    assert study.make_space(DIGITS).made == (2, 10, 8)  # type: ignore[attr-defined]
    for change, message in (("deph: 2", "is unknown; did you mean 'depth'?"), ("depth: 10", ": depth is too much")):
        with pytest.raises(StudyError, match=r"small.yaml:3: space\.my_own_space:MySpace\.dep") as caught:
            load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", mine.replace("depth: 2", change))
        assert message in str(caught.value)
