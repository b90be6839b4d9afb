"""The folders at the top are the subpackages the wheel installs; a module holds one idea and has its test file."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import bundled, load_study_file

ROOT = Path(__file__).resolve().parent.parent
# rglob does not follow the links to the folders at the top
MODULES = sorted(path for folder in ("mnas_moo", "objectives", "spaces") for path in (ROOT / folder).rglob("*.py"))
every_module = pytest.mark.parametrize("path", MODULES, ids=[path.relative_to(ROOT).as_posix() for path in MODULES])

LINES = 400
REASON = "One file because"
"""Begins the sentence of a docstring that says why a module is longer than these lines."""

TESTED_IN = {
    "objectives/virtual_phone/event.py": "tests/objectives/virtual_phone/test_phones.py",
}
"""Modules that are tested through others, and the tests that do so: their work shows only where they meet those."""


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


@every_module
def test_a_module_says_first_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first, _, rest = docstring.partition("\n")
    assert len(first) > 20, path
    assert not rest or rest.startswith("\n") or not first.endswith("."), path


def too_long(text: str) -> bool:
    """Whether a module has more lines than a reader should have to hold together, and no reason for it."""
    reason = REASON in " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    return len(text.splitlines()) > LINES and not reason


def test_a_long_module_says_why() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in MODULES}
    long = {name: len(text.splitlines()) for name, text in texts.items() if too_long(text)}
    assert not long, f"split them, or say in their docstrings: {REASON} ..."


def test_only_a_reason_excuses_length() -> None:
    assert not too_long('"""Idea."""\n' + "x = 0\n" * (LINES - 1))
    assert too_long('"""Idea."""\n' + "x = 0\n" * LINES)
    assert not too_long('"""Idea.\n\nOne file\nbecause the paper has one page."""\n' + "x = 0\n" * LINES)


def decides(text: str) -> bool:
    """Whether a module has a function or a method that does anything: data and protocols have none."""
    return any(
        not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
    )


def own_tests(path: Path) -> Path:
    """Where the tests of a module belong: the same tree, but for the folder mnas_moo, whose modules lie at the top."""
    parts = path.relative_to(ROOT).parts
    return Path(ROOT, "tests", *parts[parts[0] == "mnas_moo" :]).with_name(f"test_{path.name}")


def test_a_module_that_decides_something_has_its_test_file() -> None:
    missing, excused = [], []
    for path in MODULES:
        name, own = path.relative_to(ROOT).as_posix(), own_tests(path)
        if name in TESTED_IN:
            assert (ROOT / TESTED_IN[name]).exists(), name
            excused += [name] if own.exists() else []
        elif path.name != "__init__.py" and decides(path.read_text(encoding="utf-8")) and not own.exists():
            missing.append(own.relative_to(ROOT).as_posix())
    assert not missing
    assert not excused, "these have their own by now: take them out of TESTED_IN"


def test_no_module_that_is_gone_is_still_excused() -> None:
    assert set(TESTED_IN) <= {path.relative_to(ROOT).as_posix() for path in MODULES}


def test_data_and_protocols_decide_nothing() -> None:
    assert not decides('class A:\n    x: int = 0\n\n    def f(self) -> int:\n        """The f."""\n        ...')
    assert decides("class A:\n    def f(self) -> int:\n        return 1")
    assert decides("def f() -> int:\n    return 1")


def test_the_test_file_of_a_module_lie_in_the_same_place() -> None:
    assert own_tests(ROOT / "mnas_moo" / "ppo.py") == ROOT / "tests" / "test_ppo.py"
    assert own_tests(ROOT / "spaces" / "spec.py") == ROOT / "tests" / "spaces" / "test_spec.py"
    running = ROOT / "mnas_moo" / "running" / "run.py"
    assert own_tests(running) == ROOT / "tests" / "running" / "test_run.py"
