"""A study's name as part of a folder's name, which cannot lead out of the folder that it lies in."""

from __future__ import annotations

import hashlib
import re

MAX_CHARACTERS = 100
MAX_BYTES = 200
"""File systems allow 255 bytes, of which an ending needs some."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]')  # by Linux, macOS or Windows
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def folder_name(name: str) -> str:
    """A study's name as the begin of a folder's name.

    Most names stay as they are. Others (paths, names of devices, names that are too long) get their forbidden
    characters replaced, and an ending that keeps different names apart.

    >>> folder_name("digits 2"), folder_name("../../x")
    ('digits 2', '_.._x-9cdf6a50')
    """
    allowed = _FORBIDDEN.sub("_", name).lstrip(".").strip()
    short = allowed[:MAX_CHARACTERS]
    while len(short.encode()) > MAX_BYTES:
        short = short[:-1]
    if short == name and name.partition(".")[0].strip().lower() not in _DEVICES:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"study-{short}-{digest}" if short.partition(".")[0].strip().lower() in _DEVICES else f"{short}-{digest}"
