"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["tokens", "history", "encoding"])
def test_examples_of_a_module_hold(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.genomes.{module}"))
    assert tried > 0
    assert failed == 0
