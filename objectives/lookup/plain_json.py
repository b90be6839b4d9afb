"""JSON from a stranger's file, as plain data that is safe to print, and within bounds on size and depth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unicodedata import category

MAX_BYTES = 32 * 1024 * 1024
"""Size of a file; one of 1,118 layers has about 150,000 bytes."""
MAX_DEPTH = 20
"""Number of lists and mappings within each other."""


def read_json(file: str | os.PathLike[str]) -> Any:
    """The content of a regular file in JSON.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no regular file, too large, no JSON, nested too deeply, or a text in it has a line break, a
            character that controls terminals, or one that cannot be printed.
    """
    path = Path(file)
    if path.exists() and not path.is_file():
        raise ValueError("is no regular file; name a lookup table")  # reading a pipe or a device may never end
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes; name a lookup table")
    try:
        data = json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deeply for a lookup table") from None
    except ValueError as error:
        raise ValueError(f"is no JSON ({error}); name a lookup table") from error
    _check(data, MAX_DEPTH)
    return data


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        for sign in value:
            if category(sign) in ("Cc", "Cs", "Zl", "Zp"):
                raise ValueError(f"has a control character, {sign!r}")
    elif isinstance(value, list | dict):
        if depth == 0:
            raise ValueError("is nested too deeply for a lookup table")
        for item in value:
            _check(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _check(item, depth - 1)
