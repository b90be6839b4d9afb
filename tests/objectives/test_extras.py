from __future__ import annotations

import sys

import pytest

from mnas_moo.objectives.extras import MissingExtraError, require


def test_what_is_installed_is_imported() -> None:
    assert require("json.decoder", extra="host") is sys.modules["json.decoder"]


def test_what_is_missing_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_package.part", extra="phone")
    assert str(caught.value) == (
        "no_such_package is not installed (No module named 'no_such_package'); "
        "install it with: pip install 'mnas-moo[phone]'"
    )
    assert isinstance(caught.value, ImportError)


def test_a_package_whose_own_needs_are_missing_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "json.decoder", None)
    with pytest.raises(MissingExtraError, match=r"json is not installed .*mnas-moo\[data\]"):
        require("json.decoder", extra="data")
