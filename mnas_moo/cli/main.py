"""The command line, `mnas-moo VERB`: the parser of all verbs, and how their errors end the program.

A verb is a module with a function ``add``, which adds its parser. Each imports what it needs when it runs, so that
`--help` is immediate. Exit status: 0; 1 if trials failed one after the other; 2 for an error that the user can
correct, described in one line; 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from mnas_moo.cli import compare, dashboard, devices, front, learning, lut, repair, run, show, supernet, train

VERBS = (run, front, learning, compare, show, supernet, train, devices, lut, dashboard, repair)
"""The modules of the verbs, in the order in which the help lists them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: words of the command line without the program's name; None: those of this process.

    Returns:
        The exit status.
    """
    arguments = _parser().parse_args(argv)
    from mnas_moo.objectives.extras import MissingExtraError
    from mnas_moo.objectives.memory import shortage_of
    from mnas_moo.objectives.objective import DeviceError
    from mnas_moo.running.address import without_passwords
    from mnas_moo.study_file.document import StudyError, one_line

    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as with `| head`; Python would complain again when it flushes standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        shortage = shortage_of(error)  # first: a package or a driver that finds no memory looks like a missing one
        if shortage:
            print(f"mnas-moo: {shortage}; free some, or raise the limit of this process", file=sys.stderr)
        elif isinstance(error, StudyError | MissingExtraError | DeviceError):
            print(f"mnas-moo: {one_line(without_passwords(str(error)))}", file=sys.stderr)
        else:
            raise
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser that shows no passwords in what it does not understand, and proposes the nearest verb."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with a message."""
        from mnas_moo.running.address import without_passwords
        from mnas_moo.spaces.names import closest

        wrong = re.match(r"argument VERB: invalid choice: '(.*?)' \(", message)
        names = [verb.__name__.rpartition(".")[2] for verb in VERBS]
        near = closest(wrong[1], names) if wrong else None
        super().error(without_passwords(message) + (f"; did you mean {near!r}?" if near else ""))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mnas-moo", description="Search for networks that are both accurate and fast on a given device."
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
