"""What an engineer types, with virtual phones for real ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.cli.main import main
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

pytest.importorskip("adbutils", reason="needs adbutils, the extra phone")


@pytest.fixture
def phones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VirtualPhones]:
    """Two phones of known times, in reach of the programs of this test, which run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    with VirtualPhones(count=2, latency_ms=lambda model: 1 + len(model) / 1e5) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def test_devices_are_shown_with_what_keeps_them_from_measuring(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    phones[1].fault("unauthorized", times=None)
    while "unauthorized" not in phones.server.run("devices").stdout:  # adb takes it for offline at first
        time.sleep(0.05)
    assert main(["devices"]) == 0
    out = capsys.readouterr().out
    assert f"Pixel 6 ({phones[0].serial}): not ready" in out
    assert "no benchmark_model on it" in out
    assert "arm64-v8a" in out
    assert f"({phones[1].serial}): unauthorized" in out
    assert "confirm the dialog" in out
    assert main(["devices", "--benchmark-model", str(phones.benchmark_model), "--json"]) == 0
    first, second = sorted(json.loads(capsys.readouterr().out), key=lambda phone: not phone["usable"])
    assert (first["model"], first["usable"], second["usable"]) == ("Pixel 6", True, False)


def test_a_program_for_phones_that_is_not_there_is_one_line(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--benchmark-model", "no such; $(file)"]) == 2
    assert capsys.readouterr().err.startswith("mnas-moo: benchmark_model is 'no such; $(file)', which cannot be read")


def test_the_bundled_study_runs_on_the_phones_and_its_file_of_a_name_with_blanks_and_signs(
    phones: VirtualPhones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "my $(touch no) ; 'program'"
    program.write_bytes(phones.benchmark_model.read_bytes())
    assert main(["run", "phone", "--trials", "2", "--benchmark-model", str(program), "--json"]) == 0
    front = json.loads(capsys.readouterr().out)
    assert front
    assert all(network["latency_ms"] > 1.6 for network in front)  # a Pixel 6 takes 1.6 times as long as this machine
    assert not list(tmp_path.rglob("no"))
    assert [phone.files() for phone in phones] == [[], []]


def test_without_a_phone_a_run_ends_with_one_line_and_status_2(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "phone", "--trials", "1"]) == 2  # none of them has benchmark_model
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("mnas-moo: no phone can measure: ")
    assert "no benchmark_model on it" in last


def test_a_lookup_table_is_built_on_phones_and_used_by_a_study(
    phones: VirtualPhones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space, device = "mnasnet: {preset: digits, blocks: 1}", f"adb: {{benchmark_model: {phones.benchmark_model}}}"
    assert main(["lut", "build", "--space", space, "--device", device, "-o", "phone.json"]) == 0
    table = json.loads(Path("phone.json").read_text(encoding="utf-8"))
    assert table["device"]["model"] == "Pixel 6"
    assert all(entry["ms"] > 1.6 for entry in table["entries"].values())
    text = f"""
name: night
storage: journal:///{tmp_path}/night.log
space: {{{space}}}
data: digits
objectives: {{parameters_m: , latency_ms: {{lut: phone.json}}}}
sampler: {{random: {{seed: 0}}}}
trials: 3
"""
    Path("night.yaml").write_text(text, encoding="utf-8")
    assert main(["run", "night.yaml", "--json"]) == 0
    Path("night.yaml").write_text(text.replace("blocks: 1", "blocks: 2").replace("night", "other"), encoding="utf-8")
    capsys.readouterr()
    assert main(["run", "night.yaml"]) == 2
    assert "has no time for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "--space", "mnasnt", "-o", "x.json"], "--space is 'mnasnt', which is unknown; did you mean"),
        (["build", "--space", "mnasnet", "--device", "phone", "-o", "x.json"], "--device: phone is unknown"),
        (["build", "--space", "mnasnet", "--data", ".", "-o", "x.json"], "--data is for the space of a study"),
        (["check", "none.json"], "none.json: there is no such file; make one with `mnas-moo lut build"),
        (["check", "none.json", "--plot", "x.bmp"], "--plot: x.bmp cannot be drawn to; allowed are"),
        (["import", "fbnet", "--tables", "/nowhere", "--device", "pixel3", "-o", "x.json"], "/nowhere/fbnet_hwnas/"),
        (["import", "fbnt", "--tables", "/nowhere", "-o", "x.json"], "did you mean 'fbnet'?"),
    ],
)  # fmt: skip
def test_wrong_words_for_a_lookup_table_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lut", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mnas-moo: ")
    assert message in line
    assert not Path("x.json").exists()
