"""The verb `learning`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from mnas_moo.cli import main as cli

STUDY = """\
name: small
storage: sqlite:///small.db
table: {{file: past.csv, parameters: [a, b, c], objectives: {{accuracy: maximize, latency_ms: minimize}}}}
sampler: {sampler}
trials: {trials}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    points = itertools.product(range(4), repeat=3)
    lines = [f"{a},{b},{c},{0.5 + (a + b + c) / 20},{1 + a * a + b + 2 * c}" for a, b, c in points]
    Path("past.csv").write_text("\n".join(["a,b,c,accuracy,latency_ms", *lines]) + "\n", encoding="utf-8")
    return tmp_path


def run(sampler: str, trials: int) -> None:
    Path("s.yaml").write_text(STUDY.format(sampler=sampler, trials=trials), encoding="utf-8")
    assert cli.main(["run", "s.yaml", "--json"]) == 0


def test_the_default_search_is_shown_as_tables_json_and_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("{mnas: {seed: 0}}", 32)
    capsys.readouterr()
    assert cli.main(["learning", "s.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "leave-one-out" in shown
    assert "first trials" in shown
    assert cli.main(["learning", "s.yaml", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [update["trial"] for update in record["updates"]] == [20, 30]
    assert sum(record["sources"].values()) == 31  # the first trial has no claim, and no source
    assert cli.main(["learning", "s.yaml", "--plot", "learning.svg"]) == 0
    assert "written: learning.svg" in capsys.readouterr().err
    assert (folder / "learning.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.usefixtures("folder")
def test_another_sampler_has_nothing_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    run("{random: {seed: 0}}", 4)
    capsys.readouterr()
    assert cli.main(["learning", "s.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "small: nothing to show; only the samplers mnas, mnas-paper and dppnet keep how they learn" in captured.err
    assert cli.main(["learning", "s.yaml", "--plot", "x.png"]) == 2
    assert "has nothing to draw" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "no such file"),
        (["s.yaml", "--plot", "x.gif"], "'.gif'; a plot is written as one of"),
        (["s.yaml", "--storage", "sqlite:///other.db"], "other.db"),
    ],
)
def test_wrong_input_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("{mnas: {seed: 0}}", 2)
    capsys.readouterr()
    assert cli.main(["learning", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
