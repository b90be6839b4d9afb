from __future__ import annotations

import importlib.metadata
import json
import sys
from types import SimpleNamespace

import pytest

from mnas_moo.objectives.extras import MissingExtraError, install_command, require


def installed_from(monkeypatch: pytest.MonkeyPatch, record: str | None) -> None:
    found = SimpleNamespace(read_text=lambda name: record)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)


def test_what_is_installed_is_imported() -> None:
    assert require("json.decoder", extra="host") is sys.modules["json.decoder"]


def test_what_is_missing_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed_from(monkeypatch, None)
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_package.part", extra="phone")
    assert str(caught.value) == (
        "no_such_package is not installed (No module named 'no_such_package'); "
        "install it with: pip install 'mnas-moo[phone]'"
    )
    assert isinstance(caught.value, ImportError)


def test_a_package_whose_own_needs_are_missing_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "json.decoder", None)
    with pytest.raises(MissingExtraError, match=r"json is not installed .*\[data\]"):
        require("json.decoder", extra="data")


def test_a_library_that_cannot_be_loaded_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file:\n No such file")

    monkeypatch.setattr("importlib.import_module", load)
    with pytest.raises(MissingExtraError) as caught:
        require("cv.part", extra="data")
    reason = "libGL.so.1: cannot open shared object file: No such file"
    assert str(caught.value) == f"cv is installed, but cannot be loaded ({reason})"


def test_an_import_that_fails_for_want_of_memory_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        try:
            raise ImportError("_cython_blas.so: failed to map segment from shared object")
        except ImportError as error:
            raise ImportError("It seems that scikit-learn has not been built correctly.") from error

    monkeypatch.setattr("importlib.import_module", load)
    with pytest.raises(MemoryError, match=r"^not enough memory \(_cython_blas\.so: .*\): sklearn could not be loaded$"):
        require("sklearn.datasets", extra="data")


@pytest.mark.parametrize(
    ("info", "command"),
    [
        ({"editable": True}, "pip install -e '/home/a b/clone[host]'"),
        ({}, "pip install '/home/a b/clone[host]'"),
    ],
)
def test_an_extra_is_installed_from_the_clone_that_is_in_use(
    monkeypatch: pytest.MonkeyPatch, info: dict[str, bool], command: str
) -> None:
    installed_from(monkeypatch, json.dumps({"url": "file:///home/a%20b/clone", "dir_info": info}))
    assert install_command("host") == command


@pytest.mark.parametrize("record", [None, "", "{", "[]", '{"url": 3}', '{"url": "file:///a", "dir_info": 1}'])
def test_a_record_that_says_nothing_leaves_the_name(monkeypatch: pytest.MonkeyPatch, record: str | None) -> None:
    installed_from(monkeypatch, record)
    assert install_command("host") == "pip install 'mnas-moo[host]'"
