"""A lookup table: times of layers on one device, what corrects their sum, and the JSON file they are kept in.

Latency as a sum over measured parts is that of ProxylessNAS (Cai et al. 2019, sec. 3.3) and FBNet (Wu et al. 2019,
sec. 3.2). A table prices networks by the names of their parts (``spaces.fragment``), or, where a published table says
only "operation 3 at place 7", lists of choices. Ours: the sum is corrected by a line fitted to whole networks
(``correction``), and a part that could not be timed keeps the reason.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnas_moo import spaces
from mnas_moo.objectives.objective import JSON, Measurement
from mnas_moo.objectives.plain_json import read_json
from mnas_moo.objectives.regular_file import UnfitFileError
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.plugins import made, named
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import NetworkSpec

FORMAT, VERSION = "mnas-moo lookup table", 1

_SPREAD = ("p10_ms", "p90_ms", "runs")  # details of a measurement that an entry keeps, where there are such


@dataclass(frozen=True)
class Entry:
    """One part of the table.

    Attributes:
        ms: the part's time in milliseconds, the shortest of its visits; None: it could not be measured, or has not been
            yet.
        visits_ms: the time at each visit (``visits``), in order; empty in a published table.
        details: "p10_ms", "p90_ms" and "runs" of the visit with the shortest time, where known.
        error: the reason why the part could not be measured; empty if it could, or has not been yet.
    """

    ms: float | None = None
    visits_ms: tuple[float, ...] = ()
    details: Mapping[str, JSON] = field(default_factory=dict)
    error: str = ""

    def visited(self, result: Measurement | ValueError) -> Entry:
        """The entry after one more visit; a part that could not be measured is not visited again."""
        if isinstance(result, ValueError):
            return Entry(error=" ".join(str(result).split()) or type(result).__name__)
        ms = round(result.value, 6)  # to the nanosecond
        visits = (*self.visits_ms, ms)
        if self.ms is not None and self.ms <= ms:
            return dataclasses.replace(self, visits_ms=visits)
        return Entry(ms, visits, {name: result.details[name] for name in _SPREAD if name in result.details})


@dataclass(frozen=True)
class Sums:
    """The sums of the times of a network's parts.

    Attributes:
        ms: sums by operation ("conv", "mbconv", "add", ...: the first words of the parts' names), in milliseconds.
        parts: number of parts.
    """

    ms: Mapping[str, float]
    parts: int

    @property
    def total_ms(self) -> float:
        """The plain sum."""
        return sum(self.ms.values())


@dataclass(frozen=True)
class Correction:
    """Turns the sums over a network's parts into its time: intercept + part_ms * parts + slopes * sums.

    Attributes:
        intercept_ms: time of a network besides that of its parts.
        part_ms: time that each part takes longer inside a network than alone; below 0 where it takes time to start a
            part that runs alone.
        slope: time inside a network over time alone.
        slopes: the same for the parts of an operation, where known: weights and the second input of an addition are
            in the caches when a part runs repeatedly, but not inside a network.
    """

    intercept_ms: float = 0.0
    part_ms: float = 0.0
    slope: float = 1.0
    slopes: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, sums: Sums) -> float:
        """The time of a network in milliseconds."""
        corrected = sum(self.slopes.get(name, self.slope) * ms for name, ms in sums.ms.items())
        return self.intercept_ms + self.part_ms * sums.parts + corrected


@dataclass(frozen=True)
class Place:
    """One place of a positional table: the names of its choices, and the time of each in milliseconds."""

    names: tuple[str, ...]
    ms: tuple[float, ...]


@dataclass(frozen=True)
class LookupTable:
    """The times of layers on one device, as stored in a file.

    >>> from mnas_moo.objectives import LookupTable
    >>> from mnas_moo.objectives.lookup.lookup_table import Entry
    >>> from mnas_moo.spaces import network
    >>> from mnas_moo.spaces.fragment import fragments
    >>> spec = network("mnasnet-small")
    >>> entries = {part.name: Entry(ms=0.25) for part in fragments(spec)}
    >>> table = LookupTable({"model": "a phone"}, date="2026-01-31", entries=entries)
    >>> len(fragments(spec)), table.latency_ms(spec)
    (26, 6.5)

    Attributes:
        device: ``Latency.device`` of the device that was timed (backend, model, runtime, threads, data_type, ...).
        date: date of the last change of the times, ISO 8601, UTC.
        space: "name" and "settings" of the space it was built for; empty for other spaces.
        entries: name of a part -> its entry; empty in a positional table.
        places: places of a positional table, in order; empty in others.
        correction: correction of the sums.
        check: figures of the last ``check``; empty if there was none.
        source: origin of a published table; empty for one of our own.
    """

    device: Mapping[str, JSON]
    date: str
    space: Mapping[str, JSON] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    correction: Correction = Correction()
    check: Mapping[str, JSON] = field(default_factory=dict)
    source: str = ""

    @property
    def n_open(self) -> int:
        """Number of entries that are still to be measured."""
        return sum(entry.ms is None and not entry.error for entry in self.entries.values())

    @property
    def failures(self) -> dict[str, str]:
        """The entries that could not be measured, with their reasons."""
        return {name: entry.error for name, entry in self.entries.items() if entry.error}

    def sums(self, spec: NetworkSpec) -> Sums:
        """The sums over a network's parts, uncorrected.

        Raises:
            ValueError: a part has no time; the message names it, says why and what to do.
        """
        if self.places:
            raise ValueError(
                f"this table prices choices at {len(self.places)} places ({self.source}), not networks: it knows no "
                "layers; build one for the space with `mnas-moo lut build`"
            )
        sums: dict[str, float] = {}
        parts = fragments(spec)
        for part in parts:
            entry = self.entries.get(part.name)
            if entry is None or entry.ms is None:
                raise ValueError(f"the lookup table has no time for layer {part.name!r}: {self.why_not(part.name)}")
            operation = part.name.split(" ")[0]
            sums[operation] = sums.get(operation, 0.0) + entry.ms
        return Sums(sums, len(parts))

    def latency_ms(self, spec: NetworkSpec) -> float:
        """The time of a network, in milliseconds.

        Raises:
            ValueError: for the reasons that ``sums`` has.
        """
        return self.correction(self.sums(spec))

    def price(self, choices: Sequence[int | str]) -> float:
        """The time of a network of a positional table, in milliseconds.

        Args:
            choices: one choice for each place, by name or by number from 0.

        Raises:
            ValueError: the table is not positional, the number of choices differs from that of the places, or a
                place has no such choice.
        """
        if not self.places:
            raise ValueError("this table has entries by layers, not places: price a network with `latency_ms`")
        if len(choices) != len(self.places):
            raise ValueError(f"{len(choices)} choices were given; the table has {len(self.places)} places")
        total = 0.0
        for i, (choice, place) in enumerate(zip(choices, self.places, strict=True)):
            number = place.names.index(choice) if choice in place.names else choice
            if isinstance(number, str):
                raise unknown(f"place {i}: choice", number, place.names)
            if not 0 <= number < len(place.ms):
                raise ValueError(f"place {i}: choice is {number}; it must be from 0 to {len(place.ms) - 1}")
            total += place.ms[number]
        return self.correction(Sums({"": total}, len(self.places)))

    def the_space(self, plugins: Sequence[str] = ()) -> Space:
        """The space that the table was built for.

        Args:
            plugins: plugins that the user has named, whose spaces may be meant; a table alone imports nothing.

        Raises:
            ValueError: it was built for no space with a name, or the space refuses its settings.
        """
        name, settings = self.space.get("name"), self.space.get("settings")
        if isinstance(name, str) and isinstance(settings, Mapping):
            space = spaces.get(name, **settings) if name in spaces.SPACES else made(name, settings, named(plugins))
            if space is not None:
                return space
        raise ValueError(f"the lookup table was built for {name or 'no space'}, which has no name to make it by")

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the table in one step: a reader of the file sees the old table or the new one, never a part.

        Raises:
            OSError: it cannot be written.
        """
        text = _text(self._json())
        with whole_file(file) as part:
            part.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> LookupTable:
        """Reads a table.

        Raises:
            ValueError: there is no such file, or it is no lookup table; the message begins with the file's name.
        """
        try:
            return _parse(read_json(file))
        except FileNotFoundError:
            raise ValueError(
                f"{file}: there is no such file; make one with `mnas-moo lut build --space mnasnet --device host "
                f"-o {Path(file).name}`"
            ) from None
        except (OSError, UnfitFileError) as error:
            raise ValueError(f"{file}: {getattr(error, 'strerror', None) or error}; name a lookup table") from error
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None

    def why_not(self, name: str) -> str:
        """The reason why a part has no time, and what to do."""
        entry = self.entries.get(name)
        if entry is not None and entry.error:
            return f"it could not be measured ({entry.error})"
        space = self.space.get("name", "SPACE")
        device = "DEVICE" if self.source else self.device.get("backend", "DEVICE")
        build = f"`mnas-moo lut build --space {space} --device {device} -o FILE`"
        if entry is not None:
            return f"{self.n_open} of its {len(self.entries)} layers are still to be measured; go on with {build}"
        of = f"the {len(self.entries)} layers of space {self.space['name']}" if self.space else self.source
        return f"it holds {of}; measure the space that the network is of with {build} (and its settings)"

    def _json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "device": self.device, "date": self.date}
        if self.source:
            data["source"] = self.source
        if self.space:
            data["space"] = self.space
        data["correction"] = dataclasses.asdict(self.correction)
        if self.check:
            data["check"] = self.check
        if self.places:
            data["places"] = [{"names": place.names, "ms": place.ms} for place in self.places]
        else:
            data["entries"] = {name: _entry_json(entry) for name, entry in self.entries.items()}
        return data


def now() -> str:
    """The present date and time, for ``LookupTable.date``."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _text(data: Mapping[str, Any]) -> str:
    """JSON with a line for every key, entry and place, which people and `diff` can read."""
    lines = []
    for key, value in data.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if key == "places":
            text = "[\n  " + ",\n  ".join(json.dumps(place, ensure_ascii=False) for place in value) + "\n ]"
        elif key == "entries":
            entries = (f"{json.dumps(name)}: {json.dumps(entry, allow_nan=False)}" for name, entry in value.items())
            text = "{\n  " + ",\n  ".join(entries) + "\n }"
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _entry_json(entry: Entry) -> dict[str, JSON] | None:
    if entry.error:
        return {"error": entry.error}
    if entry.ms is None:
        return None
    data: dict[str, JSON] = {"ms": entry.ms, **entry.details}
    return {**data, "visits_ms": list(entry.visits_ms)} if entry.visits_ms else data


def _parse(data: Any) -> LookupTable:
    """The table of a file's content.

    Raises:
        ValueError: a part is missing or invalid; the message says which.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"is no lookup table: its 'format' must be {FORMAT!r}")
    if data.get("version") != VERSION:
        raise ValueError(f"has format version {data.get('version')!r}; this program reads version {VERSION}")
    known = ("format", "version", "device", "date", "source", "space", "correction", "check", "places", "entries")
    for name in data:
        if name not in known:
            raise unknown("key", name, known)
    if ("entries" in data) == ("places" in data):
        raise ValueError("must have either 'entries' or 'places'")
    if not isinstance(data.get("places", []), list):
        raise ValueError(f"'places' is {data['places']!r}; it must be a list")
    for name, key in (("device", "model"), ("space", "name")):
        if (name == "device" or name in data) and not isinstance(_mapping(data, name).get(key), str):
            raise ValueError(f"'{name}' must have a {key!r}, which is text")
    return LookupTable(
        device=_mapping(data, "device"),
        date=str(data.get("date", "")),
        space=_mapping(data, "space"),
        entries={name: _entry(name, entry) for name, entry in _mapping(data, "entries").items()},
        places=tuple(_place(i, place) for i, place in enumerate(data.get("places", ()))),
        correction=_correction(_mapping(data, "correction")),
        check=_mapping(data, "check"),
        source=str(data.get("source", "")),
    )


def _mapping(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} is {value!r}; it must be a mapping")
    return value


def _correction(data: Mapping[str, Any]) -> Correction:
    known = [number.name for number in dataclasses.fields(Correction)]
    for name in data:
        if name not in known:
            raise unknown("correction:", name, known)
    slopes = {name: _number(value, f"correction.slopes.{name}") for name, value in _mapping(data, "slopes").items()}
    rest = {name: _number(value, f"correction.{name}") for name, value in data.items() if name != "slopes"}
    return Correction(**rest, slopes=slopes)


def _entry(name: str, data: Any) -> Entry:
    if data is None:
        return Entry()
    if isinstance(data, dict) and isinstance(data.get("error"), str) and data["error"]:
        return Entry(error=data["error"])
    if not isinstance(data, dict) or "ms" not in data:
        raise ValueError(f"entry {name!r} is {data!r}; it must have 'ms' or 'error', or be null if not measured yet")
    visits = data.get("visits_ms", [])
    if not isinstance(visits, list):
        raise ValueError(f"entry {name!r}: visits_ms is {visits!r}; it must be a list of milliseconds")
    return Entry(
        _number(data["ms"], f"entry {name!r}: ms", low=0.0),
        tuple(_number(visit, f"entry {name!r}: visits_ms", low=0.0) for visit in visits),
        {key: _number(data[key], f"entry {name!r}: {key}") for key in _SPREAD if key in data},
    )


def _place(i: int, data: Any) -> Place:
    names, ms = (data.get("names"), data.get("ms")) if isinstance(data, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(ms, list) or len(names) != len(ms) or not names:
        raise ValueError(f"place {i} must have as many 'names' as 'ms', at least one")
    return Place(tuple(map(str, names)), tuple(_number(value, f"place {i}: ms") for value in ms))


def _number(value: Any, where: str, low: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < math.inf:
        raise ValueError(f"{where} is {value!r}; it must be a number{f' of at least {low:g}' if low == 0 else ''}")
    return value
