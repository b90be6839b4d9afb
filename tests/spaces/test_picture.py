from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from mnas_moo.spaces import NETWORKS, get, network
from mnas_moo.spaces.picture import picture


def texts(svg: str) -> list[str]:
    """All text of a picture, with x for the multiplication sign."""
    elements = (element for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text"))
    return ["".join(element.itertext()).replace("\N{MULTIPLICATION SIGN}", "x") for element in elements]


def test_a1_shows_its_totals_stages_and_blocks() -> None:
    shown = texts(picture(network("mnasnet-a1")))
    assert {"3.89 M parameters", "312 M multiply-adds", "6.02 MB peak memory"} <= set(shown)
    assert [t for t in shown if t.endswith("x 112") or t.endswith("x 7")] == ["112 x 112", "7 x 7"]
    assert sum(t.startswith("MBConv6 ") for t in shown) == 5
    assert shown.count("MBConv3 5x5") == 1
    assert shown.count("SE 0.25") == 3
    assert "24 → 40" in shown
    assert "2/3" in shown


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_of_published_networks_are_xml_of_stated_size(name: str) -> None:
    root = ElementTree.fromstring(picture(network(name)))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


@pytest.mark.parametrize("space", ["mnasnet", "mnasnet-flat", "fbnet"])
def test_every_block_of_a_random_network_has_its_card_inside_the_picture(space: str) -> None:
    rng = np.random.default_rng(0)
    for preset in ("digits", "cifar"):
        spec = get(space, preset=preset).random(rng)
        root = ElementTree.fromstring(picture(spec))
        width, height = int(root.get("width", 0)), int(root.get("height", 0))
        cards = [e for e in root if e.get("rx") == "6"]
        # input, stem, head, classifier, and up to two cards behind a block of several layers
        assert len(cards) == 4 + sum(min(3, len(block)) for block in spec.blocks)
        for card in cards:
            assert 0 <= float(card.get("x", -1)) < width - float(card.get("width", 0))
            assert 0 <= float(card.get("y", -1)) < height - float(card.get("height", 0))


def test_a_name_is_escaped_and_freed_of_what_xml_forbids() -> None:
    spec = dataclasses.replace(network("mnasnet-small"), name='</text><script>"&\x00')
    svg = picture(spec)
    assert "<script>" not in svg
    assert '</text><script>"&' in texts(svg)


def test_a_network_without_name_layers_and_head_is_drawn() -> None:
    spec = dataclasses.replace(network("mnasnet-small"), layers=(), head=0, name="")
    assert {"Network", "Stem Conv 3x3", "8 → 1000 classes"} <= set(texts(picture(spec)))


def test_a_pooling_skip_is_dashed() -> None:
    small = network("mnasnet-small")
    pooling = tuple(dataclasses.replace(layer, skip="pooling") for layer in small.layers)
    assert "stroke-dasharray" not in picture(small)
    assert "stroke-dasharray" in picture(dataclasses.replace(small, layers=pooling))


def test_groups_stand_on_their_card_and_in_the_legend() -> None:
    shown = texts(picture(network("fbnet-a")))
    assert shown.count("SepConv g2 5x5") == 2
    assert shown.count("SepConv g2 3x3") == 1
    assert {"SepConv", "SepConv g2", "MBConv6"} <= set(shown)


def test_a_cell_says_its_layers_and_its_card_has_room_for_them() -> None:
    svg = picture(network("condensenet-86"))
    shown = [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts(svg)]
    told = "norm+ReLU → 1x1 in learned groups → norm+ReLU → 3x3 in groups"
    assert " ".join(shown).count(told) == 3
    cards = [element for element in ElementTree.fromstring(svg) if element.get("rx") == "6"]
    heights = sorted({int(card.get("height", 0)) for card in cards})
    assert heights[0] == 60 and heights[-1] > heights[0]
    assert max(map(len, texts(svg))) < 60
