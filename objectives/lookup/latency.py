"""The objective ``latency_ms`` from a lookup table: it needs no device, and takes microseconds for a network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mnas_moo.objectives.lookup.build import space_fragments
from mnas_moo.objectives.lookup.lookup_table import LookupTable
from mnas_moo.objectives.objective import JSON, Direction, Graph, Measurement, measure_in_turn
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import NetworkSpec


class LutLatency:
    """The objective ``latency_ms``: the corrected sum over a network's layers.

    >>> import tempfile
    >>> from mnas_moo.objectives import LookupTable, LutLatency
    >>> from mnas_moo.objectives.lookup.lookup_table import Correction, Entry
    >>> from mnas_moo.spaces import network
    >>> from mnas_moo.spaces.fragment import fragments
    >>> spec = network("mnasnet-small")
    >>> entries = {part.name: Entry(ms=0.25) for part in fragments(spec)}
    >>> table = LookupTable({"model": "a phone"}, "2026-01-31", entries=entries, correction=Correction(slope=0.8))
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     table.save(file.name)
    ...     LutLatency(file.name).measure(spec, seed=0)
    Measurement(value=5.2, details={'sum_ms': 6.5, 'table_date': '2026-01-31'})

    The details of a measurement: ``sum_ms`` (uncorrected) and ``table_date``.

    Args:
        file: file of a table made by ``build`` or ``import_table``.

    Raises:
        ValueError: the file is no lookup table, or one that prices no networks.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file = os.fspath(file)
        self.table = LookupTable.load(file)
        if self.table.places:
            raise ValueError(
                f"{self.file}: prices choices at {len(self.table.places)} places, not networks of a space: its source "
                f"({self.table.source}) does not say what layers they are"
            )

    @property
    def device(self) -> Mapping[str, JSON]:
        """The device of the table, with "backend" "lut" and what measured it as "measured_by"."""
        return {**self.table.device, "backend": "lut", "measured_by": self.table.device.get("backend")}

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Prices one network.

        Args:
            spec: the network.
            seed: has no effect.

        Raises:
            ValueError: a layer has no time in the table, or ``spec`` is a part of a network.
        """
        del seed
        if not isinstance(spec, NetworkSpec):
            raise ValueError(f"{self.file}: prices whole networks only, not {spec.name or 'a part of one'}")
        try:
            sums = self.table.sums(spec)
        except ValueError as error:
            raise ValueError(f"{self.file}: {error}") from None
        details: dict[str, JSON] = {"sum_ms": sums.total_ms, "table_date": self.table.date}
        return Measurement(self.table.correction(sums), details)

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Prices several networks; one that cannot be priced has its error in its place."""
        return measure_in_turn(self, specs)

    def covers(self, space: Space) -> None:
        """Checks, in about a second, that every network of a space can be priced.

        Raises:
            ValueError: a layer has no time; the message names one and says how many there are.
        """
        parts = space_fragments(space)
        timed = {name for name, entry in self.table.entries.items() if entry.ms is not None}
        missing = [name for name in parts if name not in timed]
        if missing:
            raise ValueError(
                f"{self.file}: has no time for {len(missing)} of the {len(parts)} layers of space {space.name}, such "
                f"as {missing[0]!r}: {self.table.why_not(missing[0])}"
            )

    def close(self) -> None:
        """Does nothing: a table holds no resources."""
