"""The examples in the docstrings and on the page of block strings, and that every public object has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

from mnas_moo import spaces

ROOT = Path(__file__).parents[2]
MODULES = [path.stem for path in sorted((ROOT / "spaces").glob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_hold(module: str) -> None:
    name = "mnas_moo.spaces" if module == "__init__" else f"mnas_moo.spaces.{module}"
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0


def test_examples_of_the_block_string_page_hold() -> None:
    page = ROOT / "docs" / "block-strings.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", ["Space", "NetworkSpec", "get", "network"])
def test_every_public_object_has_an_example_that_imports_it_in_one_step(name: str) -> None:
    assert name in spaces.__all__
    text = inspect.getdoc(getattr(spaces, name)) or ""
    imports = [line for line in text.splitlines() if line.startswith(">>> from mnas_moo.spaces import ")]
    assert any(name in line.partition(" import ")[2].split(", ") for line in imports)
