"""A device that needs no clock, and a small space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from mnas_moo import spaces
from mnas_moo.objectives.objective import JSON, Direction, Graph, Measurement


class FormulaLatency:
    """Times graphs by their counts, and keeps results by canonical graph, as every Latency does.

    Args:
        overhead_ms: of every graph.
        spells: what the n-th measurement takes more, as a share; after these none.
        refused: names of graphs that cannot be measured.
        fails_after: measurements after which the device is gone.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(
        self,
        overhead_ms: float = 0.0,
        spells: Sequence[float] = (),
        refused: Sequence[str] = (),
        fails_after: int | None = None,
        device: Mapping[str, JSON] | None = None,
    ) -> None:
        self.overhead_ms = overhead_ms
        self.spells = list(spells)
        self.refused = refused
        self.fails_after = fails_after
        self.device = device or {"backend": "host", "model": "formula", "runtime": "none", "threads": 1}
        self.measured: list[str] = []
        self.results: dict[Graph, Measurement] = {}

    def exact_ms(self, graph: Graph) -> float:
        counts = [node.operation.multiply_adds(*node.input_shapes) for node in graph.nodes]
        moved = [node.shape[0] * node.shape[1] * node.shape[2] for node in graph.nodes]
        return self.overhead_ms + (sum(counts) + sum(moved)) / 1e7

    def measure(self, spec: Graph, seed: int) -> Measurement:
        spec = spec.canonical()
        if spec.name in self.refused:
            raise ValueError(f"the delegate does not know\n{spec.name}")
        if spec not in self.results:
            if self.fails_after is not None and len(self.measured) >= self.fails_after:
                raise RuntimeError("unplugged")
            self.measured.append(spec.name)
            spell = self.spells.pop(0) if self.spells else 0.0
            ms = self.exact_ms(spec) * (1 + spell)
            self.results[spec] = Measurement(ms, {"p10_ms": ms, "p90_ms": ms, "runs": 10, "seconds": 1.0})
        return self.results[spec]

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        results: list[Measurement | ValueError] = []
        for spec in specs:
            try:
                results.append(self.measure(spec, 0))
            except ValueError as error:
                results.append(error)
        return results

    def close(self) -> None:
        pass


@pytest.fixture
def formula() -> type[FormulaLatency]:
    return FormulaLatency


@pytest.fixture(scope="session")
def space() -> spaces.mnasnet.MnasNetSpace:
    """72 parts and 3456 networks of two blocks, 16 pixels."""
    return spaces.get("mnasnet", preset="digits", blocks=2)
