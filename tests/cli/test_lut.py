from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.cli.lut import space_of
from mnas_moo.cli.main import main
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from mnas_moo.study_file.document import StudyError


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


SPACE = "space: {mnasnet: {preset: digits, blocks: 1}}\n"


@pytest.mark.parametrize("more", ["", "objectives: {latency_ms: host}\n", "name: night\nsampler: tpe\n"])
def test_a_file_of_space_and_data_is_enough(more: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{SPACE}data: digits\n{more}", encoding="utf-8")
    ours, named = space_of(str(tmp_path / "mine.yaml"), None), space_of("mnasnet: {preset: digits, blocks: 1}", None)
    assert ours.distributions == named.distributions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPACE, r"mine.yaml:\d+: data is missing"),
        ("data: digits\n", r"mine.yaml:\d+: space is missing"),
        (f"{SPACE}data: digits\nsampler: tpee\n", "mine.yaml:3: sampler.tpee is unknown; did you mean"),
        (f"{SPACE}data: digits\nobjectve: 1\n", "mine.yaml:3: objectve is unknown; did you mean 'objectives'"),
    ],
)
def test_what_a_file_of_space_and_data_lacks_is_said(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=message):
        space_of(str(tmp_path / "mine.yaml"), None)
