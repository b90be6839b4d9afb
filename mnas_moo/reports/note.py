"""The note with which the dashboard explains a study: what is searched, what is optimised, how to read the plots.

The dashboard reads Markdown, and HTML in it. Names come from a study file or a storage, and are shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from mnas_moo.objectives.objective import info_of
from mnas_moo.objectives.training.settings import TrainingProgress
from mnas_moo.reports.members import LEAST_OBJECTIVES
from mnas_moo.reports.panels import figure_text
from mnas_moo.reports.past import History, label_of
from mnas_moo.reports.progress import training_line
from mnas_moo.running.trials import PROGRESS
from mnas_moo.spaces.printable import as_code

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_MOST_LISTED = 20


def explain(
    name: str, identity: Mapping[str, Any], past: History, sampler: str | None, running: Sequence[FrozenTrial] = ()
) -> str:
    """The note on a study, for a reader who sees it for the first time.

    >>> from mnas_moo.reports.past import history
    >>> identity = {"table": {"name": "past.csv"}, "parameters": ["width", "depth"], "constraints": {}}
    >>> print(explain("small", identity, history([], ["minimize"], ["latency_ms"]), None).splitlines()[5])
    - latency (ms), minimized

    Args:
        name: name of the study.
        identity: the study's attribute ``mnas_moo.running.run.IDENTITY``.
        past: the study's trials and objectives.
        sampler: name of the sampler in the study file; None: not known.
        running: trials under way, of which some may say where their training stands.

    Returns:
        Markdown.
    """
    of_networks = "table" not in identity
    lines = [
        f"## {plain(name)}",
        _searched(identity) if of_networks else _looked_up(identity),
        "",
        f"**What is {'traded off' if len(past.names) > 1 else 'optimised'}**",
        "",
    ]
    for objective, direction in zip(past.names, past.directions, strict=True):
        info = info_of(objective) if of_networks else None
        meaning = f": {info.meaning}" if info else ""
        lines.append(f"- {plain(label_of(objective))}, {direction}d{meaning}")
    for constrained, bounds in identity["constraints"].items():
        lines.append(f"- constraint: {plain(label_of(constrained))} {limits_of(bounds)}")
    if sampler is not None:
        lines += ["", f"{'Networks' if of_networks else 'Points'} are proposed by the sampler `{sampler}`."]
    if past.verdicts:
        lines += ["", "**What the results cannot say**", "", *(f"- {plain(line)}" for line in past.verdicts)]
    under_way = [line for trial in running if (line := progress_line(trial))]
    if under_way:
        lines += ["", "**Now**", "", *(f"- {line}" for line in under_way)]
    if past.numbers:
        lines += ["", *_best(past, of_networks)]
    lines += [
        "",
        "**How to read [the plots](.)** (they begin the page that this link, or the topmost symbol, opens)",
        "",
    ]
    if len(past.names) > 1:
        lines += [
            "- *Pareto front*: every mark is a trial. Those on the orange steps are the front: no other trial "
            "is better in one objective without being worse in another. Hold the mouse over a mark "
            f"for its trial{' and its network' if of_networks else ''}.",
            *_at_once(past, of_networks),
            "- *Hypervolume*: the volume between the front and the reference point (the worst values so far, moved "
            "outwards by a tenth of their range); more is better. Where the curve is flat, the front does not improve.",
        ]
    else:
        lines.append("- *Best so far*: every mark is a trial; the orange steps are the best value up to each trial.")
    if sampler in ("mnas", "mnas-paper"):
        lines.append(
            "- *How the search is learning*: how well its model predicts, where its proposals come from, and how its "
            "policy moves. `mnas-moo learning STUDY` prints the same, and says if something is wrong."
        )
    if identity["constraints"]:
        lines.append(
            "- Trials that violate a constraint are drawn as crosses and are never on the front. The dashboard's own "
            "Pareto front draws them grey."
        )
    if of_networks:
        lines.append("- A trial's page has a picture of its network, its figures, and the commands to go on with it.")
    lines.append("- The other plots are the dashboard's own; the first objective is the horizontal axis of its front.")
    lines += [
        "",
        "**How to continue**",
        "",
        "`mnas-moo run STUDY` with the same study file continues where the study stopped; a larger `trials` adds "
        f"trials. `mnas-moo front STUDY` prints the front{', `mnas-moo show` a network' if of_networks else ''}.",
    ]
    return "\n".join(lines)


def _at_once(past: History, of_networks: bool) -> list[str]:
    if len(past.names) < LEAST_OBJECTIVES or past.front.sum() < 2:
        return []
    each = "network" if of_networks else "configuration"
    return [
        f"- *The front, a line each*: every line is a {each} of the front, and up is better on every axis. Drag along "
        "an axis, and what lies outside fades; click it to free it.",
        f"- *Pair by pair*: every {each} in the plots of all pairs of objectives; arrows lead to the better. Draw a "
        "box around some, and they stand out in all plots; double-click to end that.",
    ]


def limits_of(bounds: Mapping[str, float]) -> str:
    """The bounds of a constraint in words.

    >>> limits_of({"min": 2, "max": 30.5})
    'at least 2 and at most 30.5'
    """
    return " and ".join(f"at {'most' if end == 'max' else 'least'} {limit:g}" for end, limit in bounds.items())


def _best(past: History, of_networks: bool) -> list[str]:
    """The front as a list, each trial linked to its page."""
    members = np.flatnonzero(past.front)
    members = members[np.argsort(past.values[members, -1], kind="stable")]
    what = "networks" if of_networks else "trials"
    if not len(members):
        return [f"**No {what} to choose from yet**: all {len(past.numbers)} finished ones violate a constraint."]
    heading = "The Pareto front: what there is to choose from" if len(past.names) > 1 else "The best"
    lines = [f"**{heading}, of {len(past.numbers)} {what}**", ""]
    for i in members[:_MOST_LISTED]:
        number = past.numbers[i]
        pairs = zip(past.labels, past.values[i], strict=True)
        figures = ", ".join(f"{plain(label)} {figure_text(label, value)}" for label, value in pairs)
        lines.append(f"- [trial {number}](trials?numbers={number}): {figures}")
    if len(members) > _MOST_LISTED:
        lines.append(f"- and {len(members) - _MOST_LISTED} more; `mnas-moo front STUDY` prints all")
    return lines


def progress_line(trial: FrozenTrial) -> str:
    """Where the training of a running trial stands; empty where it does not say, or in words of its own."""
    stored = trial.user_attrs.get(PROGRESS)
    if not isinstance(stored, Mapping):
        return ""
    kinds = get_type_hints(TrainingProgress)
    fits = stored.keys() == kinds.keys() and all(_fits(stored[key], kind) for key, kind in kinds.items())
    return training_line(trial.number, TrainingProgress(**stored)) if fits else ""


def _fits(value: Any, kind: Any) -> bool:
    if value is None or isinstance(value, bool):
        return value is None and kind not in (int, float)
    allowed = int if kind is int else (int, float)
    return isinstance(value, allowed) and 0 <= value < 1e12


def _searched(identity: Mapping[str, Any]) -> str:
    """A sentence on what a study of networks searches."""
    space, data = identity["space"], identity["data"]
    settings = ", ".join(f"{plain(str(key))}: {plain(str(value))}" for key, value in space["settings"].items())
    decisions = f"{len(identity['parameters'])} decisions a network" + (f"; {settings}" if settings else "")
    images = "grey" if data["channels"] == 1 else "colour"
    return (
        "This study searches for neural networks that classify images well and are cheap to run. Every trial is one "
        f"network of the space {as_code(space['name'])} ({decisions}), built, measured and stored; its images are "
        f"{as_code(data['kind'])} ({data['classes']} classes, {images})."
    )


def _looked_up(identity: Mapping[str, Any]) -> str:
    """A sentence on what a tabular study looks up."""
    table, parameters = as_code(identity["table"]["name"]), len(identity["parameters"])
    return (
        f"This study searches the table {table} ({parameters} parameters). Its results are known: every trial is a "
        "look-up, and the whole study takes no longer than its sampler."
    )


# Words that mean nothing in Markdown, and numbers; what stands between letters makes no emphasis, list or link.
_WORDS = re.compile(r"(?=[^\W\d_])(?:[^\W_]|(?<=[^\W_])_(?=[^\W_])|[ (),%-])+|-?\d+(?:\.\d+)?")


def plain(text: str) -> str:
    """A name as it is: as code, unless it is of words that mean nothing in Markdown."""
    return text if _WORDS.fullmatch(text) else as_code(text)
