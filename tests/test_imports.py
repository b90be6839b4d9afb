"""What importing a module brings in, and in which direction the parts know of each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "adbutils",
    "ai_edge_litert",
    "cmaes",
    "flatbuffers",
    "litert_torch",
    "matplotlib",
    "optuna_dashboard",
    "PIL",
    "plotly",
    "pyarrow",
    "pymoo",
    "ray",
    "sklearn",
    "torchvision",
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for folder in ("mnas_moo", "objectives", "spaces")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
every_module = pytest.mark.parametrize("path", MODULES.values(), ids=list(MODULES))


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a new process has imported after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).split())


@pytest.mark.parametrize("module", ["mnas_moo", "mnas_moo.spaces", "mnas_moo.objectives", "mnas_moo.cli.main"])
def test_the_package_and_its_parts_bring_in_nothing_heavy(module: str) -> None:
    assert not imported_by(f"import {module}") & (EXTRAS | {"torch", "optuna", "sqlalchemy", "pydantic"})


def test_no_public_name_brings_in_a_package_of_an_extra() -> None:
    imported = imported_by("from mnas_moo import *")
    assert "torch" in imported
    assert not imported & EXTRAS


@every_module
def test_a_module_says_first_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first, _, rest = docstring.partition("\n")
    assert len(first) > 20, path
    assert not rest or rest.startswith("\n") or not first.endswith("."), path


@every_module
def test_spaces_know_of_no_objectives_and_neither_of_the_search(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    below = {"spaces": {"spaces"}, "objectives": {"spaces", "objectives"}}.get(part)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            assert first not in ("objectives", "spaces", "studies"), f"{path}:{node.lineno}: write mnas_moo.{name}"
            if first == "mnas_moo" and below is not None:
                assert rest.partition(".")[0] in below, f"{path}:{node.lineno}: {part} must not know of {name}"
