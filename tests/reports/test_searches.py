from __future__ import annotations

import json
from pathlib import Path

import pytest
from optuna.distributions import IntDistribution
from optuna.trial import create_trial

from mnas_moo.fbnet.sampler import SUPERNET_ACCURACY
from mnas_moo.reports.searches import Searches, pairs_of, search_figures, searches_of
from mnas_moo.running.trials import JUDGED, MEASUREMENTS, NETWORK
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.test_shared_weights import SHARED

POINT = {"step": 10, "seconds": 1.0, "loss": 1.5, "largest": 0.7, "smallest": 0.5, "random": 0.6}
EPOCHS = [
    {
        "epoch": number,
        "temperature": 5.0 - number,
        "loss": 2.0 - number / 2,
        "theta_loss": None if number == 0 else 0.5,
        "beta": [0.6, 0.2],
        "latency_ms": [1.0, 2.0 + number],
        "probabilities": [[[0.5, 0.5]] * 3, [[0.25 + number / 4, 0.75 - number / 4]] * 3],
        "seconds": 1.0,
    }
    for number in range(3)
]
CHOICES = {f"block1.layer{i}": ["k3_e1", "skip"] for i in (1, 2, 3)}


def trial(accuracy: float, network: str, **attributes: object) -> object:
    return create_trial(
        params={"x": 1},
        distributions={"x": IntDistribution(0, 9)},
        values=[accuracy, 1.0],
        user_attrs={NETWORK: network, **attributes},
    )


def test_pairs_are_networks_that_were_judged_both_ways() -> None:
    shared = {MEASUREMENTS: {"accuracy": {"value": 0.4, "weights": "shared"}}}
    trials = [
        trial(0.4, "a", **shared),
        trial(0.5, "b", **shared),
        trial(0.9, "b", **{JUDGED: "alone"}),
        trial(0.8, "c", **{SUPERNET_ACCURACY: 0.3}),
        trial(0.7, "d", **{JUDGED: "alone"}),
    ]
    assert pairs_of(trials, ["accuracy", "latency_ms"]) == [(0.5, 0.9), (0.3, 0.8)]  # type: ignore[arg-type]
    assert pairs_of(trials, ["latency_ms", "size"]) == []  # type: ignore[arg-type]


def test_what_stands_beside_the_weights_is_read_and_what_is_broken_is_not(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(SHARED.format(folder=tmp_path))
    study_file = load_study_file(tmp_path / "shared.yaml")
    assert isinstance(study_file, NetworkStudy)
    assert searches_of(study_file, [], ["accuracy"]) == Searches([], {}, [], [])
    files = tmp_path / "shared_files"
    files.mkdir()
    (files / "supernet-shared.json").write_text(json.dumps({"curve": [POINT, {"step": 3}, 4]}))
    (files / "fbnet-shared.json").write_text(json.dumps({"choices": CHOICES, "epochs": EPOCHS}))
    found = searches_of(study_file, [], ["accuracy"])
    assert found.curve == [POINT] and len(found.epochs) == 3
    (files / "supernet-shared.json").write_text("[1")
    assert searches_of(study_file, [], ["accuracy"]).curve == []


def test_there_is_a_picture_of_all_that_there_is() -> None:
    pytest.importorskip("plotly")
    assert search_figures(Searches()) == {}
    pairs = [(0.1, 0.5), (0.2, 0.6), (0.3, 0.7), (0.4, 0.65)]
    figures = search_figures(Searches([POINT], CHOICES, EPOCHS, pairs))
    assert list(figures) == ["shared-weights", "rank-correlation", "fbnet-search", "fbnet-theta"]
    assert figures["rank-correlation"].layout.title.text.startswith("Kendall's tau 0.67 (")
    heat = figures["fbnet-theta"].data
    assert len(heat) == 3 and list(heat[0].z[0]) == [0.25, 0.5, 0.75]  # of the least exponent, the second
    assert [line.name for line in figures["shared-weights"].data] == [
        "largest network",
        "random network",
        "smallest network",
    ]
    latency = [line for line in figures["fbnet-search"].data if line.name == "beta 0.2"]
    assert list(latency[0].y) == [2.0, 3.0, 4.0]


def test_few_pairs_have_no_correlation() -> None:
    assert Searches(pairs=[(0.1, 0.2), (0.2, 0.3)]).correlation is None
    tau, low, high = Searches(pairs=[(0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.5, 0.1)]).correlation  # type: ignore[misc]
    assert low <= tau <= high and tau == 0
