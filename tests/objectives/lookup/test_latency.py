from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnas_moo import spaces
from mnas_moo.objectives.lookup.build import build
from mnas_moo.objectives.lookup.check import check
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import LookupTable, Place, now
from mnas_moo.spaces.fragment import fragments


@pytest.fixture
def file(space: Any, formula: Any, tmp_path: Path) -> Path:
    build(space, formula(), tmp_path / "t.json", visits=1)
    return tmp_path / "t.json"


def test_a_network_costs_what_its_layers_do(file: Path, space: Any, formula: Any) -> None:
    latency = LutLatency(file)
    spec = space.random(np.random.default_rng(0))
    result = latency.measure(spec, 0)
    assert (
        result.value
        == result.details["sum_ms"]
        == pytest.approx(sum(map(formula().exact_ms, fragments(spec))), abs=1e-4)
    )
    assert latency.measure(spec.canonical(), 1) == result
    assert latency.measure_all([spec, spec]) == [result, result]


def test_the_correction_is_applied(file: Path, space: Any, formula: Any) -> None:
    spec = space.random(np.random.default_rng(0))
    sums = LutLatency(file).table.sums(spec)
    correction = check(file, space, formula(overhead_ms=0.5), networks=10, visits=1).correction
    assert LutLatency(file).measure(spec, 0).value == correction(sums)
    assert correction.intercept_ms > 0.4


def test_its_device_is_the_tables_by_table(file: Path) -> None:
    device = LutLatency(file).device
    assert (device["backend"], device["measured_by"], device["model"]) == ("lut", "host", "formula")


def test_all_networks_of_the_space_are_covered_and_none_of_another(file: Path, space: Any) -> None:
    LutLatency(file).covers(space)
    other = spaces.get("mnasnet", preset="digits", blocks=3)
    with pytest.raises(ValueError, match=r"t\.json: has no time for \d+ of the \d+ layers of space mnasnet, such as"):
        LutLatency(file).covers(other)


def test_a_network_of_another_space_is_refused_with_the_layer(file: Path) -> None:
    spec = spaces.network("mnasnet-a1")
    problem = r"t\.json: the lookup table has no time for layer 'conv k3 s2 224x224x3-112x112x32 relu': .*lut build"
    with pytest.raises(ValueError, match=problem):
        LutLatency(file).measure(spec, 0)
    refused, priced = LutLatency(file).measure_all([spec, next(_members())])
    assert isinstance(refused, ValueError)
    assert priced.value > 0


def _members() -> Any:
    return spaces.get("mnasnet", preset="digits", blocks=2).covering()


def test_a_part_alone_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="prices whole networks only, not conv k3 s2"):
        LutLatency(file).measure(fragments(next(_members()))[0], 0)


def test_a_table_by_places_is_refused(tmp_path: Path) -> None:
    LookupTable({"model": "a phone"}, now(), places=(Place(("a",), (1.0,)),), source="a paper").save(
        tmp_path / "t.json"
    )
    with pytest.raises(
        ValueError, match=r"prices choices at 1 places, not networks of a space: its source \(a paper\)"
    ):
        LutLatency(tmp_path / "t.json")
