"""JSON from a stranger's file, as plain data that is safe to print, and within bounds on size and depth."""

from __future__ import annotations

import json
import os
from typing import Any

from mnas_moo.objectives.regular_file import read_regular
from mnas_moo.spaces.printable import unprintable

MAX_BYTES = 32 * 1024 * 1024
"""Size of a file; one of 1,118 layers has about 150,000 bytes."""
MAX_DEPTH = 20
"""Number of lists and mappings within each other."""


def read_json(file: str | os.PathLike[str]) -> Any:
    """The content of a regular file in JSON.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no regular file, too large, no JSON, nested too deeply, or a text in it has a character that
            must not be shown as it is.
    """
    content = read_regular(file, MAX_BYTES)
    try:
        data = json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is no JSON ({error})") from error
    _check(data, MAX_DEPTH)
    return data


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        sign = unprintable(value)
        if sign is not None:
            raise ValueError(f"has a control character, {sign!r}")
    elif isinstance(value, list | dict):
        if depth == 0:
            raise ValueError("is nested too deeply")
        for item in value:
            _check(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _check(item, depth - 1)
