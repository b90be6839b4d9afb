from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mnas_moo.fbnet.table import candidate_table
from mnas_moo.objectives.lookup.build import space_fragments
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import Correction, Entry, LookupTable, Place
from mnas_moo.spaces import get

SPACE = get("fbnet", preset="digits")
CHOICES = next(iter(SPACE.distributions.values())).choices  # type: ignore[attr-defined]


def table(file: Path, factor: float = 1.0, without: str = "") -> LookupTable:
    parts = space_fragments(SPACE)
    entries = {
        name: Entry(ms=factor * (0.01 + part.multiply_adds / 1e6)) for name, part in parts.items() if name != without
    }
    made = LookupTable(
        {"model": "a phone"}, "2026-01-31", entries=entries, correction=Correction(0.3 * factor, 0.001 * factor, 0.9)
    )
    made.save(file)
    return LookupTable.load(file)


def test_the_sum_over_candidates_is_the_latency_of_the_network(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    found = candidate_table(SPACE, table(file), str(file))
    rng = np.random.default_rng(0)
    for _ in range(20):
        params = {name: str(rng.choice(CHOICES)) for name in SPACE.distributions}
        rows = zip(found.ms, params.values(), strict=True)
        total = found.rest_ms + sum(row[CHOICES.index(choice)] for row, choice in rows)
        assert total == pytest.approx(LutLatency(file).measure(SPACE.spec(params), 0).value, rel=1e-9)


def test_a_table_by_places_is_taken_as_it_is() -> None:
    places = tuple(Place(CHOICES[::-1], tuple(float(i + n) for i in range(9))) for n in range(len(SPACE.distributions)))
    positional = LookupTable({}, "2026-01-31", places=places, correction=Correction(intercept_ms=2.0))
    found = candidate_table(SPACE, positional, "places.json")
    assert found.rest_ms == 2.0 and found.ms[3].tolist() == [float(11 - i) for i in range(9)]
    price = positional.price([str(CHOICES[0])] * len(places))
    assert found.rest_ms + float(found.ms[:, 0].sum()) == pytest.approx(price)


def test_a_wrong_table_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    missing = next(name for name in space_fragments(SPACE) if name.startswith("mbconv k5 e6"))
    with pytest.raises(ValueError, match=f"{file}: has no time for 1 of the .* such as '{missing}'"):
        candidate_table(SPACE, table(file, without=missing), str(file))
    with pytest.raises(ValueError, match=f"{file}: the table's fastest network takes .* ms; below a microsecond its"):
        candidate_table(SPACE, table(file, factor=1e-7), str(file))
    place = Place(("k3_e1", "skip"), (1.0, 2.0))
    other = LookupTable({}, "2026-01-31", places=(place,) * 3)
    with pytest.raises(ValueError, match=r"a\.json: has 3 places; the space has 7 layers"):
        candidate_table(SPACE, other, "a.json")
    other = LookupTable({}, "2026-01-31", places=(place,) * 7)
    with pytest.raises(ValueError, match=r"a\.json: has no time for block1.layer1: k3_e1_g2; it has k3_e1, skip"):
        candidate_table(SPACE, other, "a.json")
