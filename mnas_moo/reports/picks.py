"""The named picks from a front: fastest acceptable, most accurate, knee, and "Panacea", which is good at everything.

The names are DPP-Net's (Dong et al. 2018, sec. 4): a network for each device, the fastest of acceptable error, and
one for all objectives and devices. The paper gives no rule; ours are stated here. Acceptable is an accuracy of at least
the front's median. Panacea is the member whose worst rank among all objectives is least; of equal ones the one whose
ranks are the least in sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from mnas_moo.objectives.front import minimised
from mnas_moo.objectives.objective import is_latency
from mnas_moo.reports.choices import BEST, KNEE, LEAST_MEMBERS, Choice, choices_of, short_label, title_of
from mnas_moo.reports.text import figure

PICKS = ("fastest", "accurate", "knee", "panacea")
"""Names of the picks."""
PANACEA = "panacea"


def picked(pick: str, front: Sequence[FrozenTrial], names: Sequence[str], directions: Sequence[Any]) -> list[Choice]:
    """The networks of a pick: one, or for the fastest one for each latency.

    Args:
        pick: one of ``PICKS``.
        front: the front, as ``text.front_trials`` gives it.
        names: names of the objectives.
        directions: their directions.

    Raises:
        ValueError: there is no such pick, or the front has none.
    """
    if pick not in PICKS:
        raise ValueError(f"there is no pick {pick!r}; allowed: {', '.join(PICKS)}")
    if not front:
        return []
    if pick == "fastest":
        return _fastest(front, names)
    if pick == "panacea":
        return [_panacea(front, names, directions)]
    if pick == "accurate":
        if "accuracy" not in names:
            raise ValueError(f"--pick accurate needs the objective accuracy; there are: {', '.join(names)}")
        title = BEST["accuracy"]
    else:
        if len(front) < LEAST_MEMBERS or len(names) < 2:
            raise ValueError(
                f"--pick knee needs a front of {LEAST_MEMBERS} networks and two objectives; there are {len(front)} "
                f"and {len(names)}"
            )
        title = KNEE
    return [choice for choice in choices_of(front, names, directions, None) if choice.title == title]


def with_panacea(
    choices: Sequence[Choice], front: Sequence[FrozenTrial], names: Sequence[str], directions: Sequence[Any]
) -> list[Choice]:
    """The networks to choose, and with three objectives or more the one that is good at everything.

    Args:
        choices: the networks to choose, as ``choices.choices_of`` gives them.
        front: the front, as ``text.front_trials`` gives it.
        names: names of the objectives.
        directions: their directions.
    """
    several = len(names) > 2 and len(front) >= LEAST_MEMBERS
    return [*choices, *([_panacea(front, names, directions)] if several else [])]


def _fastest(front: Sequence[FrozenTrial], names: Sequence[str]) -> list[Choice]:
    latencies = [m for m, name in enumerate(names) if is_latency(name)]
    if not latencies:
        raise ValueError(f"--pick fastest needs an objective that is a latency; there are: {', '.join(names)}")
    acceptable, among = list(front), "of the front"
    if "accuracy" in names:
        place = list(names).index("accuracy")
        least = float(np.median([trial.values[place] for trial in front]))
        acceptable = [trial for trial in front if trial.values[place] >= least]
        among = f"among the {len(acceptable)} with an accuracy of at least the front's median, "
        among += figure("accuracy", least)
    found = []
    for m in latencies:
        trial = min(acceptable, key=lambda trial: (trial.values[m], trial.number))
        why = f"The lowest {short_label(names[m])} {among}: {figure(names[m], trial.values[m])}."
        found.append(Choice(title_of(names[m]), trial, why))
    return found


def _panacea(front: Sequence[FrozenTrial], names: Sequence[str], directions: Sequence[Any]) -> Choice:
    values = minimised([trial.values for trial in front], directions)  # (F, M)
    # (F, M) how many members are better; equal ones share the best rank
    ranks = (values[:, None] > values[None]).sum(axis=1)
    i = min(range(len(front)), key=lambda i: (ranks[i].max(), ranks[i].sum(), front[i].number))
    parts = [f"{ranks[i, m] + 1} in {short_label(name)}" for m, name in enumerate(names)]
    why = f"Good at everything: of the front's {len(front)} members its worst rank is the least ({', '.join(parts)})."
    return Choice(PANACEA, front[i], why)
