"""One error for every name that is not in its list: it names the nearest right one, and all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, got: object, allowed: Iterable[str]) -> ValueError:
    """The error for a name that is none of ``allowed``, to be raised by the caller.

    Args:
        what: kind of name, with its place if there is one ("network", "space mnasnet: setting").
        got: the name that was given.
        allowed: all right names, in the order to show them.
    """
    names = list(allowed)
    near = difflib.get_close_matches(str(got).lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(f"{what} {got!r} is unknown; {hint}allowed: {', '.join(names)}")
