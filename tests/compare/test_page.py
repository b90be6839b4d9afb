from __future__ import annotations

import dataclasses
import itertools
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnas_moo.compare.judgement import Setting, judge
from mnas_moo.compare.page import COLORS, DASHES, SYMBOLS, page
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.reward import MnasReward
from tests.chromium import DESKTOP, PHONE, contrast, opened, overflow
from tests.chromium import browser as browser
from tests.compare.test_judgement import RUNS, SETTING, run


def test_the_page_holds_all_it_needs_once_and_every_figure() -> None:
    reward = MnasReward(10.0, accuracy="accuracy", latency="latency_ms")
    setting = dataclasses.replace(
        SETTING, problem="a <b>", reward=(reward, 0, 1), left_out={"cmaes": "one objective & no more"}
    )
    text = page(judge(setting, RUNS))
    assert "<title>a &lt;b&gt;: samplers compared</title>" in text
    assert "cmaes: one objective &amp; no more" in text
    assert text.count("plotly.js v") == 1
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", text)
    assert text.count("Plotly.newPlot(") >= 5
    assert "12:0, p &lt;.001*" in text


def test_three_objectives_are_drawn_two_by_two() -> None:
    names = {"accuracy": "maximize", "latency_ms": "minimize", "parameters_m": "minimize"}
    cloud = np.random.default_rng(0).random((2, 60, 3))
    found = judge(Setting("three", names, 60), {"random": [run("random", s, cloud[s]) for s in range(2)]})
    assert "median_front" not in found["samplers"]["random"]
    text = page(found)
    for title in ("against latency (ms)", "against parameters (millions)", "latency (ms) against parameters"):
        assert title in text


def test_the_best_figure_of_a_column_is_bold() -> None:
    assert "<td>mnas</td><td class=best>0.5978</td><td class=best>0.1978</td>" in page(judge(SETTING, RUNS))


def test_without_a_target_or_a_left_out_sampler_the_page_has_no_section_for_it() -> None:
    text = page(judge(SETTING, RUNS))
    assert "Best MnasNet reward" not in text
    assert "Left out" not in text


def test_the_end_of_a_run_whose_time_was_up_is_marked() -> None:
    assert "its time was up" not in page(judge(SETTING, RUNS))
    cut = [
        run("tpe", s, RUNS["mnas"][s].values[:60], ended="time", limit_ms=60_000.0) for s in range(len(RUNS["mnas"]))
    ]
    assert "tpe: its time was up after 60 trials" in page(
        judge(dataclasses.replace(SETTING, limit_ms=60_000.0), {**RUNS, "tpe": cut})
    )


def test_a_missing_plotly_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge(SETTING, RUNS)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingExtraError, match=r"mnas-moo\[compare\]"):
        page(found)


def test_every_plot_has_a_title_outside_of_it_and_is_told_in_words() -> None:
    text = page(judge(SETTING, RUNS))
    told = re.findall(r'<div role="img" aria-label="([^"]+)">', text)
    assert len(told) == text.count("<figcaption>") == text.count("Plotly.newPlot(")
    assert all("mnas" in words for words in told)
    assert told[0].endswith("over trials, with 95 % confidence bands; at the end: nsga2 0.5978, mnas 0.1978")


def test_samplers_differ_in_colour_dash_and_mark_and_for_the_colour_blind() -> None:
    assert len(set(COLORS)) == len(set(SYMBOLS)) == 7
    assert len(set(DASHES)) == 6
    # Viénot, Brettel & Mollon 1999: what is left of linear red, green and blue without one kind of cone
    protan = np.array([[0.1124, 0.8876, 0.0], [0.1124, 0.8876, 0.0], [0.0040, -0.0040, 1.0]])
    deutan = np.array([[0.2928, 0.7072, 0.0], [0.2928, 0.7072, 0.0], [-0.0223, 0.0223, 1.0]])
    linear = np.array([[(int(color[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)] for color in COLORS[:4]])
    for seen in (linear, linear @ protan.T, linear @ deutan.T):
        for one, other in itertools.combinations(seen.clip(0) ** (1 / 2.2), 2):
            assert np.abs(one - other).max() > 0.1


def test_marks_of_equal_lines_stand_beside_each_other() -> None:
    text = page(judge(SETTING, {"mnas": RUNS["mnas"], "nsga2": RUNS["mnas"]}))
    _, plot, _ = text.split('<div role="img"', 2)
    marks = re.findall(r'"mode":"lines\+markers".*?"x":\[([\d,]+)\]', plot)
    assert len(marks) == 2
    assert not set(marks[0].split(",")) & set(marks[1].split(","))


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_whole_page(browser: Any, tmp_path: Path, size: tuple[int, int], scheme: str) -> None:
    few = {name: runs[:3] for name, runs in RUNS.items()}
    file = tmp_path / "comparison.html"
    file.write_text(page(judge(SETTING, few)), encoding="utf-8")
    with opened(browser, file.as_uri(), size, scheme) as shown:
        shown.wait_for_selector(".js-plotly-plot .scatterlayer path.point", state="attached")
        assert overflow(shown) <= 0
        for title in shown.locator("figcaption, h1, h2").all():
            box = title.bounding_box()
            assert box["x"] + box["width"] <= size[0]
        texts = "document.querySelectorAll('.xtick text, .ytick text, .legendtext, .note, td, figcaption')"
        color = "getComputedStyle(text)[text.closest('svg') ? 'fill' : 'color']"
        inks = set(shown.evaluate(f"[...{texts}].map(text => {color})"))
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        for ink in inks:
            colors = (tuple(map(float, re.findall(r"[\d.]+", color))) for color in (ink, paper))
            assert contrast(*colors) >= 4.5
        apart = """plot => {
            const boxes = [...plot.querySelectorAll('.ytick text')].map(text => text.getBoundingClientRect());
            boxes.sort((a, b) => a.y - b.y); return boxes.every((b, i) => !i || boxes[i - 1].bottom <= b.top + 2) }"""
        assert all(plot.evaluate(apart) for plot in shown.locator(".js-plotly-plot").all())
        point = shown.locator(".js-plotly-plot").first.locator("path.point").first
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        shown.wait_for_selector(".hovertext")
        assert shown.problems == []
