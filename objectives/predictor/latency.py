"""The objective ``latency_ms`` from a predictor, and the device that measures where a prediction is not enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mnas_moo.objectives.objective import JSON, Direction, Graph, Latency, Measurement, measure_in_turn

if TYPE_CHECKING:
    from mnas_moo.objectives.predictor.predictor import LatencyPredictor

PREDICTED = "predicted"
"""Key of a measurement's details: true where the latency is predicted, not measured."""


class PredictedLatency:
    """The objective ``latency_ms`` from a predictor; ``confirm`` measures.

    The details of a prediction: ``predicted`` (true), ``low_ms`` and ``high_ms`` (an interval of about 90 %).
    A network unlike all fitted ones is measured instead, and its detail ``outside`` says how it differs.

    Args:
        predictor: predictor that was fitted to networks measured on ``measured``.
        measured: the device.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, predictor: LatencyPredictor, measured: Latency) -> None:
        self.predictor = predictor
        self.measured = measured

    @property
    def device(self) -> Mapping[str, JSON]:
        """What identifies the device."""
        return self.measured.device

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Predicts the latency of ``spec``, or measures it where ``spec`` is unlike all fitted networks."""
        prediction = self.predictor.predict(spec)
        if prediction.outside:
            found = self.measured.measure(spec, seed)
            return Measurement(found.value, {**found.details, "outside": prediction.outside})
        return Measurement(prediction.ms, {PREDICTED: True, "low_ms": prediction.low_ms, "high_ms": prediction.high_ms})

    def confirm(self, spec: Graph, seed: int) -> Measurement:
        """Measures ``spec``; the detail ``predicted_ms`` is the prediction."""
        found = self.measured.measure(spec, seed)
        return Measurement(found.value, {**found.details, "predicted_ms": self.predictor.predict(spec).ms})

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Predicts or measures one graph after the other; see ``Latency.measure_all``."""
        return measure_in_turn(self, specs)

    def close(self) -> None:
        """Frees the device."""
        self.measured.close()
