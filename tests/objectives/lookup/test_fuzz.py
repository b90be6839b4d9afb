"""Damaged and hostile lookup tables: each is a table that can be used or one line, at once."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mnas_moo import spaces
from mnas_moo.objectives.lookup.build import describe
from mnas_moo.objectives.lookup.lookup_table import Correction, Entry, LookupTable, Place, now
from mnas_moo.spaces.fragment import fragments

SECONDS = 2.0
SPACE: Any = spaces.get("mnasnet", preset="digits", blocks=1)
NETWORK = next(iter(SPACE.covering()))
ENTRIES = {part.name: Entry(1.0, (1.5, 1.0), {"p10_ms": 0.9, "runs": 7}) for part in fragments(NETWORK)}
DEVICE = {"backend": "host", "model": "formula", "runtime": "none", "threads": 1}
TABLES = (
    LookupTable(
        DEVICE, now(), space=describe(SPACE), entries=ENTRIES, correction=Correction(0.5, slopes={"mbconv": 1.1})
    ),
    LookupTable(DEVICE, now(), places=(Place(("k3", "k5"), (1.0, 2.0)),), source="a paper"),
)
NASTY = (
    None, True, -1, 0, 1 << 70, 1e308, float("nan"), float("inf"), -1e999, "", "x" * 10_000, "../../x", "os:system",
    "\ud800", "\x1b[2J", "a\nb", [], {}, [[]], {"name": "os:system"}, {"ms": "1"}, {"ms": float("nan")}, "mnasnet",
    {"name": "mnasnet", "settings": {"name": 1}}, {"name": "mnasnet", "settings": {"blocks": "x", "no_such": 1}},
    {"name": "mnasnet", "settings": {"resolution": []}}, {"names": ["a"], "ms": [None]}, [1, 2, 3], ["a"] * 100,
)  # fmt: skip


def in_structure(data: Any, rng: random.Random) -> Any:
    """The same data with one value, somewhere in it, replaced, or one key."""
    if isinstance(data, dict) and data and rng.random() < 0.9:
        key = rng.choice(list(data))
        changed = {**data, key: in_structure(data[key], rng)}
        if rng.random() < 0.1:
            del changed[key]
        return changed if rng.random() < 0.9 else {**changed, str(rng.choice(NASTY)): rng.choice(NASTY)}
    if isinstance(data, list) and data and rng.random() < 0.7:
        at = rng.randrange(len(data))
        return [*data[:at], in_structure(data[at], rng), *data[at + 1 :]]
    return rng.choice(NASTY)


def in_bytes(content: bytes, rng: random.Random) -> bytes:
    """Some bytes replaced, repeated or left out, or all after a place."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        changed[at : at + rng.choice((0, 1, 5))] = rng.choice(
            (bytes([rng.randrange(256)]), b"", changed[at : at + 9] * 2, b"[" * 5000, b"9" * 5000, b'\\ud800"', b"NaN")
        )
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.1 else changed)


def mutated(rng: random.Random, folder: Path) -> bytes:
    """A table that somebody has damaged or written with intent."""
    rng.choice(TABLES).save(folder / "table.json")
    data = json.loads((folder / "table.json").read_bytes())
    if rng.random() < 0.3:
        return in_bytes((folder / "table.json").read_bytes(), rng)
    for _ in range(rng.randint(1, 3)):
        data = in_structure(data, rng)
    return json.dumps(data).encode()


def check(content: bytes, folder: Path) -> bool:
    """Whether the file is a table; it is one or a message of one line, soon."""
    path = folder / "table.json"
    path.write_bytes(content)
    since = time.process_time()
    used = False
    try:
        table = LookupTable.load(path)
    except ValueError as error:
        messages = [str(error)]
        assert messages[0].startswith(str(path))
    else:
        used, messages = True, []
        for use in (table.the_space, lambda: table.latency_ms(NETWORK), lambda: table.price(["k3"])):
            try:
                use()
            except ValueError as error:
                messages.append(str(error))
    assert time.process_time() - since < SECONDS
    assert [entry.name for entry in folder.iterdir()] == ["table.json"]
    for message in messages:
        message.encode()
        assert len(message.splitlines()) == 1
        assert len(message) < 20_000
    return used


def test_a_mutated_lookup_table_is_a_table_or_one_line(tmp_path: Path) -> None:
    @settings(
        max_examples=200,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def each(seed: int) -> None:
        check(mutated(random.Random(seed), tmp_path), tmp_path)

    each()


def test_both_tables_and_messages_come_of_the_mutations(tmp_path: Path) -> None:
    used = sum(check(mutated(random.Random(seed), tmp_path), tmp_path) for seed in range(60))
    assert 5 <= used <= 55


@pytest.mark.parametrize("table", TABLES, ids=["of layers", "of places"])
def test_the_tables_that_are_mutated_are_good_ones(table: LookupTable, tmp_path: Path) -> None:
    table.save(tmp_path / "table.json")
    assert check((tmp_path / "table.json").read_bytes(), tmp_path)
