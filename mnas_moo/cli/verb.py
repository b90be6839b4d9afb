"""What the verbs share: how one is added to the command line, and the study that it is given."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnas_moo.study_file.network_study import StudyFile


def add_verb(verbs: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    """Adds a verb with its help to what ``add_subparsers`` returned; ``run`` is called with the parsed arguments."""
    added: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(run=run)
    return added


def add_study(parser: argparse.ArgumentParser) -> None:
    """Adds the study that a verb is for, and where its trials are."""
    parser.add_argument("study", metavar="STUDY", help="a study file, or the name of a bundled study")
    parser.add_argument("--storage", metavar="URL", help="where the trials are kept, instead of the file's")


def study_file_of(arguments: argparse.Namespace, **changes: Any) -> StudyFile:
    """The study of ``add_study``'s arguments, with ``changes`` to its file as ``load_study_file`` takes them."""
    from mnas_moo.study_file.network_study import load_study_file

    return load_study_file(arguments.study, storage=arguments.storage, **changes)


def command(verb: str, arguments: argparse.Namespace) -> str:
    """The command line for another verb on the same study."""
    names = ("storage", "data", "tables", "benchmark_model") if verb == "run" else ("storage",)
    given = [(name.replace("_", "-"), getattr(arguments, name, None)) for name in names]
    words = [
        "mnas-moo",
        verb,
        arguments.study,
        *(word for name, value in given if value for word in (f"--{name}", value)),
    ]
    return shlex.join(words)


def say(line: str) -> None:
    """Prints a line on standard error, at once."""
    print(line, file=sys.stderr, flush=True)
