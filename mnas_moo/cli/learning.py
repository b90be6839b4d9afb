"""The verb `learning`: shows how a search is learning, by the diagnostics that the sampler keeps with its trials."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from mnas_moo.cli.verb import add_study, add_verb, study_file_of


def add(verbs: Any) -> None:
    """Adds the verb `learning`."""
    parser = add_verb(
        verbs,
        "learning",
        _learning,
        "show how the search of a study is learning",
        "  mnas-moo learning digits\n  mnas-moo learning digits --plot learning.svg\n"
        "For the samplers mnas and mnas-paper, also while they run; docs/sampler.md explains the numbers.",
    )
    add_study(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON: updates, sources of proposals, and outcomes")
    form.add_argument("--plot", metavar="FILE", help="draw charts into a .png, .svg, .pdf or .html file")


def _learning(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.learning import NOTHING, learning_of
    from mnas_moo.reports.learning_text import advice, learning_record, learning_tables
    from mnas_moo.running.storage import open_study
    from mnas_moo.study_file.document import refusals

    study = open_study(study_file_of(arguments))
    if arguments.plot:
        from mnas_moo.reports.plots import save_learning

        with refusals():
            save_learning(study, arguments.plot)
        print(f"written: {arguments.plot}", file=sys.stderr)
        return 0
    with refusals():
        learning = learning_of(study.get_trials(deepcopy=False), study.directions, study.metric_names)
    if arguments.json:
        print(json.dumps(learning_record(learning), indent=2))
        return 0
    tables = learning_tables(learning)
    if not tables:
        print(f"{study.study_name}: nothing to show; {NOTHING}", file=sys.stderr)
        return 0
    from rich.console import Console

    from mnas_moo.reports.text import words

    console = Console()
    for table in tables:
        console.print(table)
    for sentence in advice(learning):
        console.print(words(sentence))
    return 0
