"""What the drawings of a report's page are made of: marks and texts as SVG, escaped, with the page's classes."""

from __future__ import annotations

import html

DASHED = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}
LETTER = 6.7
"""Width of a letter of the size 12, about."""


def mark_at(shape: str, x: float, y: float, r: float) -> str:
    """A mark of one of ``figures.SHAPES``, ``r`` from its middle to its edge."""
    at = f"{x:.1f} {y:.1f}"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"/>'
    paths = {
        "diamond": f"M{at}m0 {-r:g}l{r:g} {r:g}l{-r:g} {r:g}l{-r:g} {-r:g}z",
        "cross": f"M{at}m{-r:g} {-r:g}l{2 * r:g} {2 * r:g}m0 {-2 * r:g}l{-2 * r:g} {2 * r:g}",
        "square": f"M{at}m{-r:g} {-r:g}h{2 * r:g}v{2 * r:g}h{-2 * r:g}z",
        "triangle": f"M{at}m0 {-r:g}l{r:g} {2 * r:g}h{-2 * r:g}z",
    }
    return f'<path d="{paths[shape]}"/>'


def words_at(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    """A text of the class ``kind`` on a base line."""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{side}>{html.escape(text, quote=False)}</text>'
