from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mnas_moo import spaces
from mnas_moo.objectives.lookup.build import build, space_fragments
from mnas_moo.objectives.lookup.lookup_table import LookupTable


def test_each_distinct_part_is_measured_once_a_visit(space: Any, formula: Any, tmp_path: Path) -> None:
    latency, parts = formula(), space_fragments(space)
    table = build(space, latency, tmp_path / "t.json", visits=3)
    assert sorted(latency.measured) == sorted(3 * list(parts))
    assert table == LookupTable.load(tmp_path / "t.json")
    assert {name: entry.ms for name, entry in table.entries.items()} == pytest.approx(
        {name: latency.exact_ms(part) for name, part in parts.items()}, abs=1e-6
    )
    assert all(len(entry.visits_ms) == 3 and entry.details["runs"] == 10 for entry in table.entries.values())


def test_every_round_has_its_own_random_order(space: Any, formula: Any, tmp_path: Path) -> None:
    latency, parts = formula(), list(space_fragments(space))
    build(space, latency, tmp_path / "t.json", visits=2)
    first, second = latency.measured[: len(parts)], latency.measured[len(parts) :]
    assert sorted(first) == sorted(second) == sorted(parts)
    assert len({tuple(first), tuple(second), tuple(parts)}) == 3


def test_a_spell_of_other_work_leaves_no_trace(space: Any, formula: Any, tmp_path: Path) -> None:
    spell = [0.4] * len(space_fragments(space))
    disturbed = build(space, formula(spells=spell), tmp_path / "a.json", visits=2)
    quiet = build(space, formula(), tmp_path / "b.json", visits=1)
    assert {n: e.ms for n, e in disturbed.entries.items()} == {n: e.ms for n, e in quiet.entries.items()}


def test_a_part_is_visited_until_two_times_agree(space: Any, formula: Any, tmp_path: Path) -> None:
    n = len(space_fragments(space))
    latency = formula(spells=[0.3] * n + [0.2] * n + [0.1] * n)
    table = build(space, latency, tmp_path / "t.json", visits=9)
    exact = {name: latency.exact_ms(part) for name, part in space_fragments(space).items()}
    assert {name: len(entry.visits_ms) for name, entry in table.entries.items()} == dict.fromkeys(exact, 5)
    assert {name: entry.ms for name, entry in table.entries.items()} == pytest.approx(exact, abs=1e-6)


def test_times_that_never_agree_are_given_up(space: Any, formula: Any, tmp_path: Path) -> None:
    n = len(space_fragments(space))
    spells = [share for k in range(9) for share in [0.9 - 0.1 * k] * n]
    told = list[tuple[int, int]]()
    table = build(
        space, formula(spells=spells), tmp_path / "t.json", visits=7, progress=lambda done, of: told.append((done, of))
    )
    assert all(len(entry.visits_ms) == 7 for entry in table.entries.values())
    assert told[0] == (0, 5 * n) and told[-1] == (5 * n, 5 * n)
    assert told == sorted(told)


def test_a_build_that_broke_goes_on_where_it_was(space: Any, formula: Any, tmp_path: Path) -> None:
    file, total = tmp_path / "t.json", 2 * len(space_fragments(space))
    with pytest.raises(RuntimeError, match="unplugged"):
        build(space, formula(fails_after=100), file, visits=2)
    halfway = LookupTable.load(file)
    made = sum(len(entry.visits_ms) for entry in halfway.entries.values())
    assert 0 < made <= 100
    latency, told = formula(), list[tuple[int, int]]()
    table = build(space, latency, file, visits=2, progress=lambda done, of: told.append((done, of)))
    assert len(latency.measured) == total - made
    assert told[0][0] < told[-1][0] and told[-1] == (total, total)
    assert all(len(entry.visits_ms) == 2 for entry in table.entries.values())


def test_a_finished_table_is_measured_no_more_unless_more_visits_are_asked_for(
    space: Any, formula: Any, tmp_path: Path
) -> None:
    first = build(space, formula(), tmp_path / "t.json", visits=1)
    assert build(space, formula(fails_after=0), tmp_path / "t.json", visits=1) == first
    more = formula()
    build(space, more, tmp_path / "t.json", visits=2)
    assert len(more.measured) == len(first.entries)


def test_a_part_that_cannot_be_measured_keeps_its_reason_and_is_not_tried_again(
    space: Any, formula: Any, tmp_path: Path
) -> None:
    bad = list(space_fragments(space))[5]
    table = build(space, formula(refused=[bad]), tmp_path / "t.json", visits=2)
    assert table.failures == {bad: f"the delegate does not know {bad}"}
    again = formula()
    assert build(space, again, tmp_path / "t.json", visits=2).failures == table.failures
    assert again.measured == []


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ({"backend": "host", "model": "formula", "runtime": "none", "threads": 2}, "threads is 1, not 2"),
        ({"backend": "adb", "model": "formula", "runtime": "none", "threads": 1}, "backend is 'host', not 'adb'"),
        ({"backend": "host", "model": "formula", "runtime": "none"}, "threads is 1, not None"),
    ],
)
def test_a_table_of_another_device_is_left_alone(
    device: dict[str, Any], problem: str, space: Any, formula: Any, tmp_path: Path
) -> None:
    build(space, formula(), tmp_path / "t.json", visits=1)
    before = (tmp_path / "t.json").read_text()
    with pytest.raises(ValueError, match=rf"t\.json: is a table of another device \({problem}\)"):
        build(space, formula(device=device), tmp_path / "t.json", visits=2)
    assert (tmp_path / "t.json").read_text() == before


@pytest.mark.parametrize("named", [True, False], ids=["now named", "no longer named"])
def test_a_table_goes_on_whether_or_not_its_program_is_named(
    named: bool, space: Any, formula: Any, tmp_path: Path
) -> None:
    unnamed = {"backend": "adb", "model": "formula", "runtime": "benchmark_model sha256:aa", "threads": 1}
    devices = [unnamed, {**unnamed, "program": "LiteRT benchmark_model 2.2.0"}]
    before, after = devices if named else devices[::-1]
    build(space, formula(device=before), tmp_path / "t.json", visits=1)
    assert build(space, formula(device=after), tmp_path / "t.json", visits=2).failures == {}
    other = {**after, "runtime": "benchmark_model sha256:bb"}
    with pytest.raises(ValueError, match=r"another device \(runtime is 'benchmark_model sha256:aa', not "):
        build(space, formula(device=other), tmp_path / "t.json", visits=2)


def test_a_table_of_another_space_is_left_alone(space: Any, formula: Any, tmp_path: Path) -> None:
    build(space, formula(), tmp_path / "t.json", visits=1)
    wider = spaces.get("mnasnet", preset="digits", blocks=2, width=0.5)
    with pytest.raises(ValueError, match=r"another space \(width is 0.25, not 0.5\); give the new one another name"):
        build(wider, formula(), tmp_path / "t.json", visits=1)
    data = json.loads((tmp_path / "t.json").read_text())
    del data["entries"][next(iter(data["entries"]))]
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"another space \(1 layers differ\)"):
        build(space, formula(), tmp_path / "t.json", visits=1)


def test_a_file_that_is_no_table_is_not_overwritten(space: Any, formula: Any, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(ValueError, match="is no lookup table"):
        build(space, formula(), tmp_path / "t.json")
    assert (tmp_path / "t.json").read_text() == "{}"


def test_a_folder_that_is_not_there_is_found_out_before_anything_is_measured(
    space: Any, formula: Any, tmp_path: Path
) -> None:
    latency = formula()
    with pytest.raises(OSError, match="No such file"):
        build(space, latency, tmp_path / "nowhere" / "t.json")
    assert latency.measured == []


def test_no_visits_are_refused(space: Any, formula: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="visits is 0; it must be at least 1"):
        build(space, formula(), tmp_path / "t.json", visits=0)


def test_a_space_that_does_not_tell_its_layers_is_refused(formula: Any, tmp_path: Path) -> None:
    mine = SimpleNamespace(name="mine")
    with pytest.raises(ValueError, match=r"space 'mine' does not tell its layers.*give it a method `covering`"):
        build(mine, formula(), tmp_path / "t.json")
