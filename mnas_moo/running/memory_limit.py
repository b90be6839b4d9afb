"""Whether a limit on this process's memory leaves room for a run, tried in another process under the same limit.

A library that is loaded with too little memory may abort the process, or loop without end; no Python code can catch
that. So where there is a limit (`ulimit -v`, a batch system's), another process loads the largest one first.
"""

from __future__ import annotations

import subprocess
import sys

from mnas_moo.objectives.memory import SHORTAGE

ROOM_BYTES = 2**30
"""What a run has to have left when PyTorch is loaded: for other libraries, for threads, and for small networks."""
DEADLINE_SECONDS = 120.0

_PROGRAM = f"""
import sys
sys.path = sys.argv[1:]
import torch
from mnas_moo.objectives.memory import need_room
need_room({ROOM_BYTES})
"""


def check_memory_limit() -> None:
    """Checks that a run has room within the limit of this process's address space, if there is one.

    Raises:
        MemoryError: it has not; the message says what the limit is.
    """
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        fits = done.returncode == 0
    except subprocess.TimeoutExpired:  # it loops
        fits = False
    if not fits:
        raise MemoryError(
            f"{SHORTAGE} (the address space is limited to {limit / 2**30:.2f} GiB; "
            f"a run needs {ROOM_BYTES / 2**30:.0f} GiB beside PyTorch)"
        )
