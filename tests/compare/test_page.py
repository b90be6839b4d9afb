from __future__ import annotations

import dataclasses
import re
import sys

import numpy as np
import pytest

from mnas_moo.compare.judgement import Setting, judge
from mnas_moo.compare.page import page
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.reward import MnasReward
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
    assert "12:0 &lt;.001*" in text


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
