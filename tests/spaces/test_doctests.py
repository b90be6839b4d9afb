from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["text", "networks", "mnasnet", "mnasnet_flat"])
def test_examples_of_a_module_hold(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.spaces.{module}"))
    assert tried > 0
    assert failed == 0


def test_examples_of_the_block_string_page_hold() -> None:
    page = Path(__file__).parents[2] / "docs" / "block-strings.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 0
    assert failed == 0
