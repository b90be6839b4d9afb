from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from tests.study_file.conftest import DIGITS, load


def test_data_gives_the_space_what_the_file_leaves_open(tmp_path: Path) -> None:
    space = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mnasnet").make_space(DIGITS)
    spec = space.spec(dict.fromkeys(space.distributions) | {n: d.choices[0] for n, d in space.distributions.items()})  # type: ignore[attr-defined]
    assert (spec.input_shape, spec.classes) == ((1, 16, 16), 10)


MINE = """\
class MySpace:
    name = "mine"
    distributions = spec = params = random = canonical = None
    def __init__(self, depth=1, classes=2, resolution=3):
        if depth > 9: raise ValueError('depth is too much')
        self.made = (depth, classes, resolution)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file with a space, of which Python has forgotten all afterwards; its folder is the working folder."""
    (tmp_path / "my_own_space.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield "my_own_space.py"
    sys.modules.pop("my_own_space", None)


@pytest.mark.parametrize("name", ["my_own_space:MySpace", "mine"])
def test_a_users_space_is_made_with_its_settings_and_what_the_data_says(tmp_path: Path, plugin: str, name: str) -> None:
    mine = f"{{'{name}': {{depth: 2}}}}"
    study = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", mine, plugins=[plugin])
    assert study.make_space(DIGITS).made == (2, 10, 8)  # type: ignore[attr-defined]
    for change, message in (("deph: 2", "is unknown; did you mean 'depth'?"), ("depth: 10", ": depth is too much")):
        changed = mine.replace("depth: 2", change)
        with pytest.raises(StudyError, match=rf"small.yaml:3: space\.{name}\.dep") as caught:
            load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", changed, plugins=[plugin])
        assert message in str(caught.value)


def test_a_study_still_knows_its_plugins_in_another_process(tmp_path: Path, plugin: str) -> None:
    study = load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mine", plugins=[plugin])
    del sys.modules["my_own_space"]
    again = pickle.loads(pickle.dumps(study.model_copy(update={"name": "other"})))
    assert again.make_space(DIGITS).made == (1, 10, 8)


def test_a_plugin_in_the_working_folder_is_not_loaded_because_a_file_names_it(tmp_path: Path, plugin: str) -> None:
    before = list(sys.path)
    with pytest.raises(StudyError, match=r"'my_own_space:MySpace', which is of no plugin; .* --plugin FILE_OR_MODULE$"):
        load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "my_own_space:MySpace")
    assert "my_own_space" not in sys.modules
    assert sys.path == before


def test_the_environment_variable_names_plugins_too(
    tmp_path: Path, plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNAS_MOO_PLUGINS", plugin)
    assert load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mine").make_space().made == (1, 2, 3)  # type: ignore[attr-defined]


def test_an_unknown_name_gets_the_nearest_of_all_spaces(tmp_path: Path, plugin: str) -> None:
    with pytest.raises(StudyError, match=r"'minne', which is unknown; did you mean 'mine'\? allowed: mnasnet, .*mine"):
        load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "minne", plugins=[plugin])


def test_what_is_wrong_with_a_plugin_is_said_at_the_space(tmp_path: Path, plugin: str) -> None:
    Path(plugin).write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"small.yaml:3: space is 'mine': plugin my_own_space.py cannot be imported:"):
        load(tmp_path, "{mnasnet: {preset: digits, blocks: 3}}", "mine", plugins=[plugin])


def test_a_space_of_this_package_loads_no_plugin(tmp_path: Path, plugin: str) -> None:
    load(tmp_path, plugins=[plugin])
    assert "my_own_space" not in sys.modules
