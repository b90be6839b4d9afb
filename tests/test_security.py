"""Every line of SECURITY.md has a test that exists; those that belong to no other file are here."""

from __future__ import annotations

import io
import re
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli import main as cli
from mnas_moo.reports.dashboard import _NetworkStore

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith(("| can |", "| cannot |"))]


def named(row: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)


def test_the_page_speaks_of_every_kind_of_guest() -> None:
    kinds = ("study file", "plugin", "storage", "phone", "lookup table", "artifact")
    assert [kind for kind in kinds if not re.search(rf"^## An? {kind}$", PAGE, re.MULTILINE)] == []
    assert len(ROWS) >= 25


@pytest.mark.parametrize("row", ROWS)
def test_a_line_names_a_test_that_exists(row: str) -> None:
    tests = named(row)
    assert tests
    for file, name in tests:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize("identifier", ["../x", "../../x", "/etc/passwd", "a/../../x", "..", "/tmp/x"])
def test_artifacts_stay_in_their_folder(identifier: str, tmp_path: Path) -> None:
    folder = tmp_path / "study_files" / "artifacts"
    store = _NetworkStore(optuna.storages.InMemoryStorage(), folder)
    (tmp_path / "x").write_text("mine", encoding="utf-8")
    folder.mkdir(parents=True)
    with pytest.raises((ValueError, OSError)):
        store.open_reader(identifier)
    with pytest.raises((ValueError, OSError)):
        store.write(identifier, io.BytesIO(b"theirs"))
    with pytest.raises((ValueError, OSError)):
        store.remove(identifier)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["artifacts", "study_files", "x"]
    assert (tmp_path / "x").read_text(encoding="utf-8") == "mine"


def test_whoever_writes_to_a_storage_decides_its_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = "{file: t.csv, parameters: [a], objectives: {error: minimize}}"
    text = f"name: s\nstorage: sqlite:///s.db\ntable: {table}\nsampler: random\ntrials: 1\n"
    Path("s.yaml").write_text(text, encoding="utf-8")
    Path("t.csv").write_text("a,error\n1,0.5\n2,0.6\n", encoding="utf-8")
    study = optuna.create_study(study_name="s", storage="sqlite:///s.db", direction="minimize")
    study.add_trial(optuna.trial.create_trial(value=-123.25))
    assert cli.main(["front", "s.yaml", "--json"]) == 0
    assert "-123.25" in capsys.readouterr().out
