"""Building a lookup table: every distinct layer of a space is timed, alone, in a few visits (``visits``).

The order is random in every round, so that what drifts (temperature, clock speed, other work) spreads over all layers
and does not make late blocks slower than early ones. The file is written after every chunk, and the same call goes on
where it ended.
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
"""How many at most, where nothing else is said. Undisturbed, five do, and layers that other work slows need more."""

VISIT_SECONDS = 0.1
"""Timed runs of a visit on this machine: five of a tenth of a second tell more than one of half a second."""


def build(
    space: Space,
    latency: Latency,
    file: str | os.PathLike[str],
    *,
    visits: int = VISITS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LookupTable:
    """Measures what ``file`` lacks of the space's layers, and writes it there.

    Args:
        space: whose layers.
        latency: what times them.
        file: the table; one that is there is gone on with.
        visits: how often each is measured at most, the least counts (``visits.finished``); 1 is enough for a device
            that steadies itself. More than a finished table was built with may refine it.
        seed: of the order.
        progress: called at first and after each chunk with how much is done and how much there is: of every layer
            the visits it needs at least.

    Returns:
        The whole table. A layer that could not be measured has its reason (``LookupTable.failures``) and is not tried
        again. A correction of an earlier ``check`` is kept.

    Raises:
        ValueError: the file is no table, or one of another device or space; it is left as it is.
        DeviceError: no device is left that could measure; the file has all that was measured before.
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
    table.save(file)  # fails now, not after half an hour

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
        ValueError: the space does not tell its layers, or two parts of one name differ.
    """
    if not hasattr(space, "covering"):
        raise ValueError(
            f"space {space.name!r} does not tell its layers, so no lookup table can be built for it: give it a method "
            "`covering` as `mnas_moo.spaces.space.Space` describes it"
        )
    return distinct_fragments(space.covering())


def plain(device: Mapping[str, JSON]) -> dict[str, JSON]:
    """What identifies a device as a file gives it back."""
    return cast("dict[str, JSON]", json.loads(json.dumps(dict(device))))


def describe(space: Space) -> dict[str, JSON]:
    """Name and settings of a space as a table keeps them; a space without ``settings`` has its name alone."""
    settings = getattr(space, "settings", None)
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        return {"name": space.name}
    values = dataclasses.asdict(settings)
    return {
        "name": space.name,
        "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
    }


def _differences(one: Mapping[str, JSON], other: Mapping[str, JSON]) -> str:
    """What differs, in words: "threads is 1, not 2"; empty if nothing does."""
    return "; ".join(
        f"{name} is {one.get(name)!r}, not {other.get(name)!r}"
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    )


def same_device(file: str | os.PathLike[str], table: LookupTable, device: Mapping[str, JSON]) -> None:
    """Checks that a table's times and those of ``device`` may stand in one table.

    Raises:
        ValueError: they are of different devices, runtimes, numbers of threads or data types; says what differs.
    """
    differs = _differences(table.device, plain(device))
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
