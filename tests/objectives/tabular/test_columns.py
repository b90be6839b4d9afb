"""Tables from a stranger: any of them is a table, or an error of one line that begins with the file's name."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from mnas_moo.objectives.tabular import columns as module
from mnas_moo.objectives.tabular.columns import MAX_COLUMNS, MAX_ROWS, MAX_TEXT
from mnas_moo.objectives.tabular.rows import MAX_WORDS, read_table
from mnas_moo.spaces.printable import unprintable

CELLS = (
    *("", "nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "-0", "00", "1_000", "\uff11", "true", "None", "水", "½"),
    *("x" * 201, "x" * 140_000, "9" * 400, "9" * 5000, str(2**63), str(2**53 + 1), "1e5000", "0x10", "1.5", "=1+1"),
    *("\x00", "\x1b[2J", "\n", "\r", "\u2028", "\u202e", '"', '""', ",", ";", "\t", "#", "[/x]", "$\\frac{$", "<b>"),
)


def attempt(path: Path) -> bool:
    """Whether the file is a table; if not, it is an error of one line that controls no terminal."""
    try:
        table = read_table(path, parameters=["a", "b"], objectives={"e": "minimize", "f": "maximize"})
    except ValueError as error:
        said = str(error)
        assert said.startswith(f"{path}:")
        assert unprintable(said) is None
        assert len(said) < 2000
        return False
    assert set(table.distributions) == {"a", "b"}
    return True


def mutated(rng: random.Random) -> bytes:
    columns = ["a", "b", "e", "f"]
    rows = [[str(rng.randint(0, 3)), rng.choice("xyz"), f"{rng.random()}", f"{rng.random()}"] for _ in range(80)]
    for _ in range(rng.randint(0, 2)):
        rng.choice(rows)[rng.randrange(4)] = rng.choice(CELLS)
    if rng.random() < 0.1:
        columns[rng.randrange(4)] = rng.choice(CELLS)
    if rng.random() < 0.1:
        columns += ["a"]
        rows = [[*row, "1"] for row in rows]
    out = io.StringIO()
    end, quoting = rng.choice(["\n", "\r\n", "\r"]), rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(out, quoting=quoting, lineterminator=end).writerows([columns, *rows])
    content = bytearray(out.getvalue().encode(rng.choice(["utf-8"] * 9 + ["utf-8-sig", "utf-16", "utf-32"])))
    if rng.random() < 0.2:
        for _ in range(rng.randint(1, 5)):
            content[rng.randrange(len(content))] = rng.choice([0, 10, 13, 34, 44, rng.randrange(256)])
    return bytes(content[: rng.randrange(len(content))] if rng.random() < 0.05 else content)


def test_two_hundred_mutated_csv_files_are_tables_or_one_line_each(tmp_path: Path) -> None:
    rng, seen = random.Random(0), []
    for _ in range(200):
        (tmp_path / "t.csv").write_bytes(mutated(rng))
        seen.append(attempt(tmp_path / "t.csv"))
    assert 20 < sum(seen) < 180


def test_two_hundred_damaged_parquet_files_are_tables_or_one_line_each(tmp_path: Path) -> None:
    rng, seen = random.Random(0), []
    path = tmp_path / "t.parquet"
    points = [(a, b) for a in range(3) for b in "xy"]
    columns = {"a": [a for a, _ in points], "b": [b for _, b in points], "e": [1.0] * 6, "f": [2.0] * 6}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    whole = path.read_bytes()
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(damaged)
        seen.append(attempt(path))
    assert set(seen) == {True, False}


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match=rf"^{path}:") as caught:
        read_table(path, parameters=["a"], objectives={"e": "minimize"})
    return str(caught.value)


def test_a_parquet_file_of_few_bytes_and_many_rows_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    ones = pyarrow.array([1] * (MAX_ROWS + 1), pyarrow.int8())
    pyarrow.parquet.write_table(pyarrow.table({"a": ones, "e": ones}), path)
    assert path.stat().st_size < 20_000
    assert refusal(path) == f"{path}: {MAX_ROWS + 1} rows; at most {MAX_ROWS} are read"


def test_more_rows_columns_words_and_longer_texts_than_allowed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,e\n" + "x,1\n" * 11, encoding="utf-8")
    monkeypatch.setattr(module, "MAX_ROWS", 10)
    assert refusal(path) == f"{path}:12: more than 10 rows, which are not read"
    monkeypatch.undo()
    path.write_text(",".join(["a", "e", *map(str, range(MAX_COLUMNS))]) + "\n", encoding="utf-8")
    assert refusal(path) == f"{path}: {MAX_COLUMNS + 2} columns; at most {MAX_COLUMNS} are read"
    path.write_text("a,e\n" + "".join(f"w{i},1\n" for i in range(MAX_WORDS + 1)), encoding="utf-8")
    assert refusal(path) == f"{path}:2: parameter a has {MAX_WORDS + 1} different words; at most {MAX_WORDS}"
    path.write_text(f"a,e\nx,1\n{'y' * (MAX_TEXT + 1)},2\n", encoding="utf-8")
    assert refusal(path) == f"{path}:3: a has {MAX_TEXT + 1} characters; at most {MAX_TEXT} are read"
    path.write_text(f"a,e\n1,1\n{2**60},2\n", encoding="utf-8")
    assert refusal(path) == f"{path}:3: parameter a is a whole number beyond {2**53}"
    path.write_text(f"{','.join(f'c{i}' for i in range(5000))}\n", encoding="utf-8")
    assert refusal(path).endswith(", c49 and 4950 more")
