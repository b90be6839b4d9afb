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
from mnas_moo.compare.statistics import wilcoxon
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
    assert re.search(r"nsga2 +12:0, p <\.001\* +12:0, p <\.001\*", text)
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


def test_where_a_model_answers_it_is_said_how_good_it_is() -> None:
    modelled = dataclasses.replace(SETTING, fits={"accuracy": Fit(0.912, 0.704)})
    assert "a forest, as good out of bag as accuracy R2 0.91, tau 0.70" in report.caption(judge(modelled, RUNS))
    assert "forest" not in report.caption(judge(SETTING, RUNS))


def test_with_few_seeds_it_is_said_that_no_difference_can_be_shown() -> None:
    few = {name: runs[:3] for name, runs in RUNS.items()}
    caption = report.versus_caption(judge(SETTING, few))
    assert "3:0: mnas won on 3 seeds and lost on 0" in caption
    assert "with 3 seeds p is at least .500, whatever the results" in caption
    assert "to show a difference takes --seeds 9 or more" in caption
    assert "whatever" not in report.versus_caption(judge(SETTING, RUNS))


def test_the_least_p_is_that_of_all_seeds_won() -> None:
    ours, theirs = np.arange(9.0) + 1, np.zeros(9)
    assert report.least_p(9, 1) == wilcoxon(ours, theirs)
    assert report.least_p(report.seeds_for(4), 4) < report.SIGNIFICANT <= report.least_p(report.seeds_for(4) - 1, 4)
