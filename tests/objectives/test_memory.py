from __future__ import annotations

import errno

import pytest
import torch

from mnas_moo.objectives.memory import need_room, shortage_of

TOO_MANY = 10**14
"""So many numbers fit into no memory, and their size in bytes is still a number of 64 bits."""


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "not enough memory"),
        (MemoryError("a.png could not be decoded"), "not enough memory (a.png could not be decoded)"),
        (MemoryError("not enough memory (x): y"), "not enough memory (x): y"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory (Cannot allocate memory)"),
        (
            ImportError("libtorch_cpu.so: failed to map segment from shared object"),
            "not enough memory (libtorch_cpu.so: failed to map segment from shared object)",
        ),
        (RuntimeError("can't start new thread"), "not enough memory (can't start new thread)"),
        (SystemError("error return without exception set"), "not enough memory (error return without exception set)"),
        (RuntimeError("could not create a primitive"), "not enough memory (could not create a primitive)"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
            "not enough memory (CUDA out of memory. Tried to allocate 2 GiB.)",
        ),
        (raised_from(ValueError("the table cannot be read"), MemoryError()), "not enough memory"),
    ],
)
def test_a_shortage_is_known_in_each_of_its_forms(error: Exception, told: str) -> None:
    assert shortage_of(error) == told


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory"),  # the words of a user's own check
        RuntimeError("the loss became nan"),
        OSError(errno.ENOSPC, "No space left on device"),
        ModuleNotFoundError("No module named 'sklearn'"),
        ImportError("libGL.so.1: cannot open shared object file: No such file or directory"),
        RuntimeError("could not create a primitive descriptor for a convolution"),
    ],
)
def test_other_errors_are_no_shortage(error: Exception) -> None:
    assert shortage_of(error) is None


def test_torchs_own_error_is_known_and_told_without_its_place_in_torchs_source() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(TOO_MANY)
    told = shortage_of(caught.value)
    assert told is not None
    assert told.startswith("not enough memory (DefaultCPUAllocator: can't allocate memory: you tried to allocate ")
    assert "enforce" not in told
    assert "Error code" not in told


def test_an_error_that_hides_what_it_was_raised_in_is_itself() -> None:
    try:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("done otherwise") from None
    except ValueError as error:
        caught = error
    assert shortage_of(caught) is None


def test_room_that_is_not_there_is_a_shortage() -> None:
    need_room(2**20)
    with pytest.raises(MemoryError) as raised:
        need_room(2**60)
    assert shortage_of(raised.value) == "not enough memory (no room for 1099511627776 MiB)"
