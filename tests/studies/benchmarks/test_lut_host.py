from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the extra plot is not installed")

from mnas_moo.objectives.lookup.lookup_table import LookupTable
from mnas_moo.studies.benchmarks import lut_host
from tests.objectives.lookup.conftest import FormulaLatency


def test_the_benchmark_builds_checks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lut_host, "HostLatency", lambda maximum_seconds: FormulaLatency())
    files = {name: str(tmp_path / name) for name in ("t.json", "t.png", "f.json")}
    arguments = ["--preset", "digits", "--blocks", "1", "--networks", "8", "--visits", "2"]
    outputs = ["--plot", files["t.png"], "--json", files["f.json"]]
    monkeypatch.setattr(sys, "argv", ["lut_host.py", files["t.json"], *arguments, *outputs])
    lut_host.main()
    printed = capsys.readouterr()
    figures = json.loads(Path(files["f.json"]).read_text())
    table = LookupTable.load(files["t.json"])
    assert f"{len(table.entries)} layers built in" in printed.out
    assert "within 10 %" in printed.out
    assert f"layers: {2 * len(table.entries)} of {2 * len(table.entries)}," in printed.err
    assert figures["layers"] == len(table.entries)
    assert len(figures["each"]["measured_ms"]) == figures["networks"]
    assert Path(files["t.png"]).stat().st_size > 0
