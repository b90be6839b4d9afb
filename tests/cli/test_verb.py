from __future__ import annotations

import argparse
import doctest

import pytest

from mnas_moo.cli import verb
from mnas_moo.cli.verb import add_study, add_verb, command


def parsed(*words: str) -> argparse.Namespace:
    """The arguments of a program with one verb."""
    parser = argparse.ArgumentParser(prog="program")
    added = add_verb(
        parser.add_subparsers(), "draw", len, "draw a study", "  program draw digits\n  program draw x.yaml"
    )
    add_study(added)
    return parser.parse_args(words)


def test_a_verb_has_its_function_and_its_study() -> None:
    arguments = parsed("draw", "digits", "--storage", "sqlite:///x.db")
    assert arguments.run is len
    assert (arguments.study, arguments.storage) == ("digits", "sqlite:///x.db")


def test_the_help_of_a_verb_is_a_sentence_and_its_examples_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("draw", "--help")
    out = capsys.readouterr().out
    assert "\nDraw a study.\n" in out
    assert out.endswith("example:\n  program draw digits\n  program draw x.yaml\n")


def test_a_command_keeps_what_the_verb_needs_to_find_the_same_study() -> None:
    arguments = argparse.Namespace(
        study="my study.yaml", storage="sqlite:///x.db", data="~/my images", tables=None, benchmark_model="b", json=True
    )
    assert command("run", arguments) == (
        "mnas-moo run 'my study.yaml' --storage sqlite:///x.db --data '~/my images' --benchmark-model b"
    )
    assert command("front", arguments) == "mnas-moo front 'my study.yaml' --storage sqlite:///x.db"
    assert command("run", argparse.Namespace(study="digits", storage=None)) == "mnas-moo run digits"


def test_the_examples_in_the_docstrings_are_right() -> None:
    failed, tried = doctest.testmod(verb)
    assert (failed, tried > 0) == (0, True)
