"""The error for an unknown name, the same everywhere: it gives the nearest allowed name, and all of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from mnas_moo.spaces.printable import short

MOST_NAMES = 50
"""Number of allowed names that a message lists."""


def closest(word: str, names: Iterable[str]) -> str | None:
    """The name that a word most likely means, capitals aside: one it is the initials of, else the most alike.

    >>> closest("lr", ["layers", "learning_rate"])
    'learning_rate'

    Args:
        word: what was given; its beginning counts where it is long.
        names: what is allowed; of equally near ones the first is chosen.
    """
    word, known = short(word).lower(), list(names)
    for name in known:
        initials = "".join(part[0] for part in re.split(r"[\W_]+", name.lower()) if part)
        if len(initials) > 1 and initials == word:
            return name
    alike = [difflib.SequenceMatcher(None, name.lower(), word).ratio() for name in known]
    best = max(alike, default=0.0)
    return known[alike.index(best)] if best >= 0.5 else None


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
    near = closest(str(got), names)
    hint = f"did you mean {near!r}? " if near else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ValueError(f"{what} {short(repr(got))} is unknown; {hint}allowed: {', '.join(names[:MOST_NAMES])}{more}")
