"""The verb `report`: a study as one page, with its plots as files beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mnas_moo.cli.verb import add_study, add_verb, command, say, study_file_of


def add(verbs: Any) -> None:
    """Adds the verb `report`."""
    parser = add_verb(
        verbs,
        "report",
        _report,
        "write a study as one page to show: its front, the networks to choose, what mattered, how to reproduce it",
        "  mnas-moo report digits\n  mnas-moo report study.yaml -o pages/small.html\n"
        "Each plot also lies as SVG, PDF and CSV in a folder beside the page; docs/report.md describes both.",
    )
    add_study(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE_OR_DIR",
        help="the page, a file that ends in .html, or a folder for it (default: report-NAME.html in this folder)",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="also time published networks on the study's device, beside those chosen from the front",
    )


def _report(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.report import report_of
    from mnas_moo.reports.report_files import write_report
    from mnas_moo.running.storage import open_study
    from mnas_moo.study_file.document import refusals

    study_file = study_file_of(arguments)
    study = open_study(study_file)
    file = _page(arguments.output, study_file.name)
    commands = [command(verb, arguments) for verb in ("run", "front", "report")]
    report = report_of(study, study_file, commands, _words(arguments), say if arguments.published else None)
    with refusals():
        file.parent.mkdir(parents=True, exist_ok=True)
        lacking = write_report(report, study, file)
    for line in lacking:
        say(line)
    print(f"written: {file}, and its plots and data in {file.with_suffix('')}/", file=sys.stderr)
    return 0


def _page(output: str | None, name: str) -> Path:
    """The file of the page.

    Raises:
        StudyError: another ending than .html.
    """
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.folder_name import folder_name

    own = f"report-{folder_name(name)}.html"
    if output is None:
        return Path(own)
    file = Path(output)
    if file.is_dir() or not file.suffix:
        return file / own
    if file.suffix != ".html":
        raise StudyError(f"{output}: its ending is {file.suffix!r}; a report is written as .html, or into a folder")
    return file


def _words(arguments: argparse.Namespace) -> str:
    """The words that name the study in another verb's command line."""
    return command("show", arguments).removeprefix("mnas-moo show ")
