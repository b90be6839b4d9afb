"""The objective ``latency_ms`` from a predictor: it predicts, and the device that it was fitted to confirms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mnas_moo.objectives.objective import JSON, Direction, Graph, Latency, Measurement, measure_in_turn

if TYPE_CHECKING:
    from mnas_moo.objectives.predictor.predictor import LatencyPredictor

PREDICTED = "predicted"
"""Detail of a latency that no device has measured."""


class PredictedLatency:
    """The objective ``latency_ms`` from a predictor; ``confirm`` measures.

    The details of a prediction: ``predicted`` (true), ``low_ms`` and ``high_ms`` (an interval of about 90 %).
    A network outside what the predictor has seen is measured at once, and ``outside`` says why.

    Args:
        predictor: fitted to networks measured on the same device.
        measured: that device.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, predictor: LatencyPredictor, measured: Latency) -> None:
        self.predictor = predictor
        self.measured = measured

    @property
    def device(self) -> Mapping[str, JSON]:
        """That of the device that confirms."""
        return self.measured.device

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Predicts the latency of ``spec``, or measures what is unlike all that was seen."""
        prediction = self.predictor.predict(spec)
        if prediction.outside:
            found = self.measured.measure(spec, seed)
            return Measurement(found.value, {**found.details, "outside": prediction.outside})
        return Measurement(prediction.ms, {PREDICTED: True, "low_ms": prediction.low_ms, "high_ms": prediction.high_ms})

    def confirm(self, spec: Graph, seed: int) -> Measurement:
        """Measures ``spec``; ``predicted_ms`` among the details is what the predictor says."""
        found = self.measured.measure(spec, seed)
        return Measurement(found.value, {**found.details, "predicted_ms": self.predictor.predict(spec).ms})

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Predicts, or measures, one after the other."""
        return measure_in_turn(self, specs)

    def close(self) -> None:
        """Frees the device."""
        self.measured.close()
