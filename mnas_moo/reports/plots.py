"""The plots of a study: interactive figures, and its Pareto front as a file.

The figures are plotly's (``plots_plotly.py``), the files for print matplotlib's (``plots_matplotlib.py``). Both draw
the panels of ``panels.py``, made from a ``History`` (``past.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.reports.choices import Choice, tags_of
from mnas_moo.reports.learning import NOTHING, charts_of, learning_of
from mnas_moo.reports.past import history
from mnas_moo.reports.plots_matplotlib import print_front, print_learning
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure, learning_figure

if TYPE_CHECKING:
    import optuna

__all__ = [
    "SUFFIXES",
    "drawable",
    "front_figure",
    "history",
    "hypervolume_figure",
    "learning_figure",
    "save_front",
    "save_learning",
]

SUFFIXES = (".html", ".pdf", ".png", ".svg")


def save_front(study: optuna.Study, path: str | Path, marked: Sequence[Choice] = ()) -> None:
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
        marked: networks that are marked with their titles.

    Raises:
        ValueError: the file has another ending, or no trial is finished.
        MissingExtraError: plotly (.html) or matplotlib (the others) is not installed.
    """
    path = drawable(path, "a front")
    past = history(study.get_trials(deepcopy=False), study.directions, study.metric_names)
    if not past.numbers:
        raise ValueError(f"study {study.study_name!r} has no finished trial yet, so there is no front to draw")
    past = replace(past, marks=tags_of(marked))
    with whole_file(path) as part:
        if path.suffix == ".html":
            front_figure(past).write_html(part, include_plotlyjs=True)
        else:
            print_front(past, part)


def save_learning(study: optuna.Study, path: str | Path) -> None:
    """Draws into a file how the search of a study is learning.

    >>> import optuna, tempfile
    >>> from mnas_moo import MnasSampler
    >>> study = optuna.create_study(sampler=MnasSampler(seed=0))
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=22)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_learning(study, f"{folder}/learning.svg")
    ...     print([path.name for path in Path(folder).iterdir()])
    ['learning.svg']

    Args:
        study: study whose trials ``MnasSampler`` has proposed.
        path: file to write, as in ``save_front``.

    Raises:
        ValueError: the file has another ending, or the trials tell nothing of the search.
        MissingExtraError: plotly (.html) or matplotlib (the others) is not installed.
    """
    path = drawable(path, "a plot")
    charts = charts_of(learning_of(study.get_trials(deepcopy=False), study.directions, study.metric_names))
    if not charts:
        raise ValueError(f"study {study.study_name!r} has nothing to draw: {NOTHING}")
    with whole_file(path) as part:
        if path.suffix == ".html":
            learning_figure(charts, tall=True).write_html(part, include_plotlyjs=True)
        else:
            print_learning(charts, part)


def drawable(path: str | Path, what: str) -> Path:
    """The path of ``what``, a drawing.

    Raises:
        ValueError: its ending is none of ``SUFFIXES``.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: its ending is {path.suffix!r}; {what} is written as one of {', '.join(SUFFIXES)}")
    return path
