"""The parts of a report that show InstaNAS' points: their figures as a table, their images and their modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnas_moo.reports.figures_points import course_figure, point_figures
from mnas_moo.reports.page import Section, Table
from mnas_moo.reports.points import Point

_HEADS = ("trial", "accuracy", "shuffled", "mean latency (ms)", "paths", "modules on")
WORDS = (
    "Each point is a graph of modules with a controller, which switches them on and off for each image. Where its "
    "decisions are shuffled among images at no cost of accuracy, the controller has learnt one network for all images."
)


def points_sections(points: Sequence[Point], notes: Mapping[str, Any]) -> list[Section]:
    """The search with its points, and what their images look like and use; none, where a study has no points.

    Args:
        points: the points of the study's trials.
        notes: what stands beside the search.
    """
    if not points:
        return []
    rows = []
    for point in points:
        found = point.figures
        rows.append(
            [
                str(point.trial),
                f"{100 * found['accuracy']:.2f} %",
                f"{100 * found['shuffled_accuracy']:.2f} %",
                f"{found['latency_ms']:.4g}",
                f"{found['paths']:,.0f}",
                f"{100 * found['on']:.0f} %",
            ]
        )
    epochs = notes.get("epochs")
    course = course_figure(epochs) if isinstance(epochs, list) else []
    tables = {"Points of the search": Table(_HEADS, rows)}
    return [
        Section("per-image", "A network for each image", [WORDS], figures=course, tables=tables),
        Section("points", "Images and modules of the points", figures=point_figures(points)),
    ]
