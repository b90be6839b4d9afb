from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli.main import main
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.running import objectives
from tests.cli.conftest import Run, refused


@pytest.mark.parametrize("verb", [("front",), ("show", "--trial", "1"), ("dashboard", "--no-browser")])
def test_what_only_reads_creates_nothing(verb: tuple[str, ...], mnas_moo: Run) -> None:
    words = (verb[0], "counts.yaml", *verb[1:])
    refused(
        mnas_moo(*words), "counts.yaml:2: storage is sqlite:///counts.db, which is not there; `mnas-moo run` creates it"
    )
    refused(
        mnas_moo(*words, "--storage", "journal:///x.log"),
        "counts.yaml: storage is journal:///x.log, which is not there",
    )
    assert [path.name for path in Path().iterdir()] == ["counts.yaml"]
    optuna.create_study(study_name="count", storage="sqlite:///counts.db")
    refused(
        mnas_moo(*words),
        "counts.yaml:1: name is 'counts', which sqlite:///counts.db does not hold; did you mean 'count'?",
    )


def test_a_missing_extra_is_one_line(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MissingExtraError("x is not installed; install it with: pip install 'mnas-moo[host]'")

    monkeypatch.setattr(objectives, "make_objective", missing)
    refused(mnas_moo("run", "counts.yaml"), "x is not installed; install it with: pip install 'mnas-moo[host]'")


def test_help_imports_nothing_heavy_and_shows_an_example() -> None:
    script = (
        "import sys; from mnas_moo.cli import main as cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'optuna', 'pydantic', 'rich', 'numpy', 'yaml', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    for words in (["--help"], *([verb, "--help"] for verb in ("run", "front", "show", "dashboard"))):
        result = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, env=environment, check=False
        )
        assert result.returncode == 0, result.stderr
        assert (
            words == ["--help"]
            or f"example:\n  mnas-moo {words[0]} digits" in result.stdout
            or "show mnasnet-a1" in result.stdout
        )


def test_every_verb_has_help_with_an_example_and_loads_nothing_heavy() -> None:
    program = (
        "import argparse, sys\n"
        "from mnas_moo.cli import main as cli\n"
        "verbs = argparse.ArgumentParser().add_subparsers()\n"
        "for module in cli.VERBS: module.add(verbs)\n"
        "for name, verb in verbs.choices.items():\n"
        "    assert name == 'lut' or f'example:\\n  mnas-moo {name}' in verb.format_help(), name\n"
        "print(*verbs.choices)\n"
        "heavy = {'torch', 'optuna', 'pydantic', 'rich', 'numpy', 'yaml', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [
        "run",
        "front",
        "learning",
        "compare",
        "show",
        "supernet",
        "train",
        "devices",
        "lut",
        "dashboard",
        "repair",
    ]


def test_a_command_whose_reader_has_gone_ends_quietly(mnas_moo: Run) -> None:
    program = "import sys; from mnas_moo.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "show", "mnasnet-a1", "--no-latency", "--json"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_misspelt_verb_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rnu"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("; did you mean 'run'?\n")
