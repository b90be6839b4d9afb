from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
from rich.console import Console

from mnas_moo.compare import report
from mnas_moo.compare.judgement import Setting, judge
from mnas_moo.compare.page import page
from mnas_moo.objectives.tabular.problem import Fit
from mnas_moo.reward import MnasReward
from tests.compare.test_judgement import RUNS, SETTING, run


def printed(found: dict[str, Any]) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    for table in report.tables(found):
        console.print(table)
    return console.export_text()


def test_the_tables_say_it_in_words() -> None:
    reward = MnasReward(10.0, accuracy="accuracy", latency="latency_ms")
    text = printed(judge(dataclasses.replace(SETTING, reward=(reward, 0, 1)), RUNS))
    assert re.search(r"mnas +0\.5978 +0\.1978 +50 \(12/12\) +7\.5", text)
    assert re.search(r"nsga2 +12:0 <\.001\* +12:0 <\.001\*", text)
    assert "reference point: accuracy 0.1, latency_ms 20" in text
    assert "accuracy x (latency / 10 ms) ^ -0.07" in text


def test_results_are_json_and_one_objective_or_one_sampler_are_enough() -> None:
    single = {"random": [run("random", s, np.linspace(5, 1, 60)[:, None] + s) for s in range(2)]}
    found = judge(Setting("one", {"loss": "minimize"}, 60), single)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["tests"] == []
    assert found["samplers"]["random"]["at_marks"]["regret"]["mean"][-1] > 0
    assert "goal" not in found
    assert "random" in page(found)
    assert "random" in printed(found)


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


def test_where_a_model_answers_it_is_said_how_good_it_is() -> None:
    modelled = dataclasses.replace(SETTING, fits={"accuracy": Fit(0.912, 0.704)})
    assert "a forest, as good out of bag as accuracy R2 0.91, tau 0.70" in report.caption(judge(modelled, RUNS))
    assert "forest" not in report.caption(judge(SETTING, RUNS))
