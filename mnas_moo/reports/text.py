"""A study's front as text: records for JSON and CSV, a table, and a scatter plot made of characters."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.front import is_feasible, pareto_mask
from mnas_moo.reports.intervals import interval_of, trainings_of
from mnas_moo.running.trials import NETWORK, measured, network_of
from mnas_moo.spaces.printable import printable, short

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


def front_trials(directions: Sequence[Any], completed: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The Pareto front of the feasible trials, sorted by the first objective from its best value; each network once.

    A trial with an infinite value, which another program may have stored, is left out, as it is from the plots.

    >>> import optuna
    >>> study = optuna.create_study(directions=["maximize", "minimize"])
    >>> for values in ([0.5, 20.0], [0.75, 30.0], [0.25, 40.0]):
    ...     study.add_trial(optuna.create_trial(values=values, user_attrs={"network": str(values)}))
    >>> [trial.values for trial in front_trials(study.directions, study.trials)]
    [[0.75, 30.0], [0.5, 20.0]]

    Args:
        directions: directions of the study's objectives.
        completed: completed trials of the study.
    """
    feasible = [trial for trial in completed if is_feasible(trial) and np.isfinite(trial.values).all()]
    if not feasible:
        return []
    mask = pareto_mask([trial.values for trial in feasible], directions)
    sign = -1 if directions[0].name == "MAXIMIZE" else 1
    front = sorted(
        (trial for trial, on_front in zip(feasible, mask, strict=True) if on_front),
        key=lambda trial: (sign * trial.values[0], trial.values, trial.number),
    )
    networks = [network_of(trial) or trial.params for trial in front]
    return [trial for i, trial in enumerate(front) if networks[i] not in networks[:i]]


def front_records(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """The trials as plain data: `trial` (the number), the objectives by name, `params` and `network`.

    Where they are known: `intervals`, 95 % intervals of objectives by name, `accuracies`, those of each training, and
    `weights`, by which the network was judged in a study of shared ones.
    """
    names = objective_names(study)
    records = []
    for trial in trials:
        record: dict[str, Any] = {"trial": trial.number, **dict(zip(names, trial.values, strict=True))}
        intervals = {name: list(interval) for name in names if (interval := interval_of(trial, name)) is not None}
        if intervals:
            record["intervals"] = intervals
        if trainings_of(trial):
            record["accuracies"] = [training["accuracy"] for training in measured(trial, "accuracy")["trainings"]]
        if weights := measured(trial, "accuracy").get("weights"):
            record["weights"] = weights
        records.append({**record, "params": trial.params, "network": network_of(trial)})
    return records


def front_csv(study: optuna.Study, trials: Sequence[FrozenTrial]) -> str:
    """The trials as CSV with a header: `trial`, the objectives by name, `network`, and one column per parameter."""
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", *map(printable, [*objective_names(study), NETWORK, *params])])
    for trial in trials:
        values = (network_of(trial), *(trial.params.get(name, "") for name in params))
        writer.writerow([trial.number, *trial.values, *(printable(str(value)) for value in values)])
    return out.getvalue()


def objective_names(study: optuna.Study) -> list[str]:
    """The names of the objectives; "objective 0", "objective 1"... in a study without names."""
    return study.metric_names or [f"objective {i}" for i in range(len(study.directions))]


def front_table(study: optuna.Study, front: Sequence[FrozenTrial]) -> Any:
    """The front as a rich table."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("trial", justify="right")
    names = objective_names(study)
    for name in names:
        table.add_column(words(short(name)), justify="right", overflow="fold")  # names differ in their ends
    trained = any(trainings_of(trial) for trial in front)
    if trained:
        table.add_column("trainings", justify="right")
    weights = [str(measured(trial, "accuracy").get("weights") or "") for trial in front]
    if any(weights):
        table.add_column("weights")
    for trial, judge in zip(front, weights, strict=True):
        cells = [figure(n, v, interval_of(trial, n)) for n, v in zip(names, trial.values, strict=True)]
        table.add_row(
            str(trial.number),
            *cells,
            *([str(trainings_of(trial) or "")] if trained else []),
            *([words(judge)] if any(weights) else []),
        )
    return table


def front_plot(study: optuna.Study, completed: Sequence[FrozenTrial], front: Sequence[FrozenTrial]) -> Any:
    """A rich panel with all trials: the first objective upwards, the second one or the trial number to the right."""
    from rich.panel import Panel

    name, *others = map(short, objective_names(study))
    on_front = {trial.number for trial in front}
    y = [trial.values[0] for trial in completed]
    x = [trial.values[1] if others else trial.number for trial in completed]
    lines = scatter(x, y, [trial.number in on_front for trial in completed])
    title = words(f"{name} {figure(name, min(y))} to {figure(name, max(y))}, upwards")
    across = f"{others[0]} {figure(others[0], min(x))} to {figure(others[0], max(x))}" if others else "trials"
    beside = words(f"{across}, to the right")
    return Panel("\n".join(lines), title=title, subtitle=beside, title_align="left", expand=False)


def words(text: str, style: str = "") -> Any:
    """A text for rich as it is: rich reads `[…]` in a string as markup, and lets escape sequences pass."""
    from rich.text import Text

    return Text(printable(text), style=style)


def figure(name: str, value: float, interval: tuple[float, float] | None = None) -> str:
    """A value in three or four digits; an accuracy that is a fraction in percent, with its interval if it is known.

    >>> figure("accuracy", 0.9567), figure("latency_ms", 78.123), figure("parameters_m", 12345.6)
    ('95.67 %', '78.12', '12,346')
    >>> figure("accuracy", 0.6132, (0.60, 0.63))
    '61.3 ± 1.5 %'

    Args:
        name: name of the objective.
        value: its value.
        interval: 95 % interval of an accuracy; that of a latency is too narrow to be of use here.
    """
    if name == "accuracy" and value <= 1:
        if interval is not None:
            return f"{100 * value:.1f} ± {50 * (interval[1] - interval[0]):.1f} %"
        return f"{100 * value:.2f} %"
    digits = 3 if abs(value) >= 100 else 4
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def scatter(
    x: npt.ArrayLike, y: npt.ArrayLike, marked: npt.ArrayLike, *, width: int = 60, height: int = 12
) -> list[str]:
    """Points on a grid of characters: `·` for a point, `o` for a marked one.

    >>> for line in scatter([0, 1, 2], [0.0, 2.0, 1.0], [True, True, False], width=5, height=3): print(repr(line))
    '  o  '
    '    ·'
    'o    '

    Args:
        x: (N,) horizontal coordinates, growing to the right.
        y: (N,) vertical coordinates, growing upwards.
        marked: (N,) whether the point is drawn as `o`; it then covers others in its cell.
        width: width of the plot in characters.
        height: height of the plot in lines.

    Returns:
        ``height`` lines of ``width`` characters, the uppermost first.
    """
    columns, rows = (_cells(np.asarray(values, dtype=float), size) for values, size in ((x, width), (y, height)))
    grid = [[" "] * width for _ in range(height)]
    for column, row, mark in sorted(
        zip(columns, rows, np.asarray(marked, dtype=bool), strict=True), key=lambda p: p[2]
    ):
        grid[height - 1 - row][column] = "o" if mark else "·"
    return ["".join(line) for line in grid]


def _cells(values: npt.NDArray[np.float64], size: int) -> list[int]:
    """Index of the cell, 0 to ``size`` - 1, that each value (N,) falls into."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    share = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    return [int(cell) for cell in np.rint(share * (size - 1))]
