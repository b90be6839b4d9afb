"""Pictures of a study as files: its Pareto front, or its best value so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mnas_moo.reports.past import history
from mnas_moo.reports.plots_matplotlib import print_front
from mnas_moo.reports.plots_plotly import front_figure

if TYPE_CHECKING:
    import optuna

SUFFIXES = (".html", ".pdf", ".png", ".svg")


def save_front(study: optuna.Study, path: str | Path) -> None:
    """Writes a picture of the study's Pareto front; of its best value so far if there is one objective only.

    Args:
        study: with at least one finished trial.
        path: .html is interactive and holds all it needs; .png, .svg and .pdf are for print.

    Raises:
        ValueError: the ending is another one, or no trial is finished.
        MissingExtraError: plotly (.html) or matplotlib (the others) is not installed.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: its ending is {path.suffix!r}; a front is written as one of {', '.join(SUFFIXES)}")
    past = history(study.get_trials(deepcopy=False), study.directions, study.metric_names)
    if not past.numbers:
        raise ValueError(f"study {study.study_name!r} has no finished trial yet, so there is no front to draw")
    if path.suffix == ".html":
        front_figure(past).write_html(path, include_plotlyjs=True)
    else:
        print_front(past, path)
