from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.instanas.table import ModuleTable, module_table
from mnas_moo.objectives.lookup.build import space_fragments
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import Correction, Entry, LookupTable, Place
from mnas_moo.spaces.instanas import DEFAULT, InstaNASSpace

SPACE = InstaNASSpace(preset="digits")


def table(without: str = "") -> LookupTable:
    parts = space_fragments(SPACE)  # type: ignore[arg-type]
    entries = {name: Entry(ms=0.01 + part.multiply_adds / 1e6) for name, part in parts.items() if name != without}
    correction = Correction(0.3, 0.001, 0.9, {"add": 0.5})
    return LookupTable({"model": "a phone"}, "2026-01-31", entries=entries, correction=correction)


def test_a_path_of_one_module_a_cell_has_the_latency_of_its_network(tmp_path: Path) -> None:
    table().save(tmp_path / "table.json")
    found, whole = module_table(SPACE, table(), "t", 0.2), LutLatency(tmp_path / "table.json")
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = np.eye(5, dtype=bool)[rng.integers(5, size=SPACE.cells)]
        latency = found.rest_ms + float(found.latency(torch.from_numpy(mask)[None]))
        assert latency == pytest.approx(whole.measure(SPACE.of_mask(mask), 0).value)


def test_sums_of_modules_and_the_ends_of_the_band_are_the_published_ones() -> None:
    ms = np.arange(1.0, 1 + 5 * SPACE.cells).reshape(SPACE.cells, 5)
    found = ModuleTable(ms, 0.5, 0.2, SPACE)
    masks = torch.zeros(3, SPACE.cells, 5, dtype=torch.bool)
    masks[1], masks[2, 0, :2] = True, True
    least = sum(ms[cell, DEFAULT] for cell, first in enumerate(SPACE.first_cells) if first)
    assert found.latency(masks).tolist() == [least, ms.sum(), least - ms[0, DEFAULT] + 1 + 2]
    first, last = found.bands(0.7, 0.5, 0.1)
    assert (first.lower_ms, first.upper_ms) == pytest.approx((0.1 * least, 0.7 * ms.sum()))
    assert (last.lower_ms, last.upper_ms) == pytest.approx((0.1 * least, 0.5 * ms[:, 0].sum()))


def test_a_band_that_the_table_leaves_empty_is_one_line() -> None:
    found = ModuleTable(np.ones((SPACE.cells, 5)), 0.5, 0.2, SPACE)
    with pytest.raises(ValueError, match=r"the band of latencies is from 4 to 3 ms; its upper end must be above"):
        found.bands(0.7, 0.5, 1.0)


def test_wrong_tables_are_one_line() -> None:
    missing = next(name for name in space_fragments(SPACE) if name.startswith("basic"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"a.json: has no time for module '{missing}'"):
        module_table(SPACE, table(without=missing), "a.json", 0.1)
    places = LookupTable({}, "2026-01-31", places=(Place(("a",), (1.0,)),))
    with pytest.raises(ValueError, match=r"a\.json: prices choices at 1 places, not modules; build one for the space"):
        module_table(SPACE, places, "a.json", 0.1)
    nothing = LookupTable({}, "", entries={name: Entry(ms=0.0) for name in space_fragments(SPACE)})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"a\.json: module k3_e6 of cell 1 takes 0 ms; not above 0"):
        module_table(SPACE, nothing, "a.json", 0.1)
