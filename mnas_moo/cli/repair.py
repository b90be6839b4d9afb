"""The verb `repair`: mends the journal of a study, and keeps a copy."""

from __future__ import annotations

import argparse
from typing import Any

from mnas_moo.cli.verb import add_study, add_verb, say, study_file_of

SHOWN_LINES = 20


def add(verbs: Any) -> None:
    """Adds the verb `repair`."""
    parser = add_verb(
        verbs,
        "repair",
        _repair,
        "take the broken lines out of a study's journal",
        "  mnas-moo repair my.yaml\nStop all runs of the study first. The journal as it was is kept beside it.",
    )
    add_study(parser)


def _repair(arguments: argparse.Namespace) -> int:
    from optuna.study import StudyDirection

    from mnas_moo.running.address import shown_address
    from mnas_moo.running.journal_repair import repair_journal
    from mnas_moo.running.storage import JOURNAL, storage_file
    from mnas_moo.study_file.document import StudyError, refusals

    study_file = study_file_of(arguments)
    file = storage_file(study_file)
    shown = shown_address(study_file.storage)
    if file is None or not study_file.storage.startswith(JOURNAL):
        raise StudyError(f"{shown} is no journal; SQLite's files are mended by `sqlite3 FILE .recover`")
    if not file.is_file():
        raise StudyError(f"{shown} is not there")
    with refusals():
        directions = [StudyDirection[direction.upper()] for direction in study_file.directions]
        repair = repair_journal(file.absolute(), study_file.name, directions, say)
    if repair.kept is None:
        say(f"{file}: nothing is broken")
        return 0
    for line in repair.lost[:SHOWN_LINES]:
        say(line)
    if len(repair.lost) > SHOWN_LINES:
        say(f"and {len(repair.lost) - SHOWN_LINES} more")
    say(f"{file} is mended; as it was, it is kept in {repair.kept.name}")
    return 0
