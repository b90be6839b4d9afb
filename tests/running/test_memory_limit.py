"""That a limit which is too low ends a run in one line is tested in test_memory, with real limits."""

from __future__ import annotations

import resource
import subprocess

import pytest

from mnas_moo.running import memory_limit
from mnas_moo.running.memory_limit import check_memory_limit

LIMIT = 2**33
MESSAGE = r"not enough memory \(the address space is limited to 8.00 GiB; a run needs 1 GiB beside PyTorch\)"


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process seems to have a limit."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (LIMIT, LIMIT))


def test_without_a_limit_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(subprocess, "run", None)
    check_memory_limit()


@pytest.mark.usefixtures("limited")
def test_a_limit_that_leaves_room_is_no_error() -> None:
    check_memory_limit()


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("program", ["raise MemoryError", "import os; os.abort()", "while True: pass"])
def test_a_process_that_fails_dies_or_never_ends_has_too_little(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(memory_limit, "_PROGRAM", program)
    monkeypatch.setattr(memory_limit, "DEADLINE_SECONDS", 1.0)
    with pytest.raises(MemoryError, match=MESSAGE):
        check_memory_limit()
