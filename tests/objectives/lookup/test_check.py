from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnas_moo import spaces
from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.lookup.build import build
from mnas_moo.objectives.lookup.check import check, judge
from mnas_moo.objectives.lookup.latency import LutLatency
from mnas_moo.objectives.lookup.lookup_table import LookupTable, Sums


def test_an_overhead_of_every_graph_is_found_and_corrected(space: Any, formula: Any, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    build(space, formula(overhead_ms=0.0), file, visits=1)
    report = check(file, space, formula(overhead_ms=0.75), networks=30, visits=1)
    assert report.correction.intercept_ms == pytest.approx(0.75, abs=1e-3)
    assert report.correction.slopes == {name: pytest.approx(1.0, abs=0.05) for name in report.correction.slopes}
    assert report.figures["share_within_10_percent"] == 1.0
    assert report.figures["uncorrected_share_within_10_percent"] == 0.0
    assert report.figures["kendall_tau"] > 0.9


def test_correction_and_figures_are_kept_in_the_file(space: Any, formula: Any, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    before = build(space, formula(), file, visits=1)
    report = check(file, space, formula(overhead_ms=0.5), networks=20, seed=3, visits=2)
    table = LookupTable.load(file)
    assert table.correction == report.correction
    assert (table.check["networks"], table.check["seed"], table.check["visits"]) == (20, 3, 2)
    assert table.check["kendall_tau"] == report.figures["kendall_tau"]
    assert table.entries == before.entries
    assert table.date == before.date


def random_sums(n: int) -> list[Sums]:
    rng = np.random.default_rng(0)
    return [
        Sums({"conv": rng.uniform(1, 10), "mbconv": rng.uniform(5, 20), "head": 1.0}, int(rng.integers(10, 30)))
        for _ in range(n)
    ]


def true_ms(sums: Sums) -> float:
    return 0.5 - 0.01 * sums.parts + 1.1 * sums.ms["conv"] + 1.3 * sums.ms["mbconv"] + sums.ms["head"]


def test_no_network_judges_its_own_fit() -> None:
    sums = random_sums(12)
    measured = np.array([true_ms(own) for own in sums]) * np.random.default_rng(1).uniform(0.9, 1.1, 12)
    report = judge(sums, measured)
    for i in range(12):
        others = judge([own for j, own in enumerate(sums) if j != i], np.delete(measured, i))
        assert report.predicted_ms[i] == pytest.approx(others.correction(sums[i]), rel=1e-6)


def test_slopes_by_operation_are_found_and_drawn_together() -> None:
    sums = random_sums(2000)
    report = judge(sums, np.array([true_ms(own) for own in sums]))
    assert report.correction.part_ms == pytest.approx(-0.01, abs=1e-3)
    assert report.correction.slopes["conv"] == pytest.approx(1.1, abs=0.01)
    assert report.correction.slopes["mbconv"] == pytest.approx(1.3, abs=0.01)
    assert report.figures["maximum_error"] < 0.01
    few = judge(sums[:6], np.array([true_ms(own) for own in sums[:6]])).correction.slopes
    assert 1.1 < few["conv"] < few["mbconv"] < 1.35


def test_an_operation_that_no_network_had_gets_the_common_slope() -> None:
    correction = judge(random_sums(30), np.array([1.2 * own.total_ms for own in random_sums(30)])).correction
    assert correction(Sums({"add": 10.0}, 0)) - correction(Sums({}, 0)) == pytest.approx(12.0, rel=1e-3)


def test_the_figures_are_told_in_words() -> None:
    sums = np.array([1.0, 2.0, 3.0, 5.0, 8.0])
    parts = np.array([3, 1, 4, 1, 5])
    measured = 0.25 - 0.01 * parts + 1.5 * sums
    both = zip(sums.tolist(), parts.tolist(), strict=True)
    report = judge([Sums({"conv": own}, n) for own, n in both], measured, ("no time for layer 'x'",))
    assert report.lines == [
        "5 random networks of 1.72 to 12.2 ms, each predicted by a correction fitted to the others",
        "within 10 %    100% (plain sums: 0%)",
        "median error   0.0% (plain sums: 36.3%)",
        "largest error  0.0%",
        "Kendall's tau  1.000",
        "correction     0.25 ms -0.01 ms a part + 1.5 conv",
        "left out       1 networks, the first: no time for layer 'x'",
    ]


def test_equal_sums_have_an_offset_but_no_order() -> None:
    report = judge([Sums({"conv": 2.0}, 3)] * 6, np.full(6, 3.0))
    assert report.correction(Sums({"conv": 2.0}, 3)) == pytest.approx(3.0)
    assert report.figures["kendall_tau"] is None


def test_a_table_of_another_device_is_not_checked(space: Any, formula: Any, tmp_path: Path) -> None:
    build(space, formula(), tmp_path / "t.json", visits=1)
    with pytest.raises(ValueError, match=r"t\.json: is a table of another device"):
        check(tmp_path / "t.json", space, formula(device={"backend": "host", "threads": 2}), networks=5)


def test_networks_that_cannot_be_priced_are_counted_and_left_out(space: Any, formula: Any, tmp_path: Path) -> None:
    bad = "mbconv k3 e6 s2 8x8x8-4x4x8 relu"
    build(space, formula(refused=[bad]), tmp_path / "t.json", visits=1)
    report = check(tmp_path / "t.json", space, formula(), networks=60, visits=1)
    assert report.failures and all(f"no time for layer {bad!r}" in failure for failure in report.failures)
    assert len(report.measured_ms) + len(report.failures) <= 60
    assert report.figures["failures"] == len(report.failures)


def test_a_table_that_prices_too_few_networks_is_not_corrected(space: Any, formula: Any, tmp_path: Path) -> None:
    stem = "conv k3 s2 16x16x1-8x8x8 relu"
    build(space, formula(refused=[stem]), tmp_path / "t.json", visits=1)
    before = (tmp_path / "t.json").read_text()
    with pytest.raises(ValueError, match=r"only 0 of 8 random networks could be compared \(.*no time for layer"):
        check(tmp_path / "t.json", space, formula(), networks=8)
    assert (tmp_path / "t.json").read_text() == before


def test_this_machine_builds_and_checks_a_table(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    space, file = spaces.get("mnasnet", preset="digits", blocks=1), tmp_path / "t.json"
    with closing(HostLatency(maximum_seconds=0.01)) as latency:
        table = build(space, latency, file, visits=1)
        report = check(file, space, latency, networks=6, visits=1)
    assert not table.failures
    assert all(entry.ms and entry.ms == min(entry.visits_ms) > 0 for entry in table.entries.values())
    assert len(report.measured_ms) <= 6 and not report.failures
    spec = next(space.covering())
    assert LutLatency(file).measure(spec, 0).value == pytest.approx(report.correction(table.sums(spec)))


def test_a_line_needs_some_networks(space: Any, formula: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="networks is 4; it must be at least 5"):
        check(tmp_path / "t.json", space, formula(), networks=4)


def test_the_same_seed_draws_the_same_networks(space: Any, formula: Any, tmp_path: Path) -> None:
    build(space, formula(), tmp_path / "t.json", visits=1)
    one, two, three = (
        check(tmp_path / "t.json", space, formula(), networks=10, seed=seed, visits=1).measured_ms.tolist()
        for seed in (0, 0, 1)
    )
    assert one == two != three
