"""The error for an unknown name, the same everywhere: it gives the nearest allowed name, and all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mnas_moo.spaces.printable import short

MOST_NAMES = 50
"""Number of allowed names that a message lists."""


def unknown(what: str, got: object, allowed: Iterable[str]) -> ValueError:
    """The error for a name that is none of ``allowed``; the caller raises it.

    >>> from mnas_moo.spaces.names import unknown
    >>> print(unknown("network", "mnasnet-a", ["mnasnet-a1", "mobilenetv2"]))
    network 'mnasnet-a' is unknown; did you mean 'mnasnet-a1'? allowed: mnasnet-a1, mobilenetv2

    Args:
        what: the kind of name, with its place if there is one ("network", "space mnasnet: setting").
        got: the name that was given.
        allowed: all allowed names, in the order in which to show them.
    """
    names = [short(name) for name in allowed]
    near = difflib.get_close_matches(short(str(got)).lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ValueError(f"{what} {short(repr(got))} is unknown; {hint}allowed: {', '.join(names[:MOST_NAMES])}{more}")
