"""The latency of every candidate of every layer, from a lookup table (Wu et al. 2019, sec. 3.2, eq. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnas_moo.fbnet.gumbel import MICROSECONDS
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import LookupTable
from mnas_moo.spaces.space import Space


@dataclass(frozen=True)
class CandidateTable:
    """Latencies in milliseconds.

    Attributes:
        ms: (L, C) of each candidate of each layer, relative to what ``rest_ms`` holds already.
        rest_ms: of all that is the same in every network.
        choices: the candidates, by the name of the parameter.
    """

    ms: npt.NDArray[np.float64]
    rest_ms: float
    choices: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        least = self.rest_ms + float(self.ms.min(axis=1).sum())
        if not least * MICROSECONDS > 1:
            raise ValueError(
                f"the table's fastest network takes {least:.3g} ms; below a microsecond its logarithm is negative, and "
                "the loss would reward slowness: a table has milliseconds"
            )


def candidate_table(space: Space, table: LookupTable, name: str) -> CandidateTable:
    """The latencies of the candidates of a space whose parameters each choose one layer's.

    A table by layers prices whole networks, and its sum is linear in them: a candidate's latency is the difference that
    it makes in one network. Of a positional table its places are taken as they are.

    Args:
        space: the space.
        table: the lookup table.
        name: the table's file, for messages.

    Raises:
        ValueError: the table lacks a layer of the space, which is named; it has other places or candidates; or its
            latencies are no milliseconds.
    """
    choices = {key: tuple(each.choices) for key, each in space.distributions.items()}  # type: ignore[attr-defined]
    try:
        if table.places:
            return _of_places(table, choices)
        latency = LutLatency(name)
        latency.covers(space)
        base = {key: candidates[-1] for key, candidates in choices.items()}
        rest = latency.measure(space.spec(base), 0).value
        ms = [
            [latency.measure(space.spec({**base, key: candidate}), 0).value - rest for candidate in candidates]
            for key, candidates in choices.items()
        ]
        return CandidateTable(np.array(ms), rest, choices)
    except ValueError as error:
        raise ValueError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None


def _of_places(table: LookupTable, choices: Mapping[str, tuple[str, ...]]) -> CandidateTable:
    if len(table.places) != len(choices):
        raise ValueError(f"has {len(table.places)} places; the space has {len(choices)} layers")
    for place, (key, candidates) in zip(table.places, choices.items(), strict=True):
        missing = [candidate for candidate in candidates if candidate not in place.names]
        if missing:
            raise ValueError(f"has no time for {key}: {missing[0]}; it has {', '.join(place.names)}")
    correction = table.correction
    factor = correction.slopes.get("", correction.slope)
    ms = [
        [factor * place.ms[place.names.index(candidate)] for candidate in candidates]
        for place, candidates in zip(table.places, choices.values(), strict=True)
    ]
    return CandidateTable(np.array(ms), correction.intercept_ms + correction.part_ms * len(ms), choices)
