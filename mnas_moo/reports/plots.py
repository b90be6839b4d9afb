"""The plots of a study: interactive figures, and its Pareto front as a file.

The figures are plotly's (``plots_plotly.py``), the files for print matplotlib's (``plots_matplotlib.py``). Both draw
the panels of ``panels.py``, made from a ``History`` (``past.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mnas_moo.reports.past import history
from mnas_moo.reports.plots_matplotlib import print_front
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure

if TYPE_CHECKING:
    import optuna

__all__ = ["SUFFIXES", "front_figure", "history", "hypervolume_figure", "save_front"]

SUFFIXES = (".html", ".pdf", ".png", ".svg")


def save_front(study: optuna.Study, path: str | Path) -> None:
    """Draws the study's Pareto front into a file; with one objective, its best value so far.

    >>> import optuna, tempfile
    >>> study = optuna.create_study(directions=["maximize", "minimize"])
    >>> study.add_trials([optuna.create_trial(values=values) for values in ([0.75, 10.0], [0.5, 50.0])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_front(study, f"{folder}/front.svg")
    ...     print([path.name for path in Path(folder).iterdir()])
    ['front.svg']

    Args:
        study: study with at least one finished trial.
        path: file to write. An .html file is interactive and complete in itself; .png, .svg and .pdf are for print.

    Raises:
        ValueError: the file has another ending, or no trial is finished.
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
