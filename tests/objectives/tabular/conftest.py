from __future__ import annotations

import os
from typing import Any

from mnas_moo.objectives.tabular.problem import TabularProblem
from mnas_moo.objectives.tabular.published import bench_table

FOLDER = os.environ.get("MNAS_MOO_TABLES", "")


def bench(name: str, **settings: Any) -> TabularProblem:
    return bench_table(name, FOLDER, **settings)


def points(problem: TabularProblem) -> list[dict[str, Any]]:
    """The last value of every parameter, the first, and 0, 1, 2 … modulo their number."""
    choices = {name: each.choices for name, each in problem.distributions.items()}  # type: ignore[attr-defined]
    return [
        {name: values[index(i, len(values))] for i, (name, values) in enumerate(choices.items())}
        for index in (lambda i, n: n - 1, lambda i, n: 0, lambda i, n: i % n)
    ]
