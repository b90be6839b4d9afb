from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.ensemble import RandomForestRegressor

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.tabular import columns, rows
from mnas_moo.objectives.tabular.problem import FailedTrialError, TabularProblem
from mnas_moo.objectives.tabular.rows import read_table

COMPLETE = """\
width,act,accuracy,latency_ms,note
16,relu,0.70,1.0,
32,relu,0.80,2.0,again
32,relu,0.82,2.2,
16,silu,0.72,1.5,
32,silu,,,out of memory
"""


def read(folder: Path, text: str = COMPLETE, **settings: Any) -> TabularProblem:
    path = folder / "past.csv"
    path.write_text(text, encoding="utf-8")
    objectives = {"accuracy": "maximize", "latency_ms": "minimize"}
    return read_table(path, **({"parameters": ["width", "act"], "objectives": objectives} | settings))


def column(folder: Path, *cells: object) -> Any:
    """What kind of parameter a column with these cells is."""
    rows = [f"{cell},{i}" for i, cell in enumerate(itertools.islice(itertools.cycle(cells), 60))]
    (folder / "one.csv").write_text("\n".join(["x,y", *rows]), encoding="utf-8")
    return read_table(folder / "one.csv", parameters=["x"], objectives={"y": "minimize"}).distributions["x"]


def test_a_complete_table_is_looked_up(tmp_path: Path) -> None:
    problem = read(tmp_path)
    assert problem.name == "past"
    assert dict(problem.distributions) == {
        "width": IntDistribution(16, 32, step=16),
        "act": CategoricalDistribution(["relu", "silu"]),
    }
    assert problem.measure({"width": 16, "act": "silu"}) == {"accuracy": 0.72, "latency_ms": 1.5}
    assert problem.fits is None


def test_repeated_rows_are_noise_and_their_mean_the_value(tmp_path: Path) -> None:
    problem, point = read(tmp_path), {"width": 32, "act": "relu"}
    assert problem.measure(point) == pytest.approx({"accuracy": 0.81, "latency_ms": 2.1})
    rng = np.random.default_rng(0)
    drawn = {tuple(problem.measure(point, rng).values()) for _ in range(20)}
    assert drawn == {(0.80, 2.0), (0.82, 2.2)}


def test_a_row_without_a_result_is_a_failed_trial(tmp_path: Path) -> None:
    failing = {"width": 32, "act": "silu"}
    for rng in (None, np.random.default_rng(0)):
        with pytest.raises(FailedTrialError, match=r"the trial failed with .*32.*silu"):
            read(tmp_path).measure(failing, rng)
    sometimes = read(tmp_path, COMPLETE + "32,silu,0.9,3.0,\n")
    assert sometimes.measure(failing) == {"accuracy": 0.9, "latency_ms": 3.0}
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(20):
        try:
            sometimes.measure(failing, rng)
        except FailedTrialError:
            failed += 1
    assert 0 < failed < 20


def test_the_front_of_the_rows_has_no_regret(tmp_path: Path) -> None:
    """Front (0.70, 1.0), (0.72, 1.5), (0.81, 2.1): the reference point is (0.81 - 1.1 x 0.11, 1.0 + 1.1 x 1.1)."""
    problem = read(tmp_path)
    assert problem.reference_point == pytest.approx((0.689, 2.21))
    assert problem.regret([[0.70, 1.0], [0.72, 1.5], [0.81, 2.1]]) == pytest.approx(0.0)
    assert 0 < problem.regret([[0.70, 1.0], [0.81, 2.1]]) < 1


def test_any_column_of_numbers_can_be_constrained(tmp_path: Path) -> None:
    text = "width,accuracy,memory\n1,0.5,10\n2,0.7,20\n3,0.9,\n4,0.95,40\n"
    problem = read(
        tmp_path, text, parameters=["width"], objectives={"accuracy": "maximize"}, bounds={"memory": (None, 25.0)}
    )
    assert problem.measure({"width": 4}) == {"accuracy": 0.95, "memory": 40}
    assert problem.violations(problem.measure({"width": 4})) == [15.0]
    assert problem.regret([[0.7]]) == pytest.approx(0.0)  # the best that is feasible
    with pytest.raises(FailedTrialError):
        problem.measure({"width": 3})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("a", "b"), CategoricalDistribution(["a", "b"])),
        (("true", "false"), CategoricalDistribution([False, True])),
        (("1", "b"), CategoricalDistribution(["1", "b"])),
        ((3, 5, 7), IntDistribution(3, 7, step=2)),
        ((1, 4, 6), CategoricalDistribution([1, 4, 6])),
        ((16, 32, 64, 128), CategoricalDistribution([16, 32, 64, 128])),
        ((0.5, 0.75, 1.0), CategoricalDistribution([0.5, 0.75, 1.0])),
        ((1, 0.5), CategoricalDistribution([0.5, 1.0])),
        ((7,), CategoricalDistribution([7])),
        ([*range(0, 44, 2), 60], IntDistribution(0, 60, step=2)),
        ([3 * i + 1 for i in range(40) if i % 7], IntDistribution(4, 118, step=3)),
        ([i * i + 1 for i in range(20)], IntDistribution(1, 362, log=True)),
        ([i / 7 for i in range(20)], FloatDistribution(0.0, 19 / 7)),
        ([10 ** (-i / 5) for i in range(20)], FloatDistribution(10 ** (-19 / 5), 1.0, log=True)),
    ],
)
def test_the_values_of_a_column_say_what_kind_of_parameter_it_is(cells: Any, expected: Any, tmp_path: Path) -> None:
    assert column(tmp_path, *cells) == expected


def past_trials(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Trials of a smooth function of a word, a whole number and a float."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        row: dict[str, Any] = {
            "act": str(rng.choice(["relu", "silu", "elu"])),
            "depth": int(rng.integers(1, 9)),
            "rate": float(10 ** rng.uniform(-4, -1)),
        }
        row["error"] = 0.5 - 0.04 * row["depth"] + 0.1 * abs(np.log10(row["rate"]) + 2) + 0.05 * (row["act"] == "elu")
        row["latency_ms"] = 2.0 * row["depth"] + (row["act"] == "silu")
        rows.append(row)
    return rows


def write_parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "past.parquet")
    return folder / "past.parquet"


def read_trials(path: Path) -> TabularProblem:
    return read_table(
        path, parameters=["act", "depth", "rate"], objectives={"error": "minimize", "latency_ms": "minimize"}
    )


def test_a_point_without_a_row_is_answered_by_a_forest_that_says_how_good_it_is(tmp_path: Path) -> None:
    problem = read_trials(write_parquet(tmp_path, past_trials(300)))
    assert problem.distributions["rate"].log  # type: ignore[attr-defined]
    assert problem.fits is not None
    assert all(0.8 < fit.r2 < 1 and 0.8 < fit.tau < 1 for fit in problem.fits.values())
    others = past_trials(200, seed=1)
    found = [problem.measure({name: row[name] for name in problem.distributions}) for row in others]
    for name in ("error", "latency_ms"):
        truth, told = np.array([row[name] for row in others]), np.array([each[name] for each in found])
        r2 = 1 - ((truth - told) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
        assert r2 == pytest.approx(problem.fits[name].r2, abs=0.05)


def test_the_forest_is_scikit_learns(tmp_path: Path) -> None:
    rows = past_trials(50)
    problem = read_trials(write_parquet(tmp_path, rows))

    def inputs(row: Mapping[str, Any]) -> list[float]:
        return [*(float(row["act"] == act) for act in ("elu", "relu", "silu")), row["depth"], row["rate"]]

    values = np.array([[row["error"], row["latency_ms"]] for row in rows])
    mean, scale = values.mean(axis=0), values.std(axis=0)
    forest = RandomForestRegressor(100, oob_score=True, random_state=0)
    forest.fit([inputs(row) for row in rows], (values - mean) / scale)
    for row in past_trials(20, seed=1):
        found = problem.measure({name: row[name] for name in problem.distributions})
        assert list(found.values()) == pytest.approx((forest.predict([inputs(row)]) * scale + mean)[0])


def test_a_point_with_a_row_is_looked_up_among_past_trials_too(tmp_path: Path) -> None:
    rows = past_trials(40)
    problem = read_trials(write_parquet(tmp_path, rows))
    for row in rows:
        found = problem.measure({name: row[name] for name in problem.distributions})
        assert found == pytest.approx({"error": row["error"], "latency_ms": row["latency_ms"]})
    assert problem.best_hypervolume is not None


def test_parquet_and_csv_hold_the_same_problem(tmp_path: Path) -> None:
    rows = [*past_trials(30), {**past_trials(1)[0], "depth": 9, "error": None}]
    parquet = read_trials(write_parquet(tmp_path, rows))
    lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    (tmp_path / "past.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    csv = read_trials(tmp_path / "past.csv")
    assert (csv.distributions, csv.reference_point) == (parquet.distributions, parquet.reference_point)
    point = parquet.random(np.random.default_rng(0))
    assert csv.measure(point) == parquet.measure(point)
    with pytest.raises(FailedTrialError):
        parquet.measure({name: rows[-1][name] for name in parquet.distributions})


def test_a_problem_can_be_sent_to_another_process(tmp_path: Path) -> None:
    problem = read_trials(write_parquet(tmp_path, past_trials(30)))
    point = problem.random(np.random.default_rng(0))
    assert pickle.loads(pickle.dumps(problem)).measure(point) == problem.measure(point)


HEADER = "width,act,accuracy,latency_ms\n"
# ruff: noqa: E501 (a table reads best with one case a line)
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "empty": ("", {}, ": the file is empty; its first line must name the columns"),
    "no rows": (HEADER, {}, ": the table has columns and no rows"),
    "no such column": (COMPLETE, {"parameters": ["widht"]}, ": column 'widht' is unknown; did you mean 'width'? allowed: width, act, "),
    "no such constraint": (COMPLETE, {"bounds": {"memory": (None, 1.0)}}, ": column 'memory' is unknown; "),
    "a column twice": ("width,width,accuracy,latency_ms\n1,1,1,1\n", {"parameters": ["width"]}, ": column 'width' is there 2 times"),
    "no number": (COMPLETE + "\n16,relu,good,1.0,\n", {}, ":8: accuracy is 'good', which is no number"),
    "words for numbers": (COMPLETE, {"bounds": {"note": (None, 1.0)}}, ":3: note is 'again', which is no number"),
    "no value": (HEADER + "16,,0.5,1\n", {}, ":2: parameter act has no value; every row needs one"),
    "infinite value": (HEADER + "16,a,0.5,1\ninf,a,0.5,1\n", {}, ":3: parameter width is inf; allowed: words, finite"),
    "short line": (HEADER + "16,relu,0.5\n", {}, ":2: 3 cells, and the header names 4 columns"),
    "open quote": (HEADER + '16,"relu,0.5,1\n', {}, ":2: not valid CSV: "),
    "all failed": (HEADER + "16,relu,,1\n", {}, ": no row has a number for each of accuracy, latency_ms"),
    "too few": (HEADER + "16,relu,0.5,1\n32,silu,0.6,2\n", {}, ": the rows do not cover the space, and 2 finished points are too few"),
    "named twice": (COMPLETE, {"parameters": ["width", "accuracy"]}, ": column accuracy is named twice"),
    "no parameters": (COMPLETE, {"parameters": []}, ": no parameters are named"),
    "no direction": (COMPLETE, {"objectives": {"accuracy": "max"}}, ": objective accuracy is to 'max'; allowed: maximize, minimize"),
    "nothing feasible": (COMPLETE, {"bounds": {"latency_ms": (None, 0.1)}}, ": no known point keeps the bounds {'latency_ms': (None, 0.1)}"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_with_its_place(case: str, tmp_path: Path) -> None:
    text, settings, message = BAD[case]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(tmp_path, text, **settings)
    assert "past" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "past.xlsx").write_bytes(b"PK")
    (tmp_path / "past.parquet").write_bytes(b"PAR1 or not")
    (tmp_path / "past.csv").write_bytes(b"act,depth\n\xff\xfe,1\n")
    for name, message in (
        ("absent.csv", "there is no such file"),
        ("past.xlsx", "neither .csv nor .parquet"),
        ("past.parquet", "not valid Parquet: "),
        ("past.csv", "not text in UTF-8"),
    ):
        with pytest.raises(ValueError, match=f"{tmp_path}/{name}: {message}"):
            read_trials(tmp_path / name)
    path = write_parquet(tmp_path, past_trials(30))
    with pytest.raises(ValueError, match="column 'eror' is unknown; did you mean 'error'"):
        read_table(path, parameters=["act"], objectives={"eror": "minimize"})
    rows = past_trials(30)
    rows[4]["error"] = "bad"
    with pytest.raises(ValueError, match=r"past\.parquet: row 5: error is 'bad', which is no number"):
        read_trials(write_parquet(tmp_path, [{**row, "error": str(row["error"])} for row in rows]))


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> Any:
        raise MissingExtraError(f"{module}: mnas-moo[{extra}]")

    path = write_parquet(tmp_path, past_trials(30))
    for module in (columns, rows):
        monkeypatch.setattr(module, "require", missing)
    with pytest.raises(MissingExtraError, match=r"pyarrow: mnas-moo\[tables\]"):
        read_trials(path)
    assert read(tmp_path).measure({"width": 16, "act": "relu"}) == {"accuracy": 0.70, "latency_ms": 1.0}
