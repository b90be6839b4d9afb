"""A limit on the CPU threads that torch uses, in force inside a ``with`` statement and undone after it.

Small networks gain little from more threads. Where other programs use the other cores, threads that wait for each
other at every operation make a training step up to a hundred times slower.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

_threads_lock = threading.Lock()
_threads_users = 0
_threads_before = 0


@contextlib.contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Lets torch use ``threads`` CPU threads inside the ``with`` statement; several threads may be inside at once.

    >>> from mnas_moo.objectives.threads import cpu_threads
    >>> with cpu_threads(1):
    ...     torch.get_num_threads()
    1

    Torch keeps one number for the process, which later threads begin with, and with OpenMP one for each thread that has
    computed. So the first thread to enter remembers the number, and every thread that leaves sets it again.
    """
    global _threads_users, _threads_before
    with _threads_lock:
        if _threads_users == 0:
            _threads_before = torch.get_num_threads()
        _threads_users += 1
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        with _threads_lock:
            _threads_users -= 1
            torch.set_num_threads(_threads_before)
