"""The examples in the docstrings, and that every public object has one; phones have tests of their own."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest
import torch

from mnas_moo import objectives

FOLDER = Path(__file__).parents[2] / "objectives"
MODULES = [
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in sorted(FOLDER.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8") and "phone" not in path.parts and "virtual_phone" not in path.parts
]
NEEDED = {
    "host.latency": ("ai_edge_litert", "flatbuffers", "onnx", "onnxruntime"),
    "training.accuracy": ("sklearn",),
    "training.data": ("sklearn",),
}
"""Packages of extras that a module's examples need."""


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_hold(module: str) -> None:
    if module == "host.cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    for package in NEEDED.get(module, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.objectives.{module}"))
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", sorted(set(objectives.__all__) - {"AdbLatency"}))
def test_every_public_object_has_an_example_that_imports_it_in_one_step(name: str) -> None:
    text = inspect.getdoc(getattr(objectives, name)) or ""
    imports = [line for line in text.splitlines() if line.startswith(">>> from mnas_moo.objectives import ")]
    assert any(name in line.partition(" import ")[2].split(", ") for line in imports)
