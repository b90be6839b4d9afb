"""A small problem whose front is known, in the forms in which a comparison takes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.cli import main as cli
from mnas_moo.compare.record import Run
from mnas_moo.objectives.tabular.problem import FailedTrialError, TabularProblem

SPACE: dict[str, BaseDistribution] = {
    "operation": CategoricalDistribution(["conv", "sepconv", "mbconv"]),
    "layers": IntDistribution(1, 6),
    "width": FloatDistribution(0.5, 1.5, step=0.25),
    "skip": CategoricalDistribution([False, True]),
}


def figures(params: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy and latency; a deeper, wider network is better and slower, and operations differ in what they give."""
    skill, cost = {"conv": (0.9, 9.0), "sepconv": (0.5, 1.5), "mbconv": (0.8, 3.0)}[params["operation"]]
    size = skill * params["layers"] * params["width"]
    accuracy = size / (1 + size) + (0.02 if params.get("skip") else 0.0)
    return {"accuracy": accuracy, "latency_ms": cost * params["layers"] * params["width"] ** 2}


class Formula:
    """Answers of a table by a formula: noisy or not, with a failing corner or not, conditional or not."""

    quantities = ("accuracy", "latency_ms")

    def __init__(self, *, noise: float = 0.0, fails: bool = False, conditional: bool = False) -> None:
        self.noise, self.fails, self.conditional = noise, fails, conditional

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        return name != "skip" or not self.conditional or params["layers"] > 3

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        if self.fails and params["operation"] == "sepconv":
            raise FailedTrialError("sepconv is not there")
        found = figures(params)
        if rng is not None:
            found["accuracy"] += self.noise * rng.normal()
        return found


def formula(
    distributions: Mapping[str, BaseDistribution] = SPACE,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    **settings: Any,
) -> TabularProblem:
    directions: dict[str, Any] = {"accuracy": "maximize", "latency_ms": "minimize"}
    return TabularProblem("formula", distributions, directions, bounds or {}, Formula(**settings))


ARRAYS = ("genomes", "told", "values", "violations", "feasible")


def same(one: Run, other: Run) -> bool:
    """Whether two runs made and judged the same trials."""
    return all(np.array_equal(getattr(one, key), getattr(other, key), equal_nan=key != "feasible") for key in ARRAYS)


TABLE = """\
name: small
storage: sqlite:///small.db
table:
  file: past.csv
  parameters: [operation, layers, width, skip]
  objectives: {accuracy: maximize, latency_ms: minimize}
sampler: mnas
trials: 60
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the problem as a study file and a complete table."""
    monkeypatch.chdir(tmp_path)
    rows = [",".join([*SPACE, "accuracy", "latency_ms"])]
    choices = (["conv", "sepconv", "mbconv"], range(1, 7), [0.5, 0.75, 1.0, 1.25, 1.5], [False, True])
    for values in itertools.product(*choices):
        found = figures(dict(zip(SPACE, values, strict=True)))
        rows.append(",".join(map(str, [*values, *found.values()])))
    (tmp_path / "past.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "small.yaml").write_text(TABLE, encoding="utf-8")
    return tmp_path


Answer = tuple[int, str, str]
Compare = Callable[..., Answer]


@pytest.fixture
def compare(table: Path, capsys: pytest.CaptureFixture[str]) -> Compare:
    """Runs `mnas-moo compare` in a folder with small.yaml; gives exit status, standard output and standard error."""
    verbosity = optuna.logging.get_verbosity()

    def answer(*words: str) -> Answer:
        capsys.readouterr()
        try:
            status = cli.main(["compare", *words])
        finally:
            optuna.logging.set_verbosity(verbosity)
        return (status, *capsys.readouterr())

    return answer


def refused(answer: Answer, *texts: str) -> None:
    """The command ended with status 2 and one line that holds these texts."""
    status, out, err = answer
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    for text in ("mnas-moo: ", *texts):
        assert text in err
