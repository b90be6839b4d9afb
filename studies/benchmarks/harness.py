"""What the mains of the benchmarks share: their options, searches on tables, taking turns, medians, tables, the JSON.

Whatever is compared is compared on the same problems and seeds, and what is timed takes turns in one run, so that
other work of the machine falls on all alike. A benchmark is a program: ``main`` takes its options from the command
line, prints a table, and writes all figures where ``--json`` says.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import optuna

from mnas_moo.objectives.tabular.problem import TabularProblem

P = ParamSpec("P")
Result = TypeVar("Result")
Task = TypeVar("Task")

TABLES = "MNAS_MOO_TABLES"
"""Environment variable with the folder of the published tables."""


def options(
    description: str | None,
    *,
    tables: Literal["needed", "optional"] | None = None,
    seeds: int | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    json_file: bool = True,
) -> argparse.ArgumentParser:
    """A parser with the options that benchmarks share; each benchmark adds its own.

    Args:
        description: the benchmark's docstring, shown by ``--help`` as it stands.
        tables: whether there is ``--tables``, the folder of the published tables, and whether it must be given where
            the environment does not name it.
        seeds: default of ``--seeds``; None for no such option, as for the next two.
        trials: default of ``--trials``.
        jobs: default of ``--jobs``.
        json_file: whether it has ``--json``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if tables is not None:
        folder = os.environ.get(TABLES)
        needed = tables == "needed" and folder is None
        text = f"folder of the published tables (default: the one named by {TABLES})"
        parser.add_argument("--tables", type=Path, default=folder, required=needed, metavar="DIR", help=text)
    numbers = (
        ("--seeds", seeds, "runs of each search, with seeds from 0 on"),
        ("--trials", trials, "trials of each run"),
        ("--jobs", jobs, "processes at once"),
    )
    for name, default, text in numbers:
        if default is not None:
            parser.add_argument(name, type=int, default=default, help=f"{text} (default: %(default)s)")
    if json_file:
        parser.add_argument("--json", type=Path, metavar="PATH", help="also write all figures there")
    return parser


def write_json(path: Path | None, figures: Any) -> None:
    """Writes all figures of a benchmark; nothing where no file was asked for."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def seconds(function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> tuple[float, Result]:
    """Time of one call, and its result."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - start, result


def in_turns(turns: int, *contenders: Callable[[], Result]) -> list[list[Result]]:
    """The results of each contender: all are called once before any is called again.

    >>> from itertools import count
    >>> number = count().__next__
    >>> in_turns(3, number, number)
    [[0, 2, 4], [1, 3, 5]]
    """
    results: list[list[Result]] = [[] for _ in contenders]
    for _ in range(turns):
        for each, contender in zip(results, contenders, strict=True):
            each.append(contender())
    return results


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of every figure over repeats that have the same figures.

    >>> medians([{"ms": 1.0}, {"ms": 5.0}, {"ms": 2.0}])
    {'ms': 2.0}
    """
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int, *, fresh: bool = False
) -> Iterator[Result]:
    """The results of a function of a module, as they come; each process computes on one thread.

    Args:
        function: function of a module, called with one task.
        tasks: arguments of the calls.
        jobs: number of processes at once.
        fresh: whether every task has a process of its own, for functions that change the program.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1 if fresh else None) as pool:
        yield from pool.imap_unordered(function, tasks)


def search(problem: TabularProblem, study: optuna.Study, trials: int, workers: int = 1) -> list[list[float]]:
    """(trials, M) objective values of new trials on a table, in the order of its directions.

    Args:
        problem: table that is searched.
        study: study that proposes the trials and is told their values.
        trials: number of new trials.
        workers: number of trials that are asked for before the first of them is told.
    """
    values: list[list[float]] = []
    while len(values) < trials:
        asked = [study.ask() for _ in range(min(workers, trials - len(values)))]
        found = [problem.measure(problem.suggest(trial)) for trial in asked]
        for trial, measured in zip(asked, found, strict=True):
            values.append([measured[objective] for objective in problem.directions])
            study.tell(trial, values[-1])
    return values


def regrets(problem: TabularProblem, values: Sequence[Sequence[float]], marks: Iterable[int]) -> dict[int, float]:
    """The regret after so many trials, for the marks that a run of (N, M) objective values reached."""
    return {mark: problem.regret(np.array(values[:mark])) for mark in marks if mark <= len(values)}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """A table in Markdown.

    Args:
        head: names of the columns.
        rows: cells of each row.
        numbers: columns that are aligned to the right.

    >>> print(markdown(["network", "ms"], [["a", "1.5"]], numbers=[1]))
    | network | ms |
    | --- | ---: |
    | a | 1.5 |
    """
    right = set(numbers)
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
