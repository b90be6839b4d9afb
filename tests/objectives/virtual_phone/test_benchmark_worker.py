"""A model run as benchmark_model runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.virtual_phone.benchmark_worker import run
from mnas_moo.spaces.spec import Layer, NetworkSpec

pytest.importorskip("ai_edge_litert", reason="models are run in it")

REQUEST = {"threads": 1, "warmup_runs": 2, "warmup_seconds": 0, "runs": 7, "seconds": 0, "maximum_seconds": 10}


def ask(graph: Path, **settings: float) -> list[Mapping[str, Any]]:
    told: list[Mapping[str, Any]] = []
    run({**REQUEST, "graph": str(graph), **settings}, told.append)
    return told


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(litert.write(NetworkSpec((3, 16, 16), Layer("conv", 3, 8, kernel=3, stride=2), (), 0, 10)))
    return path


def test_as_many_runs_as_were_asked_for_are_told_in_order(graph: Path) -> None:
    init, warm_up, timed = ask(graph)
    assert init["init_us"] > 0
    assert len(warm_up["warmup_us"]) == 2
    assert len(timed["us"]) == 7
    assert all(isinstance(us, int) and us >= 0 for us in timed["us"])


def test_runs_end_with_the_longest_time(graph: Path) -> None:
    assert len(ask(graph, runs=10**9, maximum_seconds=0)[-1]["us"]) == 1


def test_runs_go_on_for_the_shortest_time(graph: Path) -> None:
    assert len(ask(graph, runs=1, seconds=0.05)[-1]["us"]) > 1


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a valid Flatbuffer"):
        ask(tmp_path / "bad")
