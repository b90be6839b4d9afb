"""The examples in the docstrings of the sampler's modules, and that every public object has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import mnas_moo
from mnas_moo.settings import SearchSettings

ROOT = Path(__file__).resolve().parent.parent / "mnas_moo"
FILES = [*ROOT.glob("*.py"), *ROOT.glob("policy/*.py"), *ROOT.glob("surrogate/*.py")]
FILES += [ROOT / "running" / "run.py", ROOT / "study_file" / "load.py"]
MODULES = [
    ".".join(("mnas_moo", *path.relative_to(ROOT).with_suffix("").parts))
    for path in sorted(FILES)
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_hold(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", sorted(set(mnas_moo.__all__) - {"objectives", "pymoo", "spaces"}))
def test_every_public_object_has_an_example(name: str) -> None:
    assert f"{name}(" in "".join(
        line for line in (inspect.getdoc(getattr(mnas_moo, name)) or "").splitlines() if line.startswith(">>> ")
    )


def test_the_settings_have_an_example() -> None:
    assert ">>> " in (SearchSettings.__doc__ or "")
