"""The table of DPP-Net's cells: complete, and shorter cells where they grow."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from mnas_moo.objectives.tabular.dppnet import LAYERS, LENGTHS, dppnet_cells
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.spaces.dppnet import DppNetSpace


def test_a_table_that_is_not_finished_says_what_finishes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table.json"
    file.write_text(json.dumps({"cells": {"bn-conv1x1": {"accuracy": [0.5]}}}))
    monkeypatch.setattr("mnas_moo.objectives.tabular.dppnet.FILE", file)
    with pytest.raises(ValueError, match=r"table dppnet324-growing .*bn-conv1x1.* run .*studies\.tables\.dppnet324"):
        dppnet_cells("dppnet324-growing", {})


def test_all_324_cells_have_three_trainings_two_latencies_and_the_counts_of_the_space() -> None:
    problem = bench_table("dppnet324", "")
    space = DppNetSpace(preset="digits", resolution=8, stem_stride=1, shortest=4)
    assert problem.distributions == space.distributions
    assert len(problem.answers.rows) == 324  # type: ignore[attr-defined]
    for row in problem.answers.rows.values():  # type: ignore[attr-defined]
        assert len(row["accuracy"]) == 3 and min(row["latency_ms_float32"], row["latency_ms_int8"]) > 0
    for cell in itertools.islice(itertools.product(*LAYERS.values()), 0, 324, 40):
        params = dict(zip(LAYERS, cell, strict=True))
        spec, found = space.spec(params), problem.answers.results(params, None)
        assert found["parameters_m"] * 1e6 == pytest.approx(spec.parameters)
        assert found["multiply_adds_m"] * 1e6 == pytest.approx(spec.multiply_adds)


def test_the_whole_table_has_no_regret_and_noise_is_one_of_the_trainings() -> None:
    problem = bench_table("dppnet324-int8", "")
    means = problem.answers.means  # type: ignore[attr-defined]
    everything = np.stack([means[name] for name in problem.directions], axis=1)
    assert problem.regret(everything) == pytest.approx(0.0, abs=1e-9)
    params = problem.random(np.random.default_rng(0))
    trainings = problem.answers.rows["-".join(params.values())]["accuracy"]  # type: ignore[attr-defined]
    drawn = {problem.measure(params, np.random.default_rng(seed))["accuracy"] for seed in range(20)}
    assert drawn == set(trainings)


def test_cells_that_grow_have_the_layers_of_their_length() -> None:
    problem = bench_table("dppnet324-growing", "")
    short = {"length": 2, "layer1.norm": "bn", "layer2.conv": "conv3x3"}
    assert problem.measure({**short, "length": 3, "layer3.norm": "identity"}) == problem.measure(short)
    with pytest.raises(ValueError, match=r"layer3\.norm does not exist here"):
        problem.measure({**short, "layer3.norm": "bn"})


def test_the_tables_networks_grow_as_those_of_the_space() -> None:
    settings = {"preset": "digits", "resolution": 8, "stem_stride": 1}
    growing, theirs = bench_table("dppnet324-growing", "").growth, DppNetSpace(**settings).growth
    assert growing is not None
    assert [list(step) for step in growing.steps] == [list(step) for step in theirs.steps]
    assert growing.lengths == theirs.lengths == LENGTHS
    assert growing.params({**growing.at_rest, "layer1.norm": "bn"}, 1) == {
        "length": 2,
        "layer1.norm": "bn",
        "layer2.conv": "conv1x1",
    }
    fixed, problem = bench_table("dppnet324", ""), bench_table("dppnet324-growing", "")
    assert fixed.growth == DppNetSpace(**settings, shortest=4).growth
    assert (fixed.conditional, problem.conditional) == ([], ["layer3.norm", "layer4.conv"])
    rng = np.random.default_rng(0)
    assert all(growing.is_whole(problem.random(rng)) for _ in range(20))


def test_an_unknown_table_names_these_too() -> None:
    with pytest.raises(ValueError, match="dppnet324"):
        bench_table("dppnet325", "")
