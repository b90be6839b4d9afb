"""The table of DPP-Net's cells as a problem: all 324 of four layers, or growing ones of two to four (378).

The script studies/tables/dppnet324.py made it: three trainings on the digits, latency in LiteRT, float32 and int8. With
"-growing" the length is a parameter, those of layers beyond it do not exist, and there is an order of growth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from mnas_moo.objectives.front import Floats
from mnas_moo.objectives.tabular.archives import categorical, directions_of
from mnas_moo.objectives.tabular.problem import Bounds, TabularProblem, feasible, judged
from mnas_moo.spaces.cells import CONVS, NORMS
from mnas_moo.spaces.growth import Growth

FILE = Path(__file__).with_name("dppnet324.json")
LENGTH = "length"
TRAININGS = 3
LENGTHS = (2, 3, 4)
LAYERS = {f"layer{i + 1}.{'conv' if i % 2 else 'norm'}": tuple(CONVS if i % 2 else NORMS) for i in range(LENGTHS[-1])}
_MILLION = {"multiply_adds": "multiply_adds_m", "parameters": "parameters_m"}


class Cells:
    """Answers of the table.

    Args:
        cells: cell, its layers joined by "-" -> its row of the file.
        runtime: "float32" or "int8", whose latency is ``latency_ms``.
        growing: whether the length is a parameter.
    """

    fits = None

    def __init__(self, cells: Mapping[str, Mapping[str, Any]], runtime: str, *, growing: bool) -> None:
        self.growing = growing
        self.rows = {cell: row for cell, row in cells.items() if growing or cell.count("-") + 1 == LENGTHS[-1]}
        rows = list(self.rows.values())
        self.means: dict[str, Floats] = {
            "accuracy": np.array([np.mean(row["accuracy"]) for row in rows]),
            "latency_ms": np.array([row[f"latency_ms_{runtime}"] for row in rows]),
            **{
                f"latency_ms_{each}": np.array([row[f"latency_ms_{each}"] for row in rows])
                for each in ("float32", "int8")
            },
            **{to: np.array([row[name] for row in rows]) / 1e6 for name, to in _MILLION.items()},
            "peak_memory_mb": np.array([row["peak_memory_bytes"] for row in rows]) / 1e6,
        }
        self._trainings = [np.array(row["accuracy"]) for row in rows]
        self._index = {cell: i for i, cell in enumerate(self.rows)}

    @property
    def quantities(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.means)

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether the cell has that layer."""
        return not self.growing or name == LENGTH or list(LAYERS).index(name) < params[LENGTH]

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The cell's row; ``rng`` draws one of its trainings."""
        layers = [params[name] for name in LAYERS if self.exists(name, params)]
        if self.growing and len(layers) > LENGTHS[0] and layers[-1] == "identity":
            layers.pop()  # a last norm that is none is no layer
        row = self._index["-".join(layers)]
        found = {name: float(column[row]) for name, column in self.means.items()}
        if rng is not None:
            found["accuracy"] = float(rng.choice(self._trainings[row]))
        return found


def dppnet_cells(name: str, bounds: Bounds) -> TabularProblem:
    """The problem of a table's name: "dppnet324", then "-int8" for that latency, then "-growing" for shorter cells.

    Raises:
        ValueError: the table is not finished, or no cell keeps the bounds.
    """
    words = name.split("-")[1:]
    cells = json.loads(FILE.read_text(encoding="utf-8"))["cells"]
    for cell, row in cells.items():
        if len(row.get("accuracy", ())) < TRAININGS or "latency_ms_int8" not in row:
            raise ValueError(
                f"table {name} is not finished: cell {cell} lacks trainings or latencies; run python -m "
                "mnas_moo.studies.tables.dppnet324, then the same with --latency"
            )
    answers = Cells(
        cells,
        "int8" if "int8" in words else "float32",
        growing="growing" in words,
    )
    choices: dict[str, Any] = {**({LENGTH: LENGTHS} if answers.growing else {}), **LAYERS}
    distributions = categorical(choices)
    growth = _growth(distributions) if answers.growing else None
    problem = TabularProblem(name, distributions, directions_of("latency_ms"), bounds, answers, growth=growth)
    points = problem.minimised(np.stack([answers.means[each] for each in problem.directions], axis=1))
    return judged(problem, points, points[feasible(bounds, answers.means, len(points))])


def _growth(distributions: Mapping[str, BaseDistribution]) -> Growth:
    """The order of growth as the space has it: the layers of the shortest cell, then a layer a step."""
    names = list(LAYERS)
    steps = [names[: LENGTHS[0]], *([name] for name in names[LENGTHS[0] :])]
    return Growth(
        tuple({name: distributions[name] for name in step} for step in steps),
        length=(LENGTH, distributions[LENGTH]),
        lengths=LENGTHS,
    )
