from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from mnas_moo.reports.svg_parts import mark_at, words_at


@pytest.mark.parametrize("shape", ["diamond", "circle", "cross", "square", "triangle"])
def test_every_shape_stands_where_it_is_told(shape: str) -> None:
    mark = ElementTree.fromstring(mark_at(shape, 12.0, 34.5, 5))
    assert (mark.get("cx"), mark.get("cy")) == ("12.0", "34.5") or (mark.get("d") or "").startswith("M12.0 34.5m")


def test_words_are_text_whatever_stands_in_them() -> None:
    text = ElementTree.fromstring(words_at(1, 2, "<b> & 'c'", "tick", "end"))
    assert (text.text, text.get("text-anchor"), text.get("class")) == ("<b> & 'c'", "end", "tick")
    assert ElementTree.fromstring(words_at(1, 2, "a", "tick")).get("text-anchor") is None
