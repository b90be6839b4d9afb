from __future__ import annotations

import dataclasses
import json

import pytest

from mnas_moo.objectives import Accuracy, Count, HostLatency, LutLatency, RuntimeMemory
from mnas_moo.objectives.counts import COUNTS
from mnas_moo.objectives.objective import (
    OBJECTIVES,
    DeviceError,
    Measurement,
    info_of,
    is_latency,
    is_memory,
    latency_beside,
    measure_in_turn,
    memory_beside,
    on_device,
)
from mnas_moo.spaces import NetworkSpec, network


class Scripted:
    """Takes a millisecond a class; refuses 3 classes and is unplugged at 4."""

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        if spec.classes == 3:
            raise ValueError("no 3 classes")
        if spec.classes == 4:
            raise DeviceError("unplugged; plug it in")
        return Measurement(float(spec.classes))


def specs(*classes: int) -> list[NetworkSpec]:
    return [dataclasses.replace(network("mnasnet-small"), classes=number) for number in classes]


def test_in_turn_a_refused_network_keeps_its_place() -> None:
    two, error, five = measure_in_turn(Scripted(), specs(2, 3, 5))  # type: ignore[arg-type]
    assert (two, five) == (Measurement(2.0), Measurement(5.0))
    assert isinstance(error, ValueError)
    assert measure_in_turn(Scripted(), []) == []  # type: ignore[arg-type]


def test_in_turn_a_device_that_is_gone_ends_all() -> None:
    with pytest.raises(DeviceError, match="unplugged"):
        measure_in_turn(Scripted(), specs(2, 4, 5))  # type: ignore[arg-type]


def test_details_are_what_a_storage_can_keep() -> None:
    assert Measurement(1.0).details == {}
    details = {"runs": 10, "clock": "wall", "core_share": None, "cores": [0, 1]}
    assert json.loads(json.dumps(Measurement(1.0, details).details)) == details


def test_the_table_has_the_directions_of_the_objectives_themselves() -> None:
    kinds = {
        "accuracy": Accuracy,
        "latency_ms": HostLatency,
        "memory_mb": RuntimeMemory,
        **dict.fromkeys(COUNTS, Count),
    }
    assert set(OBJECTIVES) == set(kinds)
    for name, kind in kinds.items():
        assert OBJECTIVES[name].direction == kind.direction
    assert LutLatency.name in OBJECTIVES


def test_labels_say_the_unit_and_differ() -> None:
    assert len({info.label for info in OBJECTIVES.values()}) == len(OBJECTIVES)
    assert all(info.label and info.meaning and not info.meaning.endswith(".") for info in OBJECTIVES.values())


def test_devices_with_names_have_latencies_and_memories_of_their_own() -> None:
    assert [is_latency("latency_ms@a"), is_memory("memory_mb@a"), is_memory("latency_ms@a")] == [True, True, False]
    assert on_device("latency_ms") and on_device("memory_mb") and not on_device("peak_memory_mb@a")
    assert latency_beside("memory_mb") == latency_beside("latency_ms") == "latency_ms"
    assert (latency_beside("memory_mb@a-1"), memory_beside("latency_ms@a-1")) == ("latency_ms@a-1", "memory_mb@a-1")
    named = info_of("memory_mb@pixel")
    assert named is not None and named.label == "runtime memory on pixel (MB)"
    assert named.unit == OBJECTIVES["memory_mb"].unit
    assert info_of("memory_mb@a b") is info_of("parameters_m@a") is None
