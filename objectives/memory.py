"""What a shortage of memory looks like in Python, the loader of libraries, torch and CUDA, and its one name here.

Each says it in its own way: MemoryError; "Cannot allocate memory" of the operating system; a library that cannot be
mapped, which Python reports as an import that failed; RuntimeErrors of torch; a thread that cannot be started, for want
of a stack.
"""

from __future__ import annotations

import errno
import mmap
import re

SHORTAGE = "not enough memory"
"""How every message about a shortage begins."""

THREAD_BYTES = 2**26
"""Room that a thread needs as it begins, with some to spare: for its stack, and for what Python keeps of it."""

_WORDS = re.compile(
    r"out of memory|can(?:no|')t allocate|unable to allocate|not enough memory|failed to map segment"
    r"|cannot apply additional memory protection|can't start new thread|std::bad_alloc"
    r"|error return without exception set|without setting an exception"  # SystemErrors of an interpreter without memory
    r"|could not create a primitive$"  # oneDNN's, where there is no memory for generated code
    r"|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_NOISE = re.compile(r"^\[enforce fail at [^\]]*\] *(?:[^.:]*\. *)?|\.? *Error code \d+ \([^)]*\)")


def shortage_of(error: BaseException) -> str | None:
    """A message about the shortage of memory that an error is, or that it was raised for; None for any other error.

    >>> shortage_of(MemoryError())
    'not enough memory'
    >>> shortage_of(OSError(12, "Cannot allocate memory"))
    'not enough memory (Cannot allocate memory)'
    >>> shortage_of(ValueError("memory is 3"))
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        text = " ".join(str(getattr(link, "strerror", None) or link).split())
        text_tells = (
            isinstance(link, RuntimeError | ImportError | OSError | SystemError) and _WORDS.search(text) is not None
        )
        if isinstance(link, MemoryError) or text_tells or getattr(link, "errno", None) == errno.ENOMEM:
            details = _NOISE.sub("", text)
            if not details or details.startswith(SHORTAGE):
                return details or SHORTAGE
            return f"{SHORTAGE} ({details})"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


def need_room(n_bytes: int) -> None:
    """Checks that so much memory is there; it is asked for, not used, and given back at once.

    For what must not run out of memory on its way: a thread that does so as it begins is waited for without end by
    Python (``Thread.start``), and a library that does so as it is loaded may abort the process.

    >>> need_room(2**20)

    Args:
        n_bytes: number of bytes.

    Raises:
        MemoryError: there is no such room.
    """
    try:
        mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError(f"{SHORTAGE} (no room for {n_bytes / 2**20:.0f} MiB)") from error
