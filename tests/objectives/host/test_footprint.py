"""The memory of a process: what a known piece of memory adds to it, and what LiteRT takes."""

from __future__ import annotations

import dataclasses
import mmap
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mnas_moo.objectives.host import footprint as module
from mnas_moo.objectives.host.footprint import check_supported, footprint
from mnas_moo.objectives.host.latency import HostLatency
from tests.objectives.host.conftest import LARGE, SMALL

pytestmark = pytest.mark.skipif(not module.STATUS.is_file(), reason="the memory of a process is read from /proc")

MB = 10**6


def filled(n_bytes: int) -> mmap.mmap:
    """Memory that is really there."""
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, n_bytes, mmap.PAGESIZE):
        memory[start] = 1
    return memory


def nothing() -> None:
    """A run that needs no memory."""


def test_memory_is_the_peak_and_not_what_is_left() -> None:
    kept: list[mmap.mmap] = []

    def load() -> Callable[[], object]:
        filled(40 * MB).close()
        kept.append(filled(10 * MB))
        return nothing

    found = footprint(load, nothing)
    assert found["memory_mb"] == pytest.approx(40, abs=5)
    assert found["memory_allocated_mb"] == pytest.approx(10, abs=2)
    assert kept == []  # it was done in a process of its own


def test_what_runs_take_comes_after_what_loading_takes() -> None:
    kept: list[mmap.mmap] = []
    found = footprint(lambda: lambda: kept.append(filled(20 * MB)) if not kept else None, nothing)
    assert found["memory_mb"] - found["memory_init_mb"] > 18


def test_what_is_done_first_is_not_counted() -> None:
    held: list[mmap.mmap] = []
    for first in (lambda: filled(50 * MB).close(), lambda: held.append(filled(50 * MB))):
        assert footprint(lambda: nothing, first)["memory_mb"] < 5


def test_a_model_that_is_refused_or_ends_its_process_is_an_error() -> None:
    def refused() -> Callable[[], object]:
        raise ValueError("no model")

    with pytest.raises(RuntimeError, match=r"^ValueError: no model$"):
        footprint(refused, nothing)
    with pytest.raises(RuntimeError, match="ended by itself"):
        footprint(lambda: lambda: os.kill(os.getpid(), signal.SIGKILL), nothing)


def test_a_system_that_does_not_tell_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    check_supported()
    monkeypatch.setattr(module, "STATUS", Path("/no/such/status"))
    with pytest.raises(ValueError, match="memory_mb is read from /no/such/status, which this system does not have"):
        HostLatency(memory=True)


def test_litert_takes_at_least_weights_and_activations_and_the_same_again() -> None:
    heavy = dataclasses.replace(SMALL, head=60_000)  # some two million weights
    with_memory = HostLatency(maximum_seconds=0.05, memory=True)
    try:
        small, large, weights = (with_memory.measure(spec, 0).details for spec in (SMALL, LARGE, heavy))
    finally:
        with_memory.close()
    more = LARGE.peak_memory_bytes - SMALL.peak_memory_bytes
    assert large["memory_allocated_mb"] - small["memory_allocated_mb"] > 0.5 * more / 1e6  # type: ignore[operator]
    packed = 4 * (heavy.parameters - SMALL.parameters) / 1e6
    assert weights["memory_allocated_mb"] - small["memory_allocated_mb"] > 0.9 * packed  # type: ignore[operator]
    assert weights["memory_mb"] - small["memory_mb"] > 1.8 * packed  # type: ignore[operator]  # mapped, and packed
    again = HostLatency(maximum_seconds=0.05, memory=True)
    try:
        # A process that has measured others before says the same.
        again.measure(heavy, 0)
        assert again.measure(SMALL, 0).details["memory_mb"] == pytest.approx(small["memory_mb"], abs=0.5)
    finally:
        again.close()


def test_a_latency_alone_measures_no_memory(host: HostLatency) -> None:
    assert not any(key.startswith("memory") for key in host.measure(SMALL, 0).details)
