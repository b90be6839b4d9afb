"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest

ENVIRONMENT = ("ANDROID_ADB_SERVER_HOST", "ANDROID_ADB_SERVER_PORT", "ADB_USB", "ADB_MDNS", "ADB_EMU")


@pytest.mark.parametrize("module", ["adb", "device", "installed", "latency", "steadiness"])
def test_examples_of_a_module_hold(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")  # restored afterwards, whatever an example sets
    failed, tried = doctest.testmod(importlib.import_module(f"mnas_moo.objectives.phone.{module}"))
    assert tried > 0
    assert failed == 0
