from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import ClassVar

import pytest
from rich.console import Console

from mnas_moo.objectives.lookup.visits import Visit
from mnas_moo.objectives.objective import Graph, Measurement, measure_in_turn
from mnas_moo.reports.networks import Comparison, Entry, compare, entries_of, notes, record, table
from mnas_moo.spaces import network
from mnas_moo.spaces.published import COMPARED


class Drifting:
    """A device that does 10^9 multiply-adds in a second, in each round half as fast as in the one before."""

    device: ClassVar = {
        "backend": "ideal",
        "model": "Ideal [1]",
        "runtime": "none",
        "threads": 1,
        "data_type": "float32",
    }

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self.refused = refused
        self.calls: list[str] = []

    def measure(self, spec: Graph, seed: int) -> Measurement:
        assert isinstance(spec, Visit)
        self.calls.append(spec.name)
        if spec.name in self.refused:
            raise ValueError(f"cannot run {spec.name}")
        work = sum(node.operation.multiply_adds(*node.input_shapes) for node in spec.nodes)
        return Measurement(2**spec.number * work / 1e6)

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        return measure_in_turn(self, specs)  # type: ignore[arg-type]

    def close(self) -> None:
        pass


def made(names: Sequence[str] = ("mnasnet-a1",), rounds: int = 3, refused: Sequence[str] = ()) -> Comparison:
    return compare(Drifting(refused), entries_of(names), rounds)  # type: ignore[arg-type]


def drawn(comparison: Comparison, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(comparison))
    return console.export_text()


def test_each_round_measures_each_network_once() -> None:
    device = Drifting()
    compare(device, entries_of(["mnasnet-a1", "mnasnet-b1"]), 3)  # type: ignore[arg-type]
    names = {"MobileNetV2", "MnasNet-A1", "MnasNet-B1"}
    assert [set(device.calls[i : i + 3]) for i in (0, 3, 6)] == [names] * 3


def test_times_are_medians_and_ratios_those_within_a_round() -> None:
    comparison = made()
    yardstick, a1 = comparison.rows
    assert yardstick.times_ms == pytest.approx((300.774272, 601.548544, 1203.097088))
    assert a1.latency_ms == pytest.approx(2 * 311.579072)
    assert a1.ratios == pytest.approx([311.579072 / 300.774272] * 3)  # whatever the device did meanwhile
    assert yardstick.ratio == 1


def test_the_yardstick_comes_first_and_each_network_once() -> None:
    names = [entry.name for entry in entries_of(["MnasNet-A1", "mobilenetv2", "mnasnet-a1"])]
    assert names == ["mobilenetv2", "mnasnet-a1"]


def test_a_network_that_the_device_cannot_run_has_its_reason_and_is_not_tried_again() -> None:
    device = Drifting(["ResNet-50"])
    progress: list[tuple[int, int]] = []
    comparison = compare(
        device,  # type: ignore[arg-type]
        entries_of(["resnet-50"]),
        3,
        lambda done, total: progress.append((done, total)),
    )
    assert device.calls.count("ResNet-50") == 1
    assert comparison.rows[1].latency_ms is None
    assert "failed" in drawn(comparison)
    assert "ResNet-50 was not measured: cannot run ResNet-50" in list(notes(comparison))
    assert progress[0] == (0, 6) and progress[-1] == (6, 6)


def test_without_the_yardstick_there_are_times_but_no_ratios() -> None:
    a1 = made(refused=["MobileNetV2"]).rows[1]
    assert a1.latency_ms is not None
    assert a1.ratio is None


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds is 0; it must be at least 1"):
        made(rounds=0)


def test_the_table_of_all_fits_80_columns() -> None:
    text = drawn(made(COMPARED))
    assert "…" not in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # parameters, multiply-adds, ms, the rounds at a half and at twice it, the ratio; in brackets what was printed
    assert "NASNet-A mobile 5.29 (5.3) 564 (564) 1,127 -50 +100 1.87 (2.44)" in lines
    assert "ResNet-50 25.6 (25.6) 4,089 (4,089) 8,178 -50 +100 13.60" in lines
    assert "MobileNetV2 3.50 (3.4) 301 (300) 602 -50 +100 1.00 (1.00)" in lines


def test_the_notes_say_device_images_and_claims() -> None:
    comparison = made(COMPARED)
    text = "\n".join(notes(comparison))
    assert text.startswith("Timed on: Ideal [1], none, float32, 1 thread; batch 1, random weights.")
    assert "MnasNet-A1 is 1.87 times as fast as MobileNetV2 x1.4 here; MnasNet's paper says 1.8 times." in text
    assert "MnasNet-A1 is 1.81 times as fast as NASNet-A mobile here; MnasNet's paper says 2.3 times." in text
    assert "ResNet-50 has 25,557,032 parameters and 4,089,184,256 multiply-adds." in text
    assert "Images of" not in text  # which are the same for all
    own = Entry("trial 12", network("mnasnet-small", resolution=32, classes=10), 12, 0.9)
    both = compare(Drifting(), [*entries_of(["mnasnet-a1"]), own], 1)  # type: ignore[arg-type]
    text = "\n".join(notes(both))
    assert "Images of 224 x 224 x 3, 1,000 classes: MobileNetV2, MnasNet-A1.\n" in text
    assert "Images of 32 x 32 x 3, 10 classes: trial 12.\n" in text


def test_the_record_is_json_with_every_figure() -> None:
    own = Entry("trial 12", network("mnasnet-small", resolution=32, classes=10), 12, 0.9)
    both = compare(Drifting(), [*entries_of(["mnasnet-a1", "nasnet-a"]), own], 1)  # type: ignore[arg-type]
    data = json.loads(json.dumps(record(both)))
    assert data["device"]["model"] == "Ideal [1]"
    assert data["networks"][1] == {
        "name": "MnasNet-A1",
        "trial": None,
        "accuracy": None,
        "input_shape": [3, 224, 224],
        "classes": 1000,
        "parameters": 3_887_038,
        "multiply_adds": 311_579_072,
        "latency_ms": 311.579072,
        "rounds_ms": [311.579072],
        "to_mobilenetv2": 311.579072 / 300.774272,
        "error": None,
        "published": {
            "parameters_m": 3.9,
            "multiply_adds_m": 312,
            "counted_by": "Tan et al. 2019",
            "pixel1_ms": 78.0,
            "timed_by": "Tan et al. 2019",
            "to_mobilenetv2": 1.04,
        },
    }
    trial = data["networks"][-1]
    assert (trial["trial"], trial["accuracy"], trial["classes"]) == (12, 0.9, 10)
    assert set(trial["published"].values()) == {None}
    assert [(c["slower"], c["faster"], c["published"]) for c in data["claims"]] == [("nasnet-a", "mnasnet-a1", 2.3)]
