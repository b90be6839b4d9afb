"""Fronts of several runtimes on each other: known answers, and the command on the table of this package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.objective import Measurement
from mnas_moo.objectives.tabular import dppnet
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.studies.benchmarks import device_fronts
from mnas_moo.studies.benchmarks.device_fronts import compare, markdown
from mnas_moo.studies.tables.dppnet324 import VISITS, visited

ACCURACY = np.array([0.5, 0.6, 0.7, 0.8])
PHONE = np.array([1.0, 2.0, 3.0, 4.0])
OTHER = np.array([1.0, 4.0, 3.0, 2.0])  # only the first and the last are on its front


def test_a_front_is_compared_with_that_of_the_device_it_is_used_on() -> None:
    found = compare(list("abcd"), ACCURACY, {"phone": PHONE, "other": OTHER})
    there, back = found["pairs"]
    assert found["networks"] == 4
    assert [name for name, _, _ in found["fronts"]["phone"]] == list("abcd")
    assert found["fronts"]["other"] == [["a", 0.5, 1.0], ["d", 0.8, 2.0]]
    assert (there["size"], there["shared"], there["lost"]) == (4, 2, 0.0)  # all of the other front is in it
    # Front of phone: reference (0.47, 4.3); a, b, c and d cover 0.2290, a and d alone 0.1890.
    assert (back["size"], back["shared"]) == (2, 2)
    every, two = 0.03 * 3.3 + 0.1 * (2.3 + 1.3 + 0.3), 0.03 * 3.3 + 0.3 * 0.3
    assert back["lost"] == pytest.approx(1 - two / every)
    assert there["tau"] == back["tau"] == 0.0


def test_equal_devices_lose_nothing() -> None:
    for pair in compare(list("abcd"), ACCURACY, {"one": PHONE, "two": 3 * PHONE})["pairs"]:
        assert (pair["size"], pair["shared"], pair["tau"], pair["lost"]) == (4, 4, 1.0, pytest.approx(0.0, abs=1e-12))


def test_the_table_has_a_row_for_each_ordered_pair() -> None:
    head, _, *rows = markdown(compare(list("abcd"), ACCURACY, {"a": PHONE, "b": OTHER, "c": PHONE})).splitlines()
    assert head.count("|") == 7 and len(rows) == 6
    assert rows[0] == "| a | b | 4 | 2 | 0.00 | 0.00 % |"


def test_the_least_of_all_visits_counts() -> None:
    class Slower(HostLatency):
        def _measure(self, spec: NetworkSpec) -> Measurement:
            calls.append(spec)
            return Measurement(float(VISITS * 2 - len(calls)))

    calls: list[object] = []
    runtime = Slower.__new__(Slower)
    specs = {"one": object(), "two": object()}
    found = visited(specs, {"r": runtime})  # type: ignore[arg-type]
    assert sorted(calls, key=id) == sorted([*specs.values()] * VISITS, key=id)
    assert min(found.values()) == 0.0 and set(found) == {("one", "r"), ("two", "r")}


def test_the_command_prints_the_table_of_all_cells_and_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(dppnet.FILE.read_text(encoding="utf-8"))["cells"].values()
    if not all("latency_ms_int8" in row for row in rows):
        pytest.skip("the table has no latencies yet")
    monkeypatch.setattr(sys, "argv", ["device_fronts", "--json", str(tmp_path / "fronts.json")])
    device_fronts.main()
    figures = json.loads((tmp_path / "fronts.json").read_text(encoding="utf-8"))
    assert list(figures) == ["table"] and figures["table"]["networks"] == 378
    assert "| LiteRT int8 | LiteRT float32 |" in capsys.readouterr().out
    for pair in figures["table"]["pairs"]:
        assert 0 <= pair["lost"] < 1 and pair["shared"] <= pair["size"]


def test_a_sample_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("379", "-1", "1"):
        monkeypatch.setattr(sys, "argv", ["device_fronts", "--onnx", number])
        with pytest.raises(SystemExit) as caught:
            device_fronts.main()
        assert caught.value.code == 2
        assert f"--onnx is {number}; the table has 378 cells" in capsys.readouterr().err
