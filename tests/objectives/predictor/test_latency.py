from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mnas_moo import spaces
from mnas_moo.objectives.objective import Direction, Graph, Measurement
from mnas_moo.objectives.predictor.latency import PREDICTED, PredictedLatency

SPEC = spaces.get("mnasnet", preset="digits").random(np.random.default_rng(0))


def true_ms(spec: Graph) -> float:
    return 0.01 + 0.002 * len(spec.nodes)


@dataclass
class Prediction:
    ms: float
    low_ms: float
    high_ms: float
    outside: str | None


class Predictor:
    def __init__(self, outside: str | None = None) -> None:
        self.outside = outside

    def predict(self, spec: Graph) -> Prediction:
        return Prediction(1.0, 0.9, 1.1, self.outside)


class Device:
    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self) -> None:
        self.device = {"model": "a phone"}
        self.closed = False

    def measure(self, spec: Graph, seed: int) -> Measurement:
        return Measurement(true_ms(spec), {"runs": 50})

    def close(self) -> None:
        self.closed = True


def latency(outside: str | None = None) -> PredictedLatency:
    return PredictedLatency(Predictor(outside), Device())  # type: ignore[arg-type]


def test_a_network_like_those_that_were_seen_is_predicted() -> None:
    assert latency().measure(SPEC, seed=0) == Measurement(1.0, {PREDICTED: True, "low_ms": 0.9, "high_ms": 1.1})


def test_a_network_unlike_all_that_was_seen_is_measured() -> None:
    found = latency("wider than all networks it was fitted to").measure(SPEC, seed=0)
    assert found.value == true_ms(SPEC)
    assert found.details["outside"] == "wider than all networks it was fitted to"


def test_what_is_confirmed_is_measured_and_keeps_what_was_predicted() -> None:
    assert latency().confirm(SPEC, seed=0) == Measurement(true_ms(SPEC), {"runs": 50, "predicted_ms": 1.0})


@pytest.mark.parametrize("outside", [None, "wider"])
def test_several_are_predicted_as_one_is(outside: str | None) -> None:
    predicted = latency(outside)
    assert predicted.measure_all([SPEC, SPEC]) == [predicted.measure(SPEC, 0)] * 2


def test_it_is_the_device_that_confirms_and_is_closed_with_it() -> None:
    predicted = latency()
    assert predicted.device == {"model": "a phone"}
    predicted.close()
    assert predicted.measured.closed  # type: ignore[attr-defined]
