"""Building a lookup table: every distinct layer of a space is timed, alone, in a few visits (``visits``).

The order is random in every round, so that slow changes of the machine (temperature, clock speed, other work) are
spread over all layers. The file is written after every chunk; the same call continues an unfinished table.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from mnas_moo.objectives.lookup.lookup_table import Entry, LookupTable, now
from mnas_moo.objectives.lookup.visits import LEAST, finished, visit
from mnas_moo.objectives.objective import JSON, Latency, Measurement
from mnas_moo.spaces.fragment import Fragment, distinct_fragments
from mnas_moo.spaces.space import Space

VISITS = 20
"""Default limit. On an idle machine five visits are enough; layers that other work slows down need more."""

VISIT_SECONDS = 0.1
"""Seconds of timed runs in a visit on this machine: five visits of 0.1 s are more accurate than one of 0.5 s."""


def build(
    space: Space,
    latency: Latency,
    file: str | os.PathLike[str],
    *,
    visits: int = VISITS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LookupTable:
    """Measures the layers of a space that a table has no time for yet, and writes them to its file.

    Args:
        space: the space whose layers are measured.
        latency: source of latency that times them.
        file: the table's file; an unfinished table in it is continued.
        visits: largest number of visits to each layer, of which the shortest time counts (``visits.finished``); 1 is
            enough for a device that repeats measurements by itself. A larger number than before may refine a finished
            table.
        seed: seed of the order.
        progress: called at first and after each chunk with two numbers of visits: those made and those needed at
            least for all layers.

    Returns:
        The whole table. A layer that could not be measured is in ``LookupTable.failures`` with the reason, and is not
        tried again. A correction found by an earlier ``check`` is kept.

    Raises:
        ValueError: the file is no table, or belongs to another device or space; it is not changed.
        DeviceError: no device is left that could measure; the file holds all times measured before.
        OSError: the file cannot be written.
    """
    parts = space_fragments(space)
    device = plain(latency.device)
    table = LookupTable(device, now(), describe(space), dict.fromkeys(parts, Entry()))
    if Path(file).exists():
        found = LookupTable.load(file)
        same_device(file, found, device)
        _same_space(file, found, table)
        table = found
    table.save(file)  # a file that cannot be written is an error now, not after half an hour

    names, entries = list(parts), dict(table.entries)

    def is_done(entry: Entry) -> bool:
        return bool(entry.error) or finished(entry.visits_ms, visits)

    def open_at(number: int) -> list[int]:
        every = enumerate(entries[name] for name in names)
        return [i for i, entry in every if not is_done(entry) and len(entry.visits_ms) <= number]

    def done(results: list[tuple[int, Measurement | ValueError]]) -> None:
        for i, result in results:
            entries[names[i]] = entries[names[i]].visited(result)
        dataclasses.replace(table, date=now(), entries=entries).save(file)
        tell()

    def tell() -> None:
        least = min(LEAST, visits)
        made = sum(least if is_done(entry) else min(len(entry.visits_ms), least - 1) for entry in entries.values())
        progress(made, least * len(parts))

    tell()
    visit(latency, list(parts.values()), open_at, visits, np.random.default_rng(seed), done)
    return LookupTable.load(file)


def space_fragments(space: Space) -> dict[str, Fragment]:
    """All distinct parts of the networks of a space, by name.

    Raises:
        ValueError: the space has no ``covering``, or two different parts have one name.
    """
    if not hasattr(space, "covering"):
        raise ValueError(
            f"space {space.name!r} does not tell its layers, so no lookup table can be built for it: give it a method "
            "`covering` as `mnas_moo.spaces.space.Space` describes it"
        )
    return distinct_fragments(space.covering())


def plain(device: Mapping[str, JSON]) -> dict[str, JSON]:
    """The description of a device as it is after being written to a file and read again."""
    return cast("dict[str, JSON]", json.loads(json.dumps(dict(device))))


def describe(space: Space) -> dict[str, JSON]:
    """Name and settings of a space as a table stores them; only the name if the space has no ``settings``."""
    settings = getattr(space, "settings", None)
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        return {"name": space.name}
    values = dataclasses.asdict(settings)
    return {
        "name": space.name,
        "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
    }


def _differences(one: Mapping[str, JSON], other: Mapping[str, JSON]) -> str:
    """The differences in words: "threads is 1, not 2"; empty if there are none."""
    return "; ".join(
        f"{name} is {one.get(name)!r}, not {other.get(name)!r}"
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    )


def same_device(file: str | os.PathLike[str], table: LookupTable, device: Mapping[str, JSON]) -> None:
    """Checks that a table was measured on ``device``.

    Raises:
        ValueError: device, runtime, number of threads or data type differ; the message says which.
    """
    ours = plain(device)
    # The program's name is there for people, and older tables have none; its checksum is in "runtime".
    differs = _differences(*({key: side[key] for key in side if key != "program"} for side in (table.device, ours)))
    if differs:
        raise ValueError(
            f"{file}: is a table of another device ({differs}); measure on its own, or build a table under another name"
        )


def _same_space(file: str | os.PathLike[str], found: LookupTable, wanted: LookupTable) -> None:
    differs = _differences(_flat(found.space), _flat(wanted.space))
    if differs or found.entries.keys() != wanted.entries.keys():
        why = differs or f"{len(found.entries.keys() ^ wanted.entries.keys())} layers differ"
        raise ValueError(f"{file}: is a table of another space ({why}); give the new one another name")


def _flat(space: Mapping[str, JSON]) -> dict[str, JSON]:
    settings = space.get("settings")
    return {"space": space.get("name"), **(settings if isinstance(settings, Mapping) else {})}
