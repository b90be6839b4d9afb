"""The memory that a runtime takes for one network: by how much the largest resident set of a process grows for it.

That is what Google's benchmark_model calls the memory footprint on phones, where ``getrusage`` gives it
(tensorflow/lite/profiling/memory_info.cc: ru_maxrss, as a difference from the start of the tool). In it are the mapped
file of the model, the runtime's copy of the weights, packed for its kernels, the activations, and the pages of the
runtime's own code that are used. Each network is loaded and run in a fork of a process that has the runtime imported
and nothing else: what other networks have left in an allocator would be used again, and missing from the sum.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 3
"""Runs after loading: the first allocates, the next show that no more is needed."""

STATUS = Path("/proc/self/status")
"""Where Linux tells the resident set of a process and its largest so far."""

RESET = Path("/proc/self/clear_refs")
"""Where a 5 sets the largest resident set back to what it is (proc(5))."""

_FIELD = re.compile(r"^(VmHWM|VmRSS|RssAnon):\s*(\d+) kB$", re.MULTILINE)


def check_supported() -> None:
    """Checks that this system tells the memory of a process.

    Raises:
        ValueError: it does not.
    """
    if not hasattr(os, "fork") or not STATUS.is_file():
        raise ValueError(f"memory_mb is read from {STATUS}, which this system does not have; it is measured on Linux")


def footprint(load: Callable[[], Callable[[], object]], first: Callable[[], object]) -> dict[str, float]:
    """What loading and running a model takes, in a fork of this process.

    Args:
        load: loads the model and returns what runs it once. What it imports has to be imported already.
        first: is done before, in the fork: what ``load`` does besides, whose code is then in memory already.

    Returns:
        "memory_mb", the growth of the largest resident set in 10^6 bytes; "memory_init_mb", the same without the
        runs; "memory_allocated_mb", the growth of what is in no file: packed weights and activations.

    Raises:
        RuntimeError: the runtime refused the model, or ended the fork.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        answer: dict[str, Any] = {}
        try:
            first()
            answer = _grown(load)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            os.write(writer, json.dumps(answer).encode()[:4096])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        raise RuntimeError(f"the process whose memory was measured ended by itself (wait status {status})")
    answer = json.loads(text)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return dict(answer)


def _grown(load: Callable[[], Callable[[], object]]) -> dict[str, float]:
    with contextlib.suppress(OSError):  # the largest so far is what it is now; without, what came first may count
        RESET.write_text("5", encoding="ascii")
    before = _status()
    run = load()
    init = _status()
    for _ in range(RUNS):
        run()
    after = _status()
    return {
        "memory_mb": after["VmHWM"] - before["VmRSS"],
        "memory_init_mb": init["VmHWM"] - before["VmRSS"],
        "memory_allocated_mb": after["RssAnon"] - before["RssAnon"],
    }


def _status() -> dict[str, float]:
    """Fields of ``STATUS`` in 10^6 bytes."""
    return {name: int(kib) * 1024 / 1e6 for name, kib in _FIELD.findall(STATUS.read_text(encoding="ascii"))}
