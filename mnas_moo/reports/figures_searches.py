"""The figures of searches with shared weights: their curve, how they rank networks, and FBNet's course and choices.

What they are made of is read by ``searches``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.reports.axes import padded
from mnas_moo.reports.figures import Axis, Figure, Line, Marks, Panel, Shades
from mnas_moo.reports.searches import Searches

MOST_CELLS = 30
"""So many cells of a row of a map are drawn at most; of a longer search, epochs at equal distances."""


def search_figures(searches: Searches) -> list[Figure]:
    """The figures there are: "shared-weights", "rank-correlation", "fbnet-search" and "fbnet-choices"."""
    figures = []
    if searches.curve:
        figures.append(_curve(searches.curve))
    if searches.correlation is not None:
        figures.append(_ranks(searches.pairs, searches.correlation))
    if searches.epochs:
        figures += [_course(searches.epochs), _choices(searches.choices, searches.epochs)]
    return figures


def _curve(curve: Sequence[Mapping[str, float]]) -> Figure:
    steps = [point["step"] for point in curve]
    lines = [
        Line(f"{name} network", i, steps, [point[name] for point in curve], named="step")
        for i, name in enumerate(("largest", "random", "smallest"))
    ]
    values = [value for line in lines for value in line.y]
    panel = Panel(
        "",
        Axis("step of the training", padded(steps, 0.02)),
        Axis("accuracy on the hold-out", padded(values), percent=True),
        lines=lines,
    )
    ends = ", ".join(f"the {line.label} {line.y[-1]:.1%}" for line in lines)
    title = "Weights that all networks share"
    return Figure("shared-weights", title, f"Accuracy with shared weights at the end: {ends}.", [panel])


def _ranks(pairs: Sequence[tuple[float, float]], found: tuple[float, float, float]) -> Figure:
    shared, alone = ([pair[i] for pair in pairs] for i in (0, 1))
    names = [f"network {i + 1}" for i in range(len(pairs))]
    panel = Panel(
        "",
        Axis("accuracy by shared weights", padded(shared), percent=True),
        Axis("accuracy when trained alone", padded(alone), percent=True),
        marks=[Marks("", 1, "circle", shared, alone, names, large=True)],
    )
    tau, low, high = found
    says = (
        f"Kendall's rank correlation is {tau:.2f} (95 % interval {low:.2f} to {high:.2f}) over {len(pairs)} networks."
    )
    title = "How well shared weights rank networks"
    return Figure("rank-correlation", title, says, [panel], [says])


def _course(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    x = [float(epoch["epoch"] + 1) for epoch in epochs]
    across = Axis("epoch", padded(x, 0.02))
    panels = []
    for title, key in (("loss of the weights", "loss"), ("loss of the distributions", "theta_loss")):
        panels.append(_over(title, across, [("", _with(x, [epoch[key] for epoch in epochs]))]))
    latencies = np.array([epoch["latency_ms"] for epoch in epochs], dtype=float)  # (E, K)
    points = [(f"beta {beta:.3g}", _with(x, latencies[:, k].tolist())) for k, beta in enumerate(epochs[-1]["beta"])]
    panels.append(_over("expected latency (ms)", across, points))
    panels.append(_over("temperature", across, [("", _with(x, [epoch["temperature"] for epoch in epochs]))]))
    last = ", ".join(f"{latency:.3g} ms" for latency in latencies[-1])
    says = f"After {len(epochs)} epochs the distributions expect {last}."
    return Figure("fbnet-search", "FBNet's search, epoch by epoch", says, panels)


Points = tuple[list[float], list[float]]


def _with(x: Sequence[float], values: Sequence[float | None]) -> Points:
    """The points whose value is known: the distributions do not learn in the first epochs."""
    known = [(a, float(b)) for a, b in zip(x, values, strict=True) if b is not None]
    return [a for a, _ in known], [b for _, b in known]


def _over(title: str, across: Axis, series: Sequence[tuple[str, Points]]) -> Panel:
    values = [value for _, (_, ys) in series for value in ys]
    lines = [Line(label, k, *points, named="epoch") for k, (label, points) in enumerate(series)]
    return Panel(title, across, Axis("", padded(values)), lines=lines)


def _choices(choices: Mapping[str, Sequence[str]], epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Probability of each candidate over the epochs, a map a layer, of the distribution with the least exponent."""
    point = int(np.argmin(epochs[-1]["beta"]))
    kept = np.unique(np.linspace(0, len(epochs) - 1, min(MOST_CELLS, len(epochs))).round().astype(int))
    shades = np.array([epochs[i]["probabilities"][point] for i in kept], dtype=float)  # (E, L, C)
    x = [float(epochs[i]["epoch"] + 1) for i in kept]
    # a cell is as wide as its distance to the next one
    half = (x[-1] - x[0]) / (2 * (len(x) - 1)) if len(x) > 1 else 0.5
    across = Axis("epoch", (x[0] - half, x[-1] + half))
    panels = [
        Panel(name, across, Axis("", (0.0, 1.0), names=list(map(str, candidates))), shades=Shades(x, layer.T.tolist()))
        for name, candidates, layer in zip(choices, choices.values(), shades.transpose(1, 0, 2), strict=True)
    ]
    last = [f"{name} {candidates[int(shades[-1, i].argmax())]}" for i, (name, candidates) in enumerate(choices.items())]
    says = f"The most likely candidates at the end (exponent {epochs[-1]['beta'][point]:g}): {', '.join(last)}."
    return Figure("fbnet-choices", "Probability of each candidate, layer by layer, over the epochs", says, panels)
