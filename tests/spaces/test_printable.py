from __future__ import annotations

import pytest

from mnas_moo.spaces.printable import MOST, printable, short, unprintable


@pytest.mark.parametrize("text", ["", "plain", "größer", "水 水", "é", "👩‍👩‍👧", "a-b_c [x] <y> $z$", "\u00a0"])
def test_words_of_any_language_are_shown_as_they_are(text: str) -> None:
    assert unprintable(text) is None
    assert printable(text) == text


@pytest.mark.parametrize(
    "sign", ["\x00", "\x07", "\t", "\n", "\r", "\x1b", "\x7f", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066", "\udc80"]
)
def test_what_controls_a_terminal_or_hides_a_text_is_escaped(sign: str) -> None:
    assert unprintable(f"a{sign}b") == sign
    shown = printable(f"a{sign}b")
    assert shown == f"a{sign!r}b".replace("'", "")
    assert unprintable(shown) is None
    shown.encode()


def test_long_texts_are_cut() -> None:
    assert short("x" * MOST) == "x" * MOST
    assert short("x" * 10**7) == "x" * (MOST - 1) + "…"
    assert len(short("\x1b" * 10**7)) == MOST
