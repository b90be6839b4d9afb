"""The note with which the dashboard explains one trial: its figures, its network, and what can be done with it.

Markdown, as the note on a study (``note``); names and texts of a storage are shown as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from mnas_moo.reports.intervals import interval_of, trainings_of
from mnas_moo.reports.note import limits_of, plain, progress_line
from mnas_moo.reports.panels import described, figure_text
from mnas_moo.reports.past import History, label_of
from mnas_moo.running.trials import FAILURE, SAME_AS, measured, network_of
from mnas_moo.spaces.printable import as_code, printable

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_MOST_REASON = 500


def explain_trials(
    study_id: int, identity: Mapping[str, Any], trials: Sequence[FrozenTrial], past: History
) -> dict[int, str]:
    """The note of every trial, by the trial's id.

    Args:
        study_id: id of the study in its storage.
        identity: the study's attribute ``mnas_moo.running.run.IDENTITY``.
        trials: all trials of the study.
        past: its finished trials.
    """
    places = {number: bool(member) for number, member in zip(past.numbers, past.front.tolist(), strict=True)}
    feasible = dict(zip(past.numbers, past.feasible.tolist(), strict=True))
    return {
        trial._trial_id: _explained(study_id, identity, trial, past, places.get(trial.number), feasible)
        for trial in trials
    }


def best_trials(study_id: int, trials: Sequence[FrozenTrial], past: History) -> list[dict[str, Any]]:
    """The front's trials as the dashboard's page expects its best trials, with figures that can be read.

    The dashboard's own ones ignore constraints, and print all digits of all parameters.
    """
    by_number = {trial.number: trial for trial in trials}
    best = []
    for i in np.flatnonzero(past.front):
        trial = by_number[past.numbers[i]]
        texts = [("network", past.networks[i])] if past.networks[i] else trial.params.items()
        params = [{"name": printable(name), "param_external_value": printable(str(text))} for name, text in texts]
        best.append(
            {
                "trial_id": trial._trial_id,
                "study_id": study_id,
                "number": trial.number,
                "state": "Complete",
                "values": described(past, past.values[i]),
                "params": params,
                "fixed_params": [],
                "user_attrs": [],
                "intermediate_values": [],
                "note": {"version": 0, "body": ""},
                "artifacts": [],
                "constraints": [],
            }
        )
    return best


def artifact_of(trial: FrozenTrial, which: int) -> str:
    """Identifier of an artifact that is made on request: hexadecimal, as the dashboard wants it, and no UUID."""
    return f"0-{trial._trial_id:x}-{which}"


def _explained(
    study_id: int,
    identity: Mapping[str, Any],
    trial: FrozenTrial,
    past: History,
    on_front: bool | None,
    feasible: Mapping[int, bool],
) -> str:
    lines = [_standing(trial, past, on_front, feasible)]
    if figures := _figures(identity, trial, past):
        lines += ["", *figures]
    if network := network_of(trial):
        address = f"/artifacts/{study_id}/{trial._trial_id}/{artifact_of(trial, 0)}"
        alternative = f"Picture of the network of trial {trial.number}, layer by layer; its text is below"
        study = f"STUDY --trial {trial.number}"
        lines += [
            "",
            "**The network** (a click enlarges the picture)",
            "",
            f"[![{alternative}]({address})]({address})",
            "",
            as_code(network),
        ]
        if trial.state == TrialState.COMPLETE:
            lines += [
                "",
                "**What to do with it** (STUDY is the study file)",
                "",
                f"- `mnas-moo show {study}` prints it layer by layer,",
                f"- `mnas-moo train STUDY {trial.number}` trains it to the end,",
                f"- `mnas-moo export STUDY {trial.number} -o DIR` writes it as files for an app.",
            ]
    return "\n".join(lines)


def _standing(trial: FrozenTrial, past: History, on_front: bool | None, feasible: Mapping[int, bool]) -> str:
    """A sentence on what came of a trial."""
    if trial.state == TrialState.FAIL:
        reason = trial.user_attrs.get(FAILURE)
        return "**It failed**" + (f": {plain(reason[:_MOST_REASON])}" if isinstance(reason, str) else ".")
    if trial.state == TrialState.RUNNING:
        return f"**It is under way**: {progress_line(trial) or 'it has not said how far it is'}."
    if on_front is None:
        return "It has no finite results."
    count = f"{len(past.numbers)} finished trial{'s' if len(past.numbers) != 1 else ''}"
    several = len(past.names) > 1
    if not feasible[trial.number]:
        line = "**It violates a constraint**, so it is never on the front."
    elif on_front:
        line = f"**On the Pareto front** of {count}." if several else f"**The best** of {count}."
    else:
        line = f"Not on the Pareto front of {count}: another one is better." if several else f"Not the best of {count}."
    same = trial.user_attrs.get(SAME_AS)
    return line + (f" Its results are those of trial {same}, the same network." if isinstance(same, int) else "")


def _figures(identity: Mapping[str, Any], trial: FrozenTrial, past: History) -> list[str]:
    """A line for each objective and each constraint, with interval and limit where there are some."""
    values = dict(zip(past.names, trial.values or (), strict=False))
    labels = dict(zip(past.names, past.labels, strict=True))
    constraints = identity["constraints"]
    lines = []
    for name in [*past.names, *(name for name in constraints if name not in labels)]:
        value = values.get(name, measured(trial, name).get("value"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        label = labels.get(name) or label_of(name)
        line = f"- {plain(label)}: **{figure_text(label, value)}**"
        if interval := interval_of(trial, name):
            low, high = (figure_text(label, end) for end in interval)
            line += f", 95 % interval {low} to {high}"
        trainings = trainings_of(trial) if name == "accuracy" else 0
        if trainings:
            line += f", mean of {trainings} trainings" if trainings > 1 else ", one training"
        if name in constraints:
            line += f"; allowed is {limits_of(constraints[name])}"
        lines.append(line)
    return lines
