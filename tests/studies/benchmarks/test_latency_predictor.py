"""The comparison of latency predictors: what it fits and asks, and the published latencies of a Pixel 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra data is not installed")
pytest.importorskip("scipy", reason="the extra compare is not installed")

from mnas_moo.spaces import NetworkSpec, get
from mnas_moo.studies.benchmarks import latency_predictor
from mnas_moo.studies.benchmarks.latency_predictor import Floats, errors, held_out, least_squares, pixel_1, sums


def test_each_published_latency_on_a_pixel_1_is_predicted_from_the_others() -> None:
    found = pixel_1()
    assert found["median"] < 0.03
    assert found["p90"] < 0.1
    assert found["kendall_tau"] > 0.95


def test_nobody_is_asked_about_what_was_fitted() -> None:
    y = np.arange(1.0, 24.0)
    asked: list[int] = []

    def predict(fitted: np.ndarray, those: np.ndarray) -> Floats:
        assert not set(fitted) & set(those) and len(fitted) + len(those) == len(y)
        asked.extend(those)
        return np.asarray(y[those] * 1.1)

    assert held_out(y, predict) == pytest.approx({"median": 0.1, "p90": 0.1, "kendall_tau": 1})
    assert sorted(asked) == list(range(len(y)))


def test_errors_are_shares_of_what_was_measured() -> None:
    assert errors(np.array([1.0, 2.0, 4.0]), np.array([1.1, 1.0, 4.0]))["median"] == pytest.approx(0.1)


def test_sums_are_those_of_the_network_and_least_squares_finds_their_weights() -> None:
    space, rng = get("mnasnet", preset="digits"), np.random.default_rng(0)
    specs = [space.random(rng) for _ in range(40)]
    assert sums(specs[0], by_kind=False)["all m"] == specs[0].multiply_adds
    assert sum(value for name, value in sums(specs[0], True).items() if name[-1] == "m") == specs[0].multiply_adds
    x = latency_predictor.table(specs, by_kind=False)
    y = x @ np.array([2.0, 3.0, 1.0])
    assert least_squares(x[:30], y[:30], x[30:]) == pytest.approx(y[30:])


def test_the_tables_and_the_json_which_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(specs: Sequence[NetworkSpec], rounds: int) -> Floats:
        ms = np.array([spec.multiply_adds / 1e6 for spec in specs])
        return ms * np.random.default_rng(0).uniform(1, 1.2, (rounds, len(specs)))

    monkeypatch.setattr(latency_predictor, "measure", measure)
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    monkeypatch.setattr(sys, "argv", ["latency_predictor", "--networks", "40", "--rounds", "3", "--json", str(first)])
    latency_predictor.main()
    printed = capsys.readouterr().out
    assert "40 networks of mnasnet (digits)" in printed and "LatencyPredictor" in printed
    found = json.loads(first.read_text())
    assert list(found["held_out"])[-1] == "LatencyPredictor"
    assert [(row["fitted"], row["asked"]) for row in found["learning_curve"]] == [(25, 15)]
    assert found["outside"]["resolution x 2"] == 1
    monkeypatch.setattr(sys, "argv", ["latency_predictor", "--measured", str(first), "--json", str(again)])
    latency_predictor.main()
    assert json.loads(again.read_text())["held_out"] == found["held_out"]
