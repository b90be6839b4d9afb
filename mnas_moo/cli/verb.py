"""What the verbs share: how one is added to the command line, and the arguments that name a study."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnas_moo.study_file.study import StudyFile


def add_verb(verbs: Any, name: str, run: Any, summary: str, example: str) -> argparse.ArgumentParser:
    """Adds a verb to the command line.

    Args:
        verbs: the object that ``add_subparsers`` returned.
        name: the verb.
        run: function of the parsed arguments that executes the verb and returns the exit status.
        summary: what the verb does, as the list of verbs shows it: lower case, no full stop.
        example: lines shown at the end of the verb's help.

    Returns:
        The verb's parser, for its arguments.
    """
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
    """Adds the arguments STUDY and --storage."""
    parser.add_argument("study", metavar="STUDY", help="a study file, or the name of a bundled study")
    parser.add_argument("--storage", metavar="URL", help="storage of the trials, instead of the file's")


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Adds the argument --plugin."""
    parser.add_argument(
        "--plugin",
        metavar="FILE_OR_MODULE",
        action="append",
        default=[],
        help="module, or file that ends in .py, whose spaces the study may name; its code is executed; may be repeated "
        "(besides: $MNAS_MOO_PLUGINS)",
    )


def study_file_of(arguments: argparse.Namespace, **changes: Any) -> StudyFile:
    """The study that STUDY and --storage name; ``changes`` as in ``load_study_file``.

    A verb without the option --plugin only reads results.
    """
    from mnas_moo.study_file.load import load_study_file

    plugins = getattr(arguments, "plugin", None)
    return load_study_file(
        arguments.study, storage=arguments.storage, plugins=plugins or (), reading=plugins is None, **changes
    )


def command(verb: str, arguments: argparse.Namespace) -> str:
    """The command line that executes a verb on the same study, to be shown to the user without passwords.

    >>> command("front", argparse.Namespace(study="my study.yaml", storage=None))
    "mnas-moo front 'my study.yaml'"
    """
    from mnas_moo.running.address import shown_address

    storage = arguments.storage and shown_address(arguments.storage)
    return shlex.join(["mnas-moo", *words_of(verb, argparse.Namespace(**{**vars(arguments), "storage": storage}))])


def words_of(verb: str, arguments: argparse.Namespace) -> list[str]:
    """The words of the command line, from the verb on, that executes a verb on the same study.

    Args:
        verb: the verb.
        arguments: parsed arguments of any verb.
    """
    recipe = ("recipe", "epochs", "minutes", "batch_size", "learning_rate", "weight_decay", "augmentation", "precision")
    more = {
        "run": ("data", "tables", "benchmark_model"),
        "supernet": ("data", "output", "minutes", "rule"),
        "train": ("data", "test", *recipe, "weights", "seed", "device", "threads"),
        "export": ("data",),
    }
    names = ("storage", *more.get(verb, ()))
    given = [(name.replace("_", "-"), getattr(arguments, name, None)) for name in names]
    if verb in more:
        given += [("plugin", plugin) for plugin in getattr(arguments, "plugin", [])]
    return [
        verb,
        arguments.study,
        *map(str, getattr(arguments, "numbers", ())),  # argparse takes none of them after an option
        *(word for name, value in given if value not in (None, "") for word in (f"--{name}", str(value))),
        *(["--skip-broken"] if getattr(arguments, "skip_broken", False) else []),
    ]


def say(line: str) -> None:
    """Prints a line on standard error and flushes it."""
    from mnas_moo.spaces.printable import printable

    print(printable(line), file=sys.stderr, flush=True)
