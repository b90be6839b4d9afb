"""Pictures of InstaNAS' search: its course, which images are fast and which are slow, and what modules a class uses."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.reports.panels import COLORS
from mnas_moo.reports.plots_plotly import dressed

COLUMNS = 8


def per_image_figures(held: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures by name: "instanas-search", "instanas-images", "instanas-modules"; those there are.

    The last two are of the most accurate point.

    Args:
        held: content of the file beside the search (``instanas.search``); a broken one has no pictures.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    figures: dict[str, Any] = {}
    try:
        epochs = [epoch for epoch in held.get("epochs", []) if epoch["phase"] == "search"]
        if epochs:
            figures["instanas-search"] = _course(epochs)
        points = held.get("points", [])
        if points:
            best = max(range(len(points)), key=lambda i: points[i]["accuracy"])
            figures["instanas-images"] = _images(held["ways"][best]["images"], held["classes"])
            figures["instanas-modules"] = _modules(held["ways"][best]["use"], held)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        pass  # another program has written the file
    return figures


def _course(epochs: Sequence[Mapping[str, Any]]) -> Any:
    subplots = require("plotly.subplots", extra="plot")
    go = require("plotly.graph_objects", extra="plot")
    panels: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        ("reward", (("reward", "reward"),)),
        ("advantage over greedy", (("advantage", "advantage"),)),
        ("entropy term of an image (nats)", (("entropy", "entropy"),)),
        ("share of modules on", (("on", "on"),)),
        ("latency of modules and the band (ms)", (("drawn_ms", "drawn paths"), ("lower", "band"), ("upper", "band"))),
        ("accuracy on the hold-out", (("accuracy", "accuracy"), ("shuffled_accuracy", "decisions shuffled"))),
    )
    figure = subplots.make_subplots(2, 3, subplot_titles=[title for title, _ in panels], vertical_spacing=0.18)
    x = [epoch["epoch"] + 1 for epoch in epochs]
    rows = [{**epoch, "lower": epoch["band_ms"][0], "upper": epoch["band_ms"][1]} for epoch in epochs]
    for i, (_, lines) in enumerate(panels):
        for j, (key, name) in enumerate(lines):
            dash = "dot" if name == "band" else "solid"
            style = {"color": COLORS[min(j, 1)], "dash": dash}
            shown = len(lines) > 1 and key != "upper"
            line = go.Scatter(x=x, y=[row[key] for row in rows], mode="lines", line=style, name=name, showlegend=shown)
            figure.add_trace(line, row=i // 3 + 1, col=i % 3 + 1)
    figure.update_yaxes(tickformat=".0%", row=2, col=1)
    figure.update_yaxes(tickformat=".0%", row=2, col=3)
    last = ", ".join(f"{title} {rows[-1][lines[0][0]]:.3g}" for title, lines in panels)
    return dressed(figure, "InstaNAS' search, epoch by epoch", f"InstaNAS' search; after the last epoch: {last}")


def _images(images: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Any:
    """A grid of images of the hold-out, row by row from fast to slow."""
    subplots = require("plotly.subplots", extra="plot")
    go = require("plotly.graph_objects", extra="plot")
    rows = math.ceil(len(images) / COLUMNS)
    titles = [f"{classes[image['label']]}, {image['latency_ms']:.3g} ms" for image in images]
    figure = subplots.make_subplots(
        rows, COLUMNS, subplot_titles=titles, vertical_spacing=0.2 / rows, horizontal_spacing=0.01
    )
    for i, image in enumerate(images):
        pixels = np.frombuffer(base64.b64decode(image["pixels"]), np.uint8).reshape(image["shape"])
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        figure.add_trace(go.Image(z=pixels.tolist()), row=i // COLUMNS + 1, col=i % COLUMNS + 1)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_annotations(font_size=10)
    figure.update_layout(height=120 * rows + 100)
    title = "Images from fast to slow"
    return dressed(figure, title, f"{title}: {'; '.join(titles)}")


def _modules(use: Sequence[Sequence[float]], held: Mapping[str, Any]) -> Any:
    """Share of each class's images that have each module on."""
    go = require("plotly.graph_objects", extra="plot")
    names = [f"{cell} {module}" for cell in held["cells"] for module in held["modules"]]
    heat = go.Heatmap(z=list(use), x=names, y=list(held["classes"]), zmin=0, zmax=1, colorscale="Blues")
    figure = go.Figure(heat)
    step = len(held["modules"])
    figure.update_xaxes(tickvals=names[::step], ticktext=list(held["cells"]))
    title = f"Share of images with a module on, by class; in each cell {', '.join(held['modules'])}"
    means = "; ".join(f"{name}: {np.mean(row):.0%}" for name, row in zip(held["classes"], use, strict=True))
    return dressed(figure, title, f"Share of all modules that are on, mean of a class: {means}")
