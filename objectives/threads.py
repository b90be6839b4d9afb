"""How many CPU threads torch uses, for a while: a choice of the caller that no other code gets to feel.

Small networks gain little from more threads, and where another program holds the other cores, threads that wait for
each other at every operation make a step up to a hundred times slower.
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
    """Lets torch use ``threads`` CPU threads within, also when several threads are within at once.

    Torch keeps one number for the process and, with OpenMP, one for each thread that has computed; the former is
    what later threads begin with. So the first to come in notes the number and everyone who leaves sets it again.
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
