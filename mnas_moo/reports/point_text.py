"""A point of InstaNAS' search as figures and as text, for `mnas-moo show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mnas_moo.reports.points import Point

MOST_CLASSES = 6
"""With more classes, so many of the fewest modules and of the most are told."""


def point_json(point: Point) -> dict[str, Any]:
    """What is known of a point, as JSON.

    Returns:
        "point" (its number in the search), "shuffled_accuracy", "paths" and "on"; where the search's notes are on this
        machine also "modules", cell -> module -> share of images that have it on (mean over the classes), and
        "classes", class -> share of modules that its images have on.
    """
    found: dict[str, Any] = {"point": point.number}
    found |= {name: point.figures[name] for name in ("shuffled_accuracy", "paths", "on")}
    found["paths"] = int(found["paths"])
    if point.use is not None:
        shares = point.use.mean(0)  # (L, M)
        found["modules"] = {
            cell: dict(zip(point.modules, map(float, row), strict=True))
            for cell, row in zip(point.cells, shares, strict=True)
        }
        found["classes"] = dict(zip(point.classes, map(float, point.use.mean((1, 2))), strict=True))
    return found


def point_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A point in some lines of text.

    Args:
        found: what ``point_json`` says of it.
    """
    yield "  a point of InstaNAS' search: a controller, and modules that it switches on and off for each image"
    yield f"  shuffled       {100 * found['shuffled_accuracy']:>14.2f} % where images take each other's paths"
    yield f"  paths          {found['paths']:>14,} on the images held out"
    yield f"  modules on     {100 * found['on']:>14.1f} % in the mean of the images"
    if "modules" in found:
        rows = found["modules"]
        names = list(next(iter(rows.values())))
        wide = max(map(len, rows))
        yield f"  share of images that have a module on, %:\n  {'':{wide}}{''.join(f'{name:>7}' for name in names)}"
        for cell, row in rows.items():
            yield f"  {cell:{wide}}{''.join(f'{100 * row[name]:>7.0f}' for name in names)}"
        order = sorted(found["classes"].items(), key=lambda each: each[1])
        if len(order) > 2 * MOST_CLASSES:
            parts = [_shares(order[:MOST_CLASSES]), "…", _shares(order[-MOST_CLASSES:])]
        else:
            parts = [_shares(order)]
        yield f"  share of modules that a class has on; {', '.join(parts)}"
    yield "  the network that most images take, module by module:"


def _shares(classes: list[tuple[str, float]]) -> str:
    return ", ".join(f"{name}: {100 * share:.0f} %" for name, share in classes)
