"""How a search is learning, in words."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import optuna
import pytest
from rich.console import Console

from mnas_moo import ProgressiveSampler
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.reports.learning import Learning, Outcome, Update, charts_of, learning_of
from mnas_moo.reports.learning_text import advice, grown_line, learning_record, learning_tables
from mnas_moo.spaces.growth import Growth

NUMBERS: dict[str, float | None] = {
    "approx_kl": 0.001,
    "clip_fraction": 0.01,
    "entropy": 0.9,
    "gradient_norm": 0.1,
    "explained_variance": 0.2,
}
QUALITY: dict[str, float | None] = {"r2": 0.9, "error": 0.004, "tau": 0.8, "calibration": 1.0}


def outcome(trial: int, came: float = 0.5) -> Outcome:
    return Outcome(trial, np.array([[0.0, 0.5, 1.0]] * 2), np.array([came, 0.5]), 0.2, 0.1)


def learning(
    numbers: dict[str, float | None] | None = None, quality: dict[str, float | None] | None = None, **more: Any
) -> Learning:
    update = Update(20, 2, {**NUMBERS, **(numbers or {})}, [{**QUALITY, **(quality or {})}, QUALITY])
    found: dict[str, Any] = {
        "names": ("accuracy", "latency_ms"),
        "updates": [update],
        "sources": {20: "policy", 21: "mutation", 22: "mutation", 23: "random"},
        "outcomes": [outcome(i) for i in range(20, 45)],
    }
    return Learning(**{**found, **more})


def printed(found: Learning) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        for table in learning_tables(found):
            console.print(table)
    return capture.get()


def test_the_tables_show_model_proposals_gains_and_updates() -> None:
    text = printed(learning())
    assert "accuracy" in text
    assert "0.40 %" in text  # the median error of an accuracy
    assert "50%" in text  # mutations
    assert "100%" in text  # results within their interval
    assert re.search(r"all trials +5 +2\.5", text)  # 25 x 0.2 expected, 25 x 0.1 came
    assert "clip fraction" in text


def test_an_error_that_is_not_finite_is_left_blank() -> None:
    (row,) = [line for line in printed(learning(quality={"error": None})).splitlines() if "accuracy" in line]
    assert row.split() == ["accuracy", "0.9", "0.8", "100%"]


def test_a_healthy_search_needs_no_advice() -> None:
    assert advice(learning()) == []
    assert advice(Learning(("a",), [], {}, [])) == []
    assert learning_tables(Learning(("a",), [], {}, [])) == []


@pytest.mark.parametrize(
    ("sick", "said"),
    [
        ({"numbers": {"approx_kl": 0.2}}, "moves too far"),
        ({"numbers": {"clip_fraction": 0.6}}, "moves too far"),
        ({"numbers": {"entropy": 0.01}}, "nearly certain"),
        ({"numbers": {"reward": 1.0, "explained_variance": None}}, "same reward"),
        ({"quality": {"r2": 0.05}}, "does not predict accuracy"),
        ({"outcomes": [outcome(i, came=3.0) for i in range(25)]}, "Only 0% of the last results of accuracy"),
    ],
)
def test_what_is_sick_is_named(sick: dict[str, Any], said: str) -> None:
    sentences = advice(learning(**sick))
    assert len(sentences) == 1
    assert said in sentences[0]


def test_a_published_search_that_has_hardly_moved_is_told_to_be_patient() -> None:
    updates = [Update(20 * i, i, {**NUMBERS, "reward": 0.9, "approx_kl": 1e-5}) for i in range(1, 7)]
    (sentence,) = advice(learning(updates=updates, sources={}, outcomes=[]))
    assert "hardly moved" in sentence
    assert advice(learning(updates=updates[:3], sources={}, outcomes=[])) == []


def test_the_record_is_plain_data() -> None:
    record = json.loads(json.dumps(learning_record(learning())))
    assert record["updates"][0]["trial"] == 20
    assert record["updates"][0]["model"][0]["r2"] == 0.9
    assert record["sources"] == {"policy": 1, "mutation": 2, "random": 1}
    assert record["outcomes"][0] == {
        "trial": 20,
        "expected": [[0.0, 0.5, 1.0]] * 2,
        "came": [0.5, 0.5],
        "expected_gain": 0.2,
        "gain": 0.1,
    }


def test_the_rank_correlations_of_a_progressive_search_are_told_round_by_round() -> None:
    settings = ProgressiveSettings(k=6, fit_steps=20)
    sampler = ProgressiveSampler(Growth.by_parameter, seed=0, settings=settings)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(lambda t: (float(t.suggest_int("a", 0, 5)), 1.0 + t.suggest_int("b", 0, 5)), n_trials=20)
    found = learning_of(study.trials, study.directions, ["x", "y"])
    assert [each.round for each in found.grown] == [1, 2]
    assert len(learning_record(found)["grown"]) == 2
    assert "rank correlation of mutants, predicted and measured" in [chart.title for chart in charts_of(found)]
    line = grown_line(study, study.trials[found.grown[0].trial])
    assert line.startswith("round 1: 6 networks of 2 steps; rank correlation of what was predicted and what came: obj")
    assert grown_line(study, study.trials[0]) == ""
