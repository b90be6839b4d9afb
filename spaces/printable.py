"""Texts that somebody else wrote: which of their characters are not shown as they are.

A terminal obeys control characters (among them escape sequences), and characters of Unicode that turn the direction of
writing let a text be read otherwise than it is; a surrogate cannot be printed at all.
"""

from __future__ import annotations

from unicodedata import category

MOST = 200
"""Number of characters of a text of somebody else's that are shown of it where only a few are expected."""

_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def unprintable(text: str) -> str | None:
    r"""The first character of a text that must not be shown as it is; None if there is none.

    >>> unprintable("a\x1b[2Jb"), unprintable("größer als 水")
    ('\x1b', None)
    """
    if text.isprintable():
        return None
    return next((sign for sign in text if sign in _DIRECTIONS or category(sign) in ("Cc", "Cs", "Zl", "Zp")), None)


def printable(text: str) -> str:
    r"""The text with such characters written as escapes.

    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    if unprintable(text) is None:
        return text
    return "".join(repr(sign)[1:-1] if unprintable(sign) else sign for sign in text)


def short(text: str) -> str:
    """The begin of a text, printable, where the whole of it would be long.

    >>> len(short("a" * 1_000_000))
    200
    """
    shown = printable(text[: MOST + 1])
    return shown if len(shown) <= MOST else f"{shown[: MOST - 1]}…"


def as_code(text: str) -> str:
    """A text as code in Markdown: no emphasis, mathematics or HTML, and addresses in it are no links.

    >>> print(as_code("<b>*a*"))
    `<b>*a*`
    """
    return "`" + (printable(text).replace("`", "'") or " ") + "`"
