"""A report as files: its page, and beside it a folder with each plot as SVG, PDF and CSV, and all trials as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import optuna

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.reports.figures import Figure, csv_of
from mnas_moo.reports.figures_print import print_figure
from mnas_moo.reports.page import Report, page
from mnas_moo.reports.text import front_csv
from mnas_moo.running.trials import completed_trials


def write_report(report: Report, study: optuna.Study, file: Path) -> list[str]:
    """Writes the page and, into a folder of its name, each plot as SVG, PDF and CSV, and all trials as CSV.

    Args:
        report: what it shows.
        study: the study.
        file: the page, which ends in .html; the folder is the same without this ending.

    Returns:
        What could not be written, a line each.

    Raises:
        OSError: a file cannot be written.
    """
    folder = file.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[str]] = {}
    lacking: list[str] = []
    for each in report.figures:
        files[each.name] = list(_write_figure(each, folder, lacking))
    with whole_file(folder / "trials.csv") as part:
        part.write_text(front_csv(study, completed_trials(study)), encoding="utf-8")
    with whole_file(file) as part:
        part.write_text(page(report, files), encoding="utf-8")
    return lacking


def _write_figure(drawn: Figure, folder: Path, lacking: list[str]) -> Iterator[str]:
    """Writes one plot, and yields the addresses of its files relative to the page."""
    written = []
    if not lacking:
        try:
            with whole_file(folder / f"{drawn.name}.svg") as svg, whole_file(folder / f"{drawn.name}.pdf") as pdf:
                print_figure(drawn, svg, pdf)
            written += ["svg", "pdf"]
        except MissingExtraError as error:
            lacking.append(f"no plots as SVG and PDF: {error}")
    with whole_file(folder / f"{drawn.name}.csv") as part:
        part.write_text(csv_of(drawn), encoding="utf-8")
    yield from (f"{quote(folder.name)}/{drawn.name}.{ending}" for ending in [*written, "csv"])
