from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["contenders", "record", "report", "statistics", "timed_sampler"])
def test_the_examples_in_the_docstrings_are_right(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.compare.{module}"))
    assert (failed, tried > 0) == (0, True)
