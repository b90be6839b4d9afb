from __future__ import annotations

import pytest

from mnas_moo.reports.figures_searches import MOST_CELLS, search_figures
from mnas_moo.reports.searches import Searches
from tests.reports.test_searches import CHOICES, EPOCHS, POINT


def test_there_is_a_figure_of_all_that_there_is() -> None:
    assert search_figures(Searches()) == []
    pairs = [(0.1, 0.5), (0.2, 0.6), (0.3, 0.7), (0.4, 0.65)]
    figures = {each.name: each for each in search_figures(Searches([POINT], CHOICES, EPOCHS, pairs))}
    assert list(figures) == ["shared-weights", "rank-correlation", "fbnet-search", "fbnet-choices"]
    lines = figures["shared-weights"].panels[0].lines
    assert [(line.label, line.y[0]) for line in lines] == [
        ("largest network", 0.7),
        ("random network", 0.6),
        ("smallest network", 0.5),
    ]
    assert figures["rank-correlation"].says.startswith("Kendall's rank correlation is 0.67 (")


def test_fbnets_course_begins_where_its_distributions_do() -> None:
    figures = {each.name: each for each in search_figures(Searches([], CHOICES, EPOCHS, []))}
    panels = {panel.title: panel for panel in figures["fbnet-search"].panels}
    assert list(panels["loss of the distributions"].lines[0].x) == [2, 3]
    latency = {line.label: list(line.y) for line in panels["expected latency (ms)"].lines}
    assert latency == {"beta 0.6": [1, 1, 1], "beta 0.2": [2, 3, 4]}


def test_the_map_of_the_choices_is_of_the_least_exponent_and_not_too_fine() -> None:
    (_, choices) = search_figures(Searches([], CHOICES, EPOCHS, []))
    assert [panel.title for panel in choices.panels] == list(CHOICES)
    shades = choices.panels[0].shades
    assert shades is not None
    assert shades.shades[0] == pytest.approx([0.25, 0.5, 0.75])
    assert "block1.layer1 k3_e1" in choices.says
    long = [{**EPOCHS[0], "epoch": i} for i in range(200)]
    (_, choices) = search_figures(Searches([], CHOICES, long, []))
    assert choices.panels[0].shades is not None
    assert len(choices.panels[0].shades.x) == MOST_CELLS
