"""The results of a comparison as text: the rows of its tables, and the tables for a terminal.

They are made from the results' JSON alone (``judgement.judge``), the argument ``found`` of all functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

SIGNIFICANT = 0.01
"""Level of significance: smaller p-values get a star."""

EMPTY = "-"
"""Text of a cell without a figure."""


def tables(found: Mapping[str, Any]) -> list[Any]:
    """All tables of a comparison, as rich tables."""
    return [table for table in (regret_table(found), versus_table(found), reward_table(found)) if table is not None]


def regret_table(found: Mapping[str, Any]) -> Any:
    """A rich table of mean regret at the marks, trials to the goal, and the sampler's time."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("sampler", no_wrap=True)
    for mark in found["marks"]:
        table.add_column(f"{mark:,}", justify="right")
    if "goal" in found:
        table.add_column("to goal", justify="right")
    table.add_column("ms a trial", justify="right")
    for name, figures in found["samplers"].items():
        table.add_row(name, *cells(found, figures))
    return _framed(headline(found), table, caption(found))


def _framed(title: str, table: Any, caption: str = "") -> Any:
    """A table with title and caption; neither is wrapped to the table's width."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, style="bold"), table, Text(f"{caption}\n" if caption else "", style="dim"))


def cells(found: Mapping[str, Any], figures: Mapping[str, Any]) -> list[str]:
    """The cells of one sampler's row: regret at each mark, trials to the goal, milliseconds per trial."""
    at = figures["at_marks"]
    regrets = dict(zip(at["trials"], at["regret"]["mean"], strict=True)) if at["trials"] else {}
    row = [f"{regrets[mark]:.4f}" if mark in regrets else EMPTY for mark in found["marks"]]
    if "goal" in found:
        row.append(reached(figures["to_goal"], len(found["seeds"])))
    mean = figures["sampler_ms"]["mean"]
    return [*row, EMPTY if mean is None else f"{mean:.3g}"]


def reached(to_goal: Mapping[str, Any], seeds: int) -> str:
    """Trials to the goal, and how many of the seeds reach it.

    >>> reached({"mean": 1234, "seeds": 9}, 10), reached({"mean": None, "seeds": 0}, 10)
    ('1,234 (9/10)', 'not (0/10)')
    """
    mean = "not" if to_goal["mean"] is None else f"{to_goal['mean']:,}"
    return f"{mean} ({to_goal['seeds']}/{seeds})"


def headline(found: Mapping[str, Any]) -> str:
    """Title of the table of regrets."""
    return (
        f"{found['problem']}: mean hypervolume regret after so many trials, {len(found['seeds'])} "
        f"seed{'s' if len(found['seeds']) != 1 else ''} (smaller is better)"
    )


def caption(found: Mapping[str, Any]) -> str:
    """Explanation of the columns of the table of regrets."""
    names = list(found["objectives"])
    corner = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, found["reference_point"], strict=True))
    best = (
        "the best known front" if found["best_hypervolume_of"] == "problem" else "the front of all runs here together"
    )
    placed = "" if found["reference_point_of"] == "problem" else ", placed by the runs here"
    lines = [f"regret = 1 - hypervolume / that of {best}; reference point: {corner}{placed}"]
    if "goal" in found:
        goal = found["goal"]
        lines.append(
            f"to goal: trials until the mean reaches that of {goal['of']} after {goal['trials']:,} "
            f"(in brackets: seeds that reach it)"
        )
    if found["modelled"]:
        fits = (f"{name} R2 {fit['r2']:.2f}, tau {fit['tau']:.2f}" for name, fit in found["modelled"].items())
        lines.append(f"points without a row are answered by a forest, as good out of bag as {'; '.join(fits)}")
    if any(figures["ended"]["time"] for figures in found["samplers"].values()):
        lines.append(f"{EMPTY}: the sampler's {found['time_limit_minutes']:g} minutes were up before")
    return "\n".join(lines)


def _by_marks(found: Mapping[str, Any], rows: Iterable[tuple[str, list[str]]]) -> Any:
    """A rich table with one column per mark and one row per sampler."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("sampler", no_wrap=True)
    for mark in found["marks"]:
        table.add_column(f"{mark:,}", justify="right")
    for name, row in rows:
        table.add_row(name, *row)
    return table


def versus_table(found: Mapping[str, Any]) -> Any:
    """The paired tests as a rich table; None without tests."""
    if not found["tests"]:
        return None
    ours = found["tests"][0]["sampler"]
    return _framed(versus_title(ours), _by_marks(found, versus_rows(found)), versus_caption(found))


def versus_title(ours: str) -> str:
    """Title of the table of paired tests of one sampler against the others."""
    return f"{ours} against each other sampler, seed by seed: seeds won : lost, and p"


def versus_caption(found: Mapping[str, Any]) -> str:
    """Explanation of the paired tests, and of what they cannot show with so few seeds."""
    test, count, seeds = found["tests"][0], len(found["tests"]), len(found["seeds"])
    lines = [
        f"{test['wins']}:{test['losses']}: {test['sampler']} won on {test['wins']} seeds and lost on {test['losses']}",
        f"Wilcoxon's signed-rank test, two-sided; p corrected (Holm) for all {count} comparisons; *: p < {SIGNIFICANT}",
    ]
    enough = seeds_for(count)
    if seeds < enough:
        plural = "s" if seeds != 1 else ""
        lines.append(
            f"with {seeds} seed{plural} p is at least {p_value(least_p(seeds, count)).strip()}, whatever the results; "
            f"to show a difference takes --seeds {enough} or more"
        )
    return "\n".join(lines)


def least_p(seeds: int, comparisons: int) -> float:
    """The smallest corrected p-value that so many seeds can give: all won, of 2^seeds equally likely signs.

    >>> least_p(3, 6), least_p(10, 6)
    (1.0, 0.01171875)
    """
    return min(1.0, comparisons * 2.0 ** (1 - seeds))


def seeds_for(comparisons: int) -> int:
    """The least number of seeds with which a difference can be significant.

    >>> seeds_for(6)
    11
    """
    return next(seeds for seeds in itertools.count(1) if least_p(seeds, comparisons) < SIGNIFICANT)


def versus_rows(found: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """One row for each other sampler: its name and its cells."""
    by = {(test["versus"], test["trials"]): test for test in found["tests"]}
    rows = []
    for name in dict.fromkeys(test["versus"] for test in found["tests"]):
        words = []
        for mark in found["marks"]:
            test = by.get((name, mark))
            words.append(EMPTY if test is None else f"{test['wins']}:{test['losses']}, p {p_value(test['p_holm'])}")
        rows.append((name, words))
    return rows


def p_value(p: float) -> str:
    """A p-value as text, with a star if it is significant.

    >>> p_value(0.0004), p_value(0.0312)
    ('<.001*', '.031 ')
    """
    text = "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
    return f"{text}{'*' if p < SIGNIFICANT else ' '}"


def reward_table(found: Mapping[str, Any]) -> Any:
    """The best MnasNet reward at the marks as a rich table; None without a target latency."""
    if "reward" not in found:
        return None
    target = found["reward"]["target_ms"]
    title = f"best reward so far, accuracy x (latency / {target:g} ms) ^ -0.07, mean over seeds (more is better)"
    return _framed(title, _by_marks(found, reward_rows(found)))


def reward_rows(found: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """One row for each sampler: its name and its cells."""
    rows = []
    for name, figures in found["samplers"].items():
        best = figures["best_reward"]
        there = dict(zip(best["trials"], best.get("mean", []), strict=True))
        rows.append((name, [f"{there[mark]:.4f}" if mark in there else EMPTY for mark in found["marks"]]))
    return rows
