from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mnas_moo import spaces
from mnas_moo.objectives.lookup.build import describe
from mnas_moo.objectives.lookup.lookup_table import Correction, Entry, LookupTable, Place, now
from mnas_moo.objectives.objective import Measurement
from mnas_moo.spaces.fragment import fragments

NETWORK = spaces.network("mnasnet-small", resolution=32, classes=10)
PARTS = [part.name for part in fragments(NETWORK)]
DEVICE = {"backend": "host", "model": "x", "threads": 1}


def priced(**changes: Any) -> LookupTable:
    table = LookupTable(
        DEVICE, now(), entries={name: Entry(float(i + 1)) for i, name in enumerate(dict.fromkeys(PARTS))}
    )
    return dataclasses.replace(table, **changes)


def test_a_network_costs_the_corrected_sums_of_its_parts() -> None:
    table = priced()
    sums = table.sums(NETWORK)
    assert sums.parts == len(PARTS)
    assert set(sums.ms) == {"conv", "mbconv", "add", "head"}
    assert sums.total_ms == sum(list(dict.fromkeys(PARTS)).index(name) + 1 for name in PARTS)
    assert table.latency_ms(NETWORK) == sums.total_ms
    corrected = dataclasses.replace(table, correction=Correction(0.5, -0.25, 1.25, {"add": 2.0}))
    assert corrected.latency_ms(NETWORK) == (
        0.5 - 0.25 * len(PARTS) + 1.25 * (sums.total_ms - sums.ms["add"]) + 2 * sums.ms["add"]
    )


def test_what_does_not_change_the_time_does_not_change_the_price() -> None:
    other = dataclasses.replace(NETWORK, dropout=0.7, epsilon=1e-5, name="another")
    assert priced().sums(other) == priced().sums(NETWORK)


def test_a_file_gives_the_same_table_back(tmp_path: Path, space: Any) -> None:
    table = priced(
        space=describe(space),
        correction=Correction(0.1, -0.01, 1.1, {"add": 2.0}),
        check={"kendall_tau": 0.97, "networks": 100},
        source="somewhere: “there”",
    )
    entries = {**table.entries, "a": Entry(), "b": Entry(error="no such operation")}
    entries["c"] = Entry(0.25, (0.5, 0.25), {"p10_ms": 0.2, "p90_ms": 0.3, "runs": 11})
    table = dataclasses.replace(table, entries=entries)
    table.save(tmp_path / "t.json")
    assert LookupTable.load(tmp_path / "t.json") == table
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_a_file_is_plain_json_with_a_line_an_entry(tmp_path: Path) -> None:
    priced().save(tmp_path / "t.json")
    text = (tmp_path / "t.json").read_text()
    data = json.loads(text)
    assert (data["format"], data["version"], data["device"]) == ("mnas-moo lookup table", 1, DEVICE)
    assert data["entries"][PARTS[0]] == {"ms": 1.0}
    assert sum('{"ms": ' in line for line in text.splitlines()) == len(data["entries"])


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    priced().save(tmp_path / "t.json")
    before = (tmp_path / "t.json").read_text()
    with pytest.raises(ValueError, match="Out of range float"):
        priced(entries={"a": Entry(float("nan"))}).save(tmp_path / "t.json")
    assert (tmp_path / "t.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_the_least_visit_counts_and_gives_the_details() -> None:
    entry = Entry().visited(Measurement(3.0, {"runs": 10, "seconds": 1.0})).visited(Measurement(2.0, {"runs": 12}))
    assert entry == Entry(2.0, (3.0, 2.0), {"runs": 12})
    assert entry.visited(Measurement(2.5, {"runs": 9})) == Entry(2.0, (3.0, 2.0, 2.5), {"runs": 12})


def test_a_failed_part_keeps_its_reason_in_one_line() -> None:
    assert Entry().visited(ValueError("no\n kernel")) == Entry(error="no kernel")


def test_the_space_of_a_table_is_made_from_its_file(tmp_path: Path, space: Any) -> None:
    priced(space=describe(space)).save(tmp_path / "t.json")
    assert LookupTable.load(tmp_path / "t.json").the_space() == space
    with pytest.raises(ValueError, match="built for no space, which has no name to make it by"):
        priced().the_space()


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (None, r"space mnasnet; measure the space that the network is of with `mnas-moo lut build --space mnasnet"),
        (Entry(), r"1 of its \d+ layers are still to be measured; go on with `mnas-moo lut build --space mnasnet"),
        (Entry(error="no kernel"), r"it could not be measured \(no kernel\)"),
    ],
    ids=["unknown", "open", "failed"],
)
def test_a_part_without_a_time_is_named_with_what_to_do(entry: Entry | None, why: str, space: Any) -> None:
    entries = {name: part for name, part in priced().entries.items() if name != PARTS[3]}
    table = priced(space=describe(space), entries=entries if entry is None else {**entries, PARTS[3]: entry})
    with pytest.raises(ValueError, match=rf"no time for layer '{PARTS[3]}': .*{why}"):
        table.latency_ms(NETWORK)


def positional() -> LookupTable:
    places = Place(("k3", "k5"), (1.0, 2.0)), Place(("k3", "k5", "skip"), (4.0, 8.0, 0.0))
    return LookupTable(DEVICE, now(), places=places, correction=Correction(0.5), source="a paper")


def test_a_positional_file_gives_the_same_table_back(tmp_path: Path) -> None:
    table = positional()
    table.save(tmp_path / "t.json")
    assert LookupTable.load(tmp_path / "t.json") == table


def test_choices_are_priced_by_name_or_number() -> None:
    assert positional().price(["k5", "skip"]) == positional().price([1, 2]) == 2.5


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        (["k3"], "1 choices were given; the table has 2 places"),
        (["k3", "k7"], "place 1: choice 'k7' is unknown; .*k3, k5, skip"),
        ([2, 0], "place 0: choice is 2; it must be from 0 to 1"),
        ([-1, 0], "place 0: choice is -1; it must be from 0 to 1"),
    ],
)
def test_choices_that_are_not_offered_are_refused(choices: list[int | str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        positional().price(choices)


def test_networks_and_choices_have_each_their_own_tables() -> None:
    with pytest.raises(ValueError, match=r"prices choices at 2 places \(a paper\), not networks"):
        positional().latency_ms(NETWORK)
    with pytest.raises(ValueError, match="entries by layers, not places"):
        priced().price([0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "else"}, "is no lookup table: its 'format' must be 'mnas-moo lookup table'"),
        ({"version": 2}, "has format version 2; this program reads version 1"),
        ({"entires": {}}, "key 'entires' is unknown; did you mean 'entries'"),
        ({"places": []}, "must have either 'entries' or 'places'"),
        ({"device": "phone"}, "'device' is 'phone'; it must be a mapping"),
        ({"entries": {"a": 3}}, "entry 'a' is 3; it must have 'ms' or 'error', or be null"),
        ({"entries": {"a": {"ms": "3"}}}, "entry 'a': ms is '3'; it must be a number of at least 0"),
        ({"entries": {"a": {"ms": -3}}}, "entry 'a': ms is -3; it must be a number of at least 0"),
        ({"entries": {"a": {"ms": 3, "visits_ms": 3}}}, "entry 'a': visits_ms is 3; it must be a list"),
        ({"correction": {"slop": 1}}, "correction: 'slop' is unknown; did you mean 'slope'"),
        ({"correction": {"slope": None}}, "correction.slope is None; it must be a number"),
        ({"correction": {"slopes": {"add": "2"}}}, "correction.slopes.add is '2'; it must be a number"),
        ({"correction": {"slopes": 2}}, "'slopes' is 2; it must be a mapping"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_by_name(
    change: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    priced().save(tmp_path / "t.json")
    data = {**json.loads((tmp_path / "t.json").read_text()), **change}
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=rf"t\.json: .*{problem}"):
        LookupTable.load(tmp_path / "t.json")


def test_a_place_needs_as_many_names_as_times(tmp_path: Path) -> None:
    positional().save(tmp_path / "t.json")
    data = json.loads((tmp_path / "t.json").read_text())
    data["places"][1]["ms"].pop()
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="place 1 must have as many 'names' as 'ms'"):
        LookupTable.load(tmp_path / "t.json")


def test_what_is_no_file_or_no_json_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.json: there is no such file; make one with `mnas-moo lut build"):
        LookupTable.load(tmp_path / "t.json")
    (tmp_path / "t.json").write_text("ms: 3")
    with pytest.raises(ValueError, match=r"t\.json: is no JSON"):
        LookupTable.load(tmp_path / "t.json")
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(ValueError, match=r"t\.json: is no lookup table"):
        LookupTable.load(tmp_path / "t.json")
    with pytest.raises(ValueError, match="name a lookup table"):
        LookupTable.load(tmp_path)
