from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module", ["failures", "figures", "importance", "note", "past", "plots", "plots_plotly", "progress", "text"]
)
def test_the_examples_in_the_docstrings_are_right(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.reports.{module}"))
    assert (failed, tried > 0) == (0, True)
