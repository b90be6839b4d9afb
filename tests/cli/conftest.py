"""The command line in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli import main as cli
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.running.postgres import server as server

COUNTS = """\
name: counts
storage: sqlite:///counts.db
space: {mnasnet: {preset: digits, blocks: 2}}
data: digits
objectives: {parameters_m: , multiply_adds_m: }
sampler: {random: {seed: 0}}
trials: 4
"""
SMALL = """\
name: small
storage: journal:///small.log
space: {mnasnet: {preset: digits, blocks: 2}}
data: digits
objectives: {accuracy: {train: {steps: 5, device: cpu}}, multiply_adds_m: }
sampler: {random: {seed: 0}}
trials: 2
"""
Answer = tuple[int, str, str]
Run = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with small.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture
def mnas_moo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with counts.yaml; gives exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mnas_moo.running.storage.START_SECONDS", 0)  # no test has a server that starts soon
    Path("counts.yaml").write_text(COUNTS, encoding="utf-8")
    verbosity = optuna.logging.get_verbosity()

    def answer(*words: str) -> Answer:
        capsys.readouterr()
        try:
            status = cli.main(words)
        finally:
            optuna.logging.set_verbosity(verbosity)
        return (status, *capsys.readouterr())

    return answer


def change(old: str, new: str) -> None:
    text = Path("counts.yaml").read_text(encoding="utf-8")
    assert old in text
    Path("counts.yaml").write_text(text.replace(old, new), encoding="utf-8")


def refused(answer: Answer, start: str) -> None:
    """The command ended with status 2 and one line that begins so."""
    status, out, err = answer
    assert status == 2
    assert out == ""
    assert err.startswith(f"mnas-moo: {start}")
    assert err.count("\n") == 1


@pytest.fixture
def phones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VirtualPhones]:
    """Two phones of known times, in reach of the programs of this test, which run in a folder of their own."""
    pytest.importorskip("adbutils", reason="needs adbutils, the extra phone")
    monkeypatch.chdir(tmp_path)
    with VirtualPhones(count=2, latency_ms=lambda model: 1 + len(model) / 1e5) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found
