"""A note on a study for somebody who sees it for the first time, as the dashboard shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnas_moo.objectives.objective import OBJECTIVES
from mnas_moo.reports.past import History, label_of


def explain(name: str, identity: Mapping[str, Any], past: History, sampler: str | None) -> str:
    """A note on a study for somebody who sees it for the first time.

    Args:
        name: of the study.
        identity: what ``mnas_moo.running.run`` stores of it.
        past: its trials and objectives.
        sampler: as the study file calls it; None: not known.

    Returns:
        Markdown.
    """
    of_networks = "table" not in identity
    lines = [
        f"## {name}",
        _searched(identity) if of_networks else _looked_up(identity),
        "",
        f"**What is {'traded off' if len(past.names) > 1 else 'optimised'}**",
        "",
    ]
    for objective, direction in zip(past.names, past.directions, strict=True):
        meaning = f": {OBJECTIVES[objective].meaning}" if of_networks and objective in OBJECTIVES else ""
        lines.append(f"- {label_of(objective)}, {direction}d{meaning}")
    for constrained, bounds in identity["constraints"].items():
        limits = " and ".join(f"at {'most' if end == 'max' else 'least'} {limit:g}" for end, limit in bounds.items())
        lines.append(f"- constraint: {label_of(constrained)} {limits}")
    if sampler is not None:
        lines += ["", f"{'Networks' if of_networks else 'Points'} are proposed by the sampler `{sampler}`."]
    lines += ["", "**How to read the plots** (at the end of the Analytics page)", ""]
    if len(past.names) > 1:
        lines += [
            "- *Pareto front*: every mark is a trial. Of those on the orange steps no other one is better in one "
            "objective without being worse in another: they are the ones to choose from. Hold the mouse over a mark "
            f"for its trial{' and its network' if of_networks else ''}.",
            "- *Hypervolume*: how much of the space of objectives the front covers, seen from the reference point "
            "(the worst values so far and a tenth of their range). A curve that has gone flat has little left to find.",
        ]
    else:
        lines.append("- *Best so far*: every mark is a trial; the orange steps are the best one until then.")
    if identity["constraints"]:
        lines.append(
            "- Trials that violate a constraint are crosses, and never on the front. The dashboard's own list of "
            "best trials does not look at constraints."
        )
    if of_networks:
        lines.append("- A trial's page has a picture of its network and the network as text (`network.txt`).")
    lines += [
        "",
        "**How to go on**",
        "",
        "`mnas-moo run STUDY` with the same study file goes on where the study stopped; a larger `trials` asks for "
        f"more. `mnas-moo front STUDY` prints the front{', `mnas-moo show` a network' if of_networks else ''}.",
    ]
    return "\n".join(lines)


def _searched(identity: Mapping[str, Any]) -> str:
    """What a study of networks searches."""
    space, data = identity["space"], identity["data"]
    settings = ", ".join(f"{key}: {value}" for key, value in space["settings"].items())
    decisions = f"{len(identity['parameters'])} decisions a network" + (f"; {settings}" if settings else "")
    images = "grey" if data["channels"] == 1 else "colour"
    return (
        "This study searches for neural networks that classify images well and are cheap to run. Every trial is one "
        f"network of the space `{space['name']}` ({decisions}), built, measured and stored; its images are "
        f"`{data['kind']}` ({data['classes']} classes, {images})."
    )


def _looked_up(identity: Mapping[str, Any]) -> str:
    """What a study of a table looks up."""
    return (
        f"This study searches the table `{identity['table']['name']}` ({len(identity['parameters'])} parameters). Its "
        "results are known: every trial is a look-up, and a whole study takes no longer than its sampler."
    )
