from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnas_moo.spaces import plugins
from mnas_moo.spaces.mnasnet import MnasNetSpace

SPACE = """\
class Mine:
    name = "mine"
    distributions = spec = params = random = canonical = None
half = type("Half", (), {"spec": None})
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, not on Python's path, with the file of a plugin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin_of_a_test.py").write_text(SPACE, encoding="utf-8")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if "of_a_test" in name:
            del sys.modules[name]


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is installed, and has two entry points."""
    site = folder / "site"
    info = site / "package_of_a_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: package-of-a-test\nVersion: 1\n", encoding="utf-8")
    points = "[mnas_moo.spaces]\ntheirs = package_of_a_test:Mine\nbad = package_of_a_test:half\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (site / "package_of_a_test.py").write_text(SPACE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return "package_of_a_test"


@pytest.mark.parametrize("name", ["mine", "plugin_of_a_test:Mine"])
@pytest.mark.parametrize("plugin", ["plugin_of_a_test.py", "./plugin_of_a_test.py"])
def test_a_file_that_is_named_gives_its_spaces(folder: Path, plugin: str, name: str) -> None:
    found = plugins.find(name, [plugin])
    assert found is not None
    assert (found.__name__, found.__module__) == ("Mine", "plugin_of_a_test")
    assert plugins.find(name, [plugin]) is found  # and is executed once


def test_a_module_that_is_named_gives_its_spaces(installed: str) -> None:
    found = plugins.find("mine", [installed])
    assert found is not None
    assert found.__module__ == installed


def test_an_installed_package_gives_the_spaces_of_its_entry_points(installed: str) -> None:
    assert plugins.known() == ["bad", "theirs"]
    assert installed not in sys.modules
    found = plugins.find("theirs")
    assert found is not None
    assert found.__module__ == installed
    assert plugins.find("package_of_a_test:Mine") is found


@pytest.mark.parametrize("name", ["mine", "plugin_of_a_test:Mine", "os:system", "subprocess:run", "", ":", "os:", ":x"])
def test_a_name_alone_imports_nothing(folder: Path, installed: str, name: str) -> None:
    before = set(sys.modules)
    assert plugins.find(name) is None
    assert set(sys.modules) <= before | {"importlib.metadata._text"}


@pytest.mark.parametrize(
    ("name", "plugin", "message"),
    [
        ("os:system", "os", "plugin os: os:system is no class, so it is no space"),
        ("collections:OrderedDict", "collections", "OrderedDict is no space; it lacks distributions, spec, params,"),
        (
            "plugin_of_a_test:half",
            "plugin_of_a_test.py",
            "half is no space; it lacks distributions, params, ",
        ),
        (
            "mine",
            "no_such_module_of_a_test",
            "cannot be imported: ModuleNotFoundError: .*; a file is named with",
        ),
        ("mine", "absent_of_a_test.py", "plugin absent_of_a_test.py cannot be imported: ValueError: there is no such"),
        ("mine", "./plugin_of_a_test", "there is no such file"),
        ("mine", "notes_of_a_test/x.txt", "it is no Python file; its name must end in .py"),
        ("mine", "json.py", "there is another module of the name json; name the file otherwise"),
        ("mine", "antigravity.py", "there is another module of the name antigravity; name the file otherwise"),
        ("mine", "raises_of_a_test.py", "plugin raises_of_a_test.py cannot be imported: SystemExit: 3"),
        ("mine", "wrong_of_a_test.py", "cannot be imported: SyntaxError: "),
        (
            "bad",
            "plugin_of_a_test.py",
            "package-of-a-test: entry point bad: package_of_a_test:half is no space",
        ),
    ],
)
def test_what_is_no_space_is_refused_before_it_is_called(
    folder: Path, installed: str, name: str, plugin: str, message: str
) -> None:
    Path("notes_of_a_test").mkdir()
    Path("notes_of_a_test/x.txt").touch()
    for file in ("json.py", "antigravity.py"):
        Path(file).write_text(SPACE, encoding="utf-8")
    Path("raises_of_a_test.py").write_text("raise SystemExit(3)", encoding="utf-8")
    Path("wrong_of_a_test.py").write_text("(", encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        plugins.find(name, [plugin])
    assert "\n" not in str(caught.value)


def test_a_plugin_that_failed_leaves_no_half_of_it(folder: Path) -> None:
    Path("half_of_a_test.py").write_text(SPACE + "1 / 0", encoding="utf-8")
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        plugins.find("mine", ["half_of_a_test.py"])
    assert "half_of_a_test" not in sys.modules


def test_the_users_plugins_come_before_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "b:c.py:")
    assert plugins.named(["a"]) == ("a", "b", "c.py")
    monkeypatch.delenv(plugins.VARIABLE)
    assert plugins.named() == ()


def test_our_own_spaces_are_spaces_and_the_contract_itself_is_none() -> None:
    assert plugins.is_space(MnasNetSpace)
    assert not plugins.is_space(MnasNetSpace())
    assert plugins.spaces_of(sys.modules["mnas_moo.spaces.space"]) == {}


def test_a_space_is_made_with_its_settings(folder: Path) -> None:
    made = plugins.made("mine", {}, ["plugin_of_a_test.py"])
    assert made is not None
    assert made.name == "mine"
    with pytest.raises(ValueError, match=r"^space mine: TypeError: .*Mine"):
        plugins.made("mine", {"x": 1}, ["plugin_of_a_test.py"])
    assert plugins.made("other", {}, ["plugin_of_a_test.py"]) is None
