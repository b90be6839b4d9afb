"""A time in a study file: a number and its unit, `30 min`."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from mnas_moo.study_file.document import shown

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def seconds_of(text: object) -> float:
    """Seconds of a time with its unit: s, min, h or d.

    >>> seconds_of("30 min"), seconds_of("1.5h")
    (1800.0, 5400.0)

    Raises:
        PydanticCustomError: it is no such time.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d)\s*", text) if isinstance(text, str) else None
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        problem = f"is {shown(text)}; it must be a time with its unit (s, min, h or d), such as 30 min"
        raise PydanticCustomError("part", "{problem}", {"problem": problem})
    return seconds


def in_words(seconds: float) -> str:
    """A time for a reader.

    >>> in_words(12.3), in_words(95), in_words(40 * 60), in_words(3 * 3600), in_words(17.2 * 86400)
    ('12 s', '95 s', '40 min', '3.0 h', '17 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


Duration = Annotated[float, BeforeValidator(seconds_of)]
