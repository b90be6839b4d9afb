"""The figures of InstaNAS' search: its course, which images are fast and which are slow, what modules a class uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.reports.axes import padded
from mnas_moo.reports.figures import Axis, Figure, Line, Panel, Picture, Shades
from mnas_moo.reports.png import png_of
from mnas_moo.reports.points import Point

MOST_CLASSES = 40
"""So many rows a map of classes has at most; of more classes, those at equal steps from few modules to many."""
MOST_POINTS = 6
"""Of more points, those at equal steps from fast to slow have figures."""


def course_figure(epochs: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The search epoch by epoch: "instanas-search"; none, where there is no epoch of it or another program wrote it."""
    try:
        held = [epoch for epoch in epochs if epoch["phase"] == "search"]
        return [_course(held)] if held else []
    except (KeyError, TypeError, ValueError, IndexError):
        return []


def _course(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    x = [float(epoch["epoch"] + 1) for epoch in epochs]
    across = Axis("epoch", padded(x, 0.02))

    def panel(title: str, *lines: tuple[str, Sequence[float]], percent: bool = False) -> Panel:
        values = [value for _, line in lines for value in line]
        drawn = [Line(label, min(k, 1), x, list(line), named="epoch") for k, (label, line) in enumerate(lines)]
        return Panel(title, across, Axis("", padded(values), percent=percent), lines=drawn)

    def of(key: str) -> list[float]:
        return [float(epoch[key]) for epoch in epochs]

    low, high = ([float(epoch["band_ms"][end]) for epoch in epochs] for end in (0, 1))
    panels = [
        panel("reward", ("", of("reward"))),
        panel("advantage over greedy decisions", ("", of("advantage"))),
        panel("entropy term of an image (nats)", ("", of("entropy"))),
        panel("share of modules on", ("", of("on")), percent=True),
        panel("latency of modules (ms)", ("drawn paths", of("drawn_ms")), ("band", low), ("band", high)),
        panel(
            "accuracy on the hold-out",
            ("by the controller", of("accuracy")),
            ("decisions shuffled", of("shuffled_accuracy")),
            percent=True,
        ),
    ]
    last = epochs[-1]
    says = (
        f"After {len(epochs)} epochs accuracy is {last['accuracy']:.1%}, with decisions shuffled among images "
        f"{last['shuffled_accuracy']:.1%}; {last['on']:.0%} of the modules are on."
    )
    return Figure("instanas-search", "InstaNAS' search, epoch by epoch", says, panels)


def point_figures(points: Sequence[Point]) -> list[Figure]:
    """Of each point that has them: "instanas-images-N" and "instanas-modules-N", by the number of its trial."""
    known = [point for point in points if point.images or point.use is not None]
    figures = []
    for i in np.unique(np.linspace(0, len(known) - 1, min(MOST_POINTS, len(known))).round().astype(int)):
        if known[i].images:
            figures.append(_images(known[i]))
        if known[i].use is not None:
            figures.append(_modules(known[i]))
    return figures


def _images(point: Point) -> Figure:
    pictures = [
        Picture(image.label, image.latency_ms, f"{image.latency_ms:.3g} ms", png_of(image.pixels))
        for image in point.images
    ]
    axis = Axis("latency (ms)", padded([picture.value for picture in pictures]))
    says = (
        f"From {pictures[0].label} with {pictures[0].text} to {pictures[-1].label} with {pictures[-1].text}, the "
        "controller included; by the search's table of modules."
    )
    title = f"Images from fast to slow, trial {point.trial}"
    return Figure(f"instanas-images-{point.trial}", title, says, [Panel("", axis, Axis("", (0, 1)), pictures=pictures)])


def _modules(point: Point) -> Figure:
    """Share of each class's images that have each module on; classes from few modules to many."""
    assert point.use is not None
    means = point.use.mean((1, 2))  # (K,)
    order = np.argsort(means, kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(MOST_CLASSES, len(order))).round().astype(int))]
    shades = point.use.reshape(len(means), -1)[rows]  # (R, L * M)
    columns = shades.shape[1]
    across = Axis(
        f"cell (stage.cell); in each from left to right {', '.join(point.modules)}",
        (-0.5, columns - 0.5),
        names=[_short(cell) for cell in point.cells],
    )
    names = [f"{point.classes[k]}, {means[k]:.0%}" for k in rows]
    down = Axis("class, and the share of modules that it has on", (0.0, 1.0), names=names)
    panel = Panel("", across, down, shades=Shades([float(x) for x in range(columns)], shades.tolist()))
    first, last = order[0], order[-1]
    says = (
        f"{point.classes[first]} has the fewest modules on ({means[first]:.0%} in the mean), {point.classes[last]} the "
        f"most ({means[last]:.0%}). The darker, the more images of a class have the module on."
    )
    left = f" ({len(rows)} of {len(order)} classes)" if len(rows) < len(order) else ""
    title = f"Modules that the images of a class use, trial {point.trial}{left}"
    return Figure(f"instanas-modules-{point.trial}", title, says, [panel])


def _short(cell: str) -> str:
    """A cell's name without its words.

    >>> _short("stage3.cell2")
    '3.2'
    """
    return cell.replace("stage", "").replace("cell", "")
