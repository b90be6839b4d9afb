"""Published networks and a study's own, timed in turn on one device: figures, table, and what papers printed beside it.

Every network is timed once in each round, in a random order, so that slow changes of the device reach all alike. A
ratio is the median of the rounds' ratios: what disturbs a whole round is in both of its times.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnas_moo.objectives.lookup.visits import visit
from mnas_moo.objectives.objective import JSON, Graph, Latency, Measurement
from mnas_moo.reports.text import words
from mnas_moo.spaces.printable import short
from mnas_moo.spaces.published import CLAIMS, YARDSTICK, Printed, printed, published

ROUNDS = 5
"""Default number of rounds."""

PARAMETERS_OVER_A3, MULTIPLY_ADDS_OVER_A3 = 4.8, 10.0  # ResNet-50's over MnasNet-A3's, by Tan et al. 2019


@dataclass(frozen=True)
class Entry:
    """A network to be timed.

    Attributes:
        name: name of a published network, or "trial 12".
        graph: the network.
        trial: number of its trial; None: a published network.
        accuracy: accuracy of the trial, a fraction; None where it was not measured.
    """

    name: str
    graph: Graph
    trial: int | None = None
    accuracy: float | None = None

    @property
    def title(self) -> str:
        """Name for readers."""
        return self.name if self.trial is not None else self.graph.name

    @property
    def printed(self) -> Printed:
        """What was printed of the network."""
        return Printed() if self.trial is not None else printed(self.name)

    @property
    def input(self) -> str:
        """Shape of images and number of classes."""
        channels, height, width = self.graph.input_shape
        return f"{height} x {width} x {channels}, {self.graph.nodes[-1].shape[0]:,} classes"

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one image."""
        return sum(node.operation.multiply_adds(*node.input_shapes) for node in self.graph.nodes)


@dataclass(frozen=True)
class Row:
    """A network with its times.

    Attributes:
        entry: the network.
        times_ms: its time in each round; empty if the device cannot run it.
        ratios: its time over MobileNetV2's in each round; empty if either cannot be run.
        error: why the device cannot run it.
    """

    entry: Entry
    times_ms: tuple[float, ...]
    ratios: tuple[float, ...]
    error: str = ""

    @property
    def latency_ms(self) -> float | None:
        """Median of the rounds."""
        return statistics.median(self.times_ms) if self.times_ms else None

    @property
    def ratio(self) -> float | None:
        """Median of the rounds' ratios to MobileNetV2."""
        return statistics.median(self.ratios) if self.ratios else None


@dataclass(frozen=True)
class Comparison:
    """All networks, timed on one device.

    Attributes:
        device: the device, as ``Latency.device`` says.
        rounds: number of rounds.
        rows: the networks, in the order in which they were asked for.
    """

    device: dict[str, JSON]
    rounds: int
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row | None:
        """The row of a published network; None: it is not among them."""
        return next((row for row in self.rows if row.entry.trial is None and row.entry.name == name), None)


def entries_of(names: Sequence[str]) -> list[Entry]:
    """Published networks, each once, MobileNetV2 first, which the ratios need.

    Raises:
        ValueError: an unknown name.
    """
    return [Entry(name, published(name)) for name in dict.fromkeys((YARDSTICK, *(name.lower() for name in names)))]


def compare(
    latency: Latency,
    entries: Sequence[Entry],
    rounds: int = ROUNDS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Times networks in turn.

    Args:
        latency: the device.
        entries: the networks, the first of them MobileNetV2.
        rounds: number of times that each is measured.
        progress: called with two numbers of measurements: those made, and all.

    Raises:
        ValueError: there are no rounds.
        DeviceError: no device is left that could measure.
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; it must be at least 1")
    times: list[list[float]] = [[] for _ in entries]
    errors: dict[int, str] = {}

    def done(results: list[tuple[int, Measurement | ValueError]]) -> None:
        for i, result in results:
            if isinstance(result, ValueError):
                errors[i] = str(result)
            else:
                times[i].append(result.value)
        progress(sum(rounds if i in errors else len(own) for i, own in enumerate(times)), rounds * len(times))

    def still(number: int) -> list[int]:
        del number
        return [i for i in range(len(entries)) if i not in errors]

    progress(0, rounds * len(times))
    visit(latency, [entry.graph for entry in entries], still, rounds, np.random.default_rng(0), done)
    rows = []
    for i, (entry, own) in enumerate(zip(entries, times, strict=True)):
        ok = i not in errors and 0 not in errors
        ratios = [mine / yardstick for mine, yardstick in zip(own, times[0], strict=True)] if ok else []
        rows.append(Row(entry, () if i in errors else tuple(own), tuple(ratios), errors.get(i, "")))
    return Comparison(dict(latency.device), rounds, tuple(rows))


def record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data, for JSON."""
    networks = []
    for row in comparison.rows:
        entry, said = row.entry, row.entry.printed
        networks.append(
            {
                "name": entry.title,
                "trial": entry.trial,
                "accuracy": entry.accuracy,
                "input_shape": list(entry.graph.input_shape),
                "classes": entry.graph.nodes[-1].shape[0],
                "parameters": entry.graph.parameters,
                "multiply_adds": entry.multiply_adds,
                "latency_ms": row.latency_ms,
                "rounds_ms": list(row.times_ms),
                "to_mobilenetv2": row.ratio,
                "error": row.error or None,
                "published": {**vars(said), "to_mobilenetv2": said.ratio},
            }
        )
    claims = [
        {"slower": claim.slower, "faster": claim.faster, "published": claim.times, "measured": measured}
        for claim, measured in _claims(comparison)
    ]
    return {"device": comparison.device, "rounds": comparison.rounds, "networks": networks, "claims": claims}


def table(comparison: Comparison) -> Any:
    """The comparison as a rich table; what papers printed is in brackets."""
    from rich import box
    from rich.table import Table

    rows = comparison.rows
    said = [row.entry.printed for row in rows]
    columns = {
        "parameters\n(M)": _beside(
            [_three(row.entry.graph.parameters / 1e6) for row in rows], [_said(one.parameters_m) for one in said]
        ),
        "multiply-\nadds (M)": _beside(
            [_three(row.entry.multiply_adds / 1e6) for row in rows], [_said(one.multiply_adds_m) for one in said]
        ),
        "ms": [_three(row.latency_ms) for row in rows],
        "rounds\n(%)": [_range(row) for row in rows],
        "MobileNetV2\n= 1": _beside([_two(row.ratio) for row in rows], [_two(one.ratio) for one in said]),
    }
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    drawn.add_column("network", no_wrap=True)
    for heading in columns:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row, *cells in zip(rows, *columns.values(), strict=True):
        drawn.add_row(words(row.entry.title), *cells)
    return drawn


def notes(comparison: Comparison) -> Iterator[str]:
    """What a reader of the table must know, line by line."""
    device = comparison.device
    parts = (device.get("model"), device.get("runtime"), device.get("data_type"), _threads(device.get("threads")))
    yield f"Timed on: {', '.join(short(str(part)) for part in parts if part)}; batch 1, random weights."
    yield (
        f"ms: median of {comparison.rounds} round{'s' * (comparison.rounds > 1)}, in each of which every network had "
        "its turn; rounds: by how many percent the shortest and the longest differ from it."
    )
    inputs = list(dict.fromkeys(row.entry.input for row in comparison.rows))
    for size in inputs if len(inputs) > 1 else []:
        names = [row.entry.title for row in comparison.rows if row.entry.input == size]
        yield f"Images of {size}: {names[0] + ' to ' + names[-1] if len(names) > 3 else ', '.join(names)}."
    yield (
        "In brackets: as published; times are a Pixel 1's, over MobileNetV2's in the same source: MnasNet's paper, and "
        "for MobileNetV2 x1.4 and MobileNetV3 the README of tensorflow/models."
    )
    for claim, measured in _claims(comparison):
        faster, slower = published(claim.faster).name, published(claim.slower).name
        yield f"{faster} is {measured:.2f} times as fast as {slower} here; MnasNet's paper says {claim.times:g} times."
    if (resnet := comparison.row("resnet-50")) is not None:
        parameters, multiply_adds = resnet.entry.graph.parameters, resnet.entry.multiply_adds
        yield (
            f"ResNet-50 has {parameters:,} parameters and {multiply_adds:,} multiply-adds. MnasNet's paper gives it "
            f"{PARAMETERS_OVER_A3:g} and {MULTIPLY_ADDS_OVER_A3:g} times those of MnasNet-A3, which was never "
            f"published: {parameters / PARAMETERS_OVER_A3 / 1e6:.1f} and "
            f"{multiply_adds / MULTIPLY_ADDS_OVER_A3 / 1e6:.0f} million."
        )
    for row in comparison.rows:
        if row.error:
            yield f"{row.entry.title} was not measured: {row.error}"


def _claims(comparison: Comparison) -> Iterator[tuple[Any, float]]:
    """The printed claims whose networks were both measured, with the median of the rounds' ratios."""
    for claim in CLAIMS:
        slower, faster = comparison.row(claim.slower), comparison.row(claim.faster)
        if slower and faster and slower.times_ms and faster.times_ms:
            ratios = [slow / fast for slow, fast in zip(slower.times_ms, faster.times_ms, strict=True)]
            yield claim, statistics.median(ratios)


def _beside(measured: Sequence[str], said: Sequence[str]) -> list[str]:
    """Figures, each with what was printed in brackets, aligned; those without one leave its place empty."""
    brackets = [f" ({text})" if text else "" for text in said]
    width = max(map(len, brackets))
    return [text + bracket.ljust(width) for text, bracket in zip(measured, brackets, strict=True)]


def _three(value: float | None) -> str:
    """Three figures, or all before the point; nothing for None."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def _said(value: float | None) -> str:
    """As many figures as were printed, at most three, or all before the point."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _range(row: Row) -> str:
    """The shortest and the longest round, relative to the median."""
    if row.latency_ms is None:
        return "failed"
    low, high = (round(100 * (time / row.latency_ms - 1)) for time in (min(row.times_ms), max(row.times_ms)))
    return f"-{-low} +{high}"


def _threads(number: JSON) -> str:
    return f"{number} thread{'s' * (number != 1)}"
