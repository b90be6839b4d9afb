"""A table, a CSV or Parquet file, as columns of values; it may come from anybody, so all its sizes are bounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.regular_file import UnfitFileError, read_regular
from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.printable import short, unprintable

MAX_BYTES = 100_000_000
"""Size of a file."""
MAX_ROWS = 1_000_000
"""Number of rows; a Parquet file of a few kilobytes can have billions."""
MAX_COLUMNS = 10_000
MAX_TEXT = 200
"""Length of a word, and of a column's name."""
MISSING = ("", "nan", "none", "null", "na", "n/a")
"""Contents of a CSV cell that mean "no value", in small letters."""

Locate = Callable[[int], str]
"""Index of a row -> file and line, for messages."""


def read_columns(path: Path, wanted: Sequence[str]) -> tuple[dict[str, list[Any]], Locate]:
    """The wanted columns, cells without a value as None.

    Raises:
        ValueError: the file or a column is missing, too large or invalid; the message says where.
        MissingExtraError: Parquet without pyarrow.
    """
    try:
        content = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except UnfitFileError as error:
        raise ValueError(f"{path}: {error}; name a table, .csv or .parquet") from error
    if path.suffix.lower() == ".csv":
        columns, locate = _read_csv(path, content, wanted)
    elif path.suffix.lower() in (".parquet", ".pq"):
        columns, locate = _read_parquet(path, content, wanted), lambda row: f"{path}: row {row + 1}"
    else:
        raise ValueError(f"{path}: neither .csv nor .parquet, which a table must be")
    if not columns[wanted[0]]:
        raise ValueError(f"{path}: the table has columns and no rows")
    for name, cells in columns.items():
        for row, cell in enumerate(cells):
            if isinstance(cell, str):
                _check_text(locate(row), name, cell)
    return columns, locate


def _check_text(where: str, name: str, text: str) -> None:
    """Checks a name or word, which will be shown and stored."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"{where}: {name} has {len(text)} characters; at most {MAX_TEXT} are read")
    sign = unprintable(text)
    if sign is not None:
        raise ValueError(f"{where}: {name} has a control character, {sign!r}")


def _check_header(where: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    if len(header) > MAX_COLUMNS:
        raise ValueError(f"{where}: {len(header)} columns; at most {MAX_COLUMNS} are read")
    for number, name in enumerate(header, start=1):
        _check_text(where, f"the name of column {number}", name)
    for name in wanted:
        if name not in header:
            raise unknown(f"{where}: column", name, header)
        if header.count(name) > 1:
            raise ValueError(f"{where}: column {name!r} is there {header.count(name)} times; give it one")


def _read_csv(path: Path, content: bytes, wanted: Sequence[str]) -> tuple[dict[str, list[Any]], Locate]:
    cells: list[list[str]] = [[] for _ in wanted]
    lines: list[int] = []
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(reader, ())]
        if not header:
            raise ValueError(f"{path}: the file is empty; its first line must name the columns")
        _check_header(str(path), header, wanted)
        places = [header.index(name) for name in wanted]
        for row in reader:
            if not row:
                continue
            where = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                raise ValueError(f"{where}: {len(row)} cells, and the header names {len(header)} columns")
            if len(lines) == MAX_ROWS:
                raise ValueError(f"{where}: more than {MAX_ROWS} rows, which are not read")
            for column, place in zip(cells, places, strict=True):
                column.append(row[place].strip())
            lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error
    columns = {name: _typed(column) for name, column in zip(wanted, cells, strict=True)}
    return columns, lambda row: f"{path}:{lines[row]}"


def _typed(cells: Sequence[str]) -> list[Any]:
    """Cells of a CSV column as whole numbers, numbers, true and false, or words, whichever fits all of them first."""
    given = [None if cell.lower() in MISSING else cell for cell in cells]
    kinds: tuple[Callable[[str], Any], ...] = (int, float, lambda cell: {"true": True, "false": False}[cell.lower()])
    for kind in kinds:
        try:
            return [None if cell is None else kind(cell) for cell in given]
        except (ValueError, KeyError):
            continue
    return list(given)


def _read_parquet(path: Path, content: bytes, wanted: Sequence[str]) -> dict[str, list[Any]]:
    arrow, parquet = require("pyarrow", extra="tables"), require("pyarrow.parquet", extra="tables")
    damaged = (OSError, ValueError, OverflowError, arrow.ArrowException)  # also text in no encoding, dates of no year
    try:
        file = parquet.ParquetFile(arrow.BufferReader(content))
        names, rows = file.schema_arrow.names, file.metadata.num_rows
    except damaged as error:
        raise ValueError(f"{path}: not valid Parquet: {short(' '.join(str(error).split()))}") from error
    if rows > MAX_ROWS:
        raise ValueError(f"{path}: {rows} rows; at most {MAX_ROWS} are read")
    _check_header(str(path), names, wanted)
    try:
        found: dict[str, list[Any]] = file.read(columns=list(wanted)).to_pydict()
    except damaged as error:
        raise ValueError(f"{path}: not valid Parquet: {short(' '.join(str(error).split()))}") from error
    return {name: [None if cell != cell else cell for cell in cells] for name, cells in found.items()}  # NaN != NaN
