"""Two small studies: one of networks, and one of a table of past trials in the working folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.training.data import DataInfo
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy

TEXT = """\
name: small
storage: sqlite:///small.db
space: {mnasnet: {preset: digits, blocks: 3}}
data: digits
objectives:
  accuracy: {train: {epochs: 2}}
  latency_ms: {host: {threads: 1}}
constraints: {parameters_m: {max: 6}}
sampler: {mnas: {seed: 0}}
trials: 60
"""
DIGITS = DataInfo(tuple("0123456789"), channels=1, resolution=8, images=1797, flip=False)


def load(folder: Path, *changes: str, **arguments: Any) -> StudyFile:
    """The study of ``TEXT`` with texts replaced: old, new, old, new, …; loaded with ``arguments``."""
    text = TEXT
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study_file(path, **arguments)


FOLDER = os.environ.get("MNAS_MOO_TABLES", "")
bench = pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")

TABLE = """\
name: past
storage: journal:///past.log
table:
  file: past.csv
  parameters: [width, act]
  objectives: {accuracy: maximize, latency_ms: minimize}
constraints: {memory: {max: 50}}
sampler: {random: {seed: 0}}
trials: 12
"""
PAST = """\
width,act,accuracy,latency_ms,memory
1,relu,0.60,1.0,10
2,relu,0.70,2.0,20
3,relu,,,
1,silu,0.65,1.5,15
2,silu,0.75,2.5,25
3,silu,0.85,3.5,60
"""
FILE = TABLE[TABLE.index("table:") : TABLE.index("constraints")]
BENCH = (FILE, "table: macro-noisy\n", "memory: {max: 50}", "parameters_m: {max: 2.5}")


@pytest.fixture
def past_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder of the test's own, with the table of past trials."""
    monkeypatch.chdir(tmp_path)
    Path("past.csv").write_text(PAST, encoding="utf-8")


def load_table(*changes: str, **settings: Any) -> TabularStudy:
    """The study of ``TABLE`` with texts replaced: old, new, old, new, …"""
    text = TABLE
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    Path("past.yaml").write_text(text, encoding="utf-8")
    study = load_study_file("past.yaml", **settings)
    assert isinstance(study, TabularStudy)
    return study
