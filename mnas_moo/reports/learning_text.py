"""How a search is learning, as tables, as advice in sentences, and as plain data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mnas_moo.reports.learning import SOURCES, UPDATES, WINDOW, Learning, Update, learning_of
from mnas_moo.reports.text import figure, objective_names, words
from mnas_moo.spaces.printable import short

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

# Limits beyond which ``advice`` says something.
KL = 0.05
"""Approximate KL above which an update moves the policy too far, in nats a decision."""
CLIPPED = 0.3
"""Clip fraction above which an update moves the policy too far."""
STILL = 1e-4
"""Approximate KL up to which a policy has hardly moved, in nats a decision."""
CERTAIN = 0.05
"""Entropy below which a policy is nearly certain, in nats a decision."""
BLIND = 0.2
"""Leave-one-out R² below which a model does not predict an objective."""
INSIDE = 0.8
"""Share of results within their 95 % intervals below which the intervals are too narrow."""
PATIENCE = 5
"""Updates in a row after which a policy that has hardly moved is mentioned."""


def learning_record(learning: Learning) -> dict[str, Any]:
    """Updates, sources and outcomes as plain data, for JSON."""
    return {
        "updates": [dataclasses.asdict(update) for update in learning.updates],
        "sources": dict(Counter(learning.sources.values())),
        "outcomes": [
            {
                "trial": outcome.trial,
                "expected": outcome.expected.tolist(),
                "came": outcome.came.tolist(),
                "expected_gain": outcome.expected_gain,
                "gain": outcome.gain,
            }
            for outcome in learning.outcomes
        ],
        "grown": [dataclasses.asdict(each) for each in learning.grown],
    }


def learning_tables(learning: Learning) -> list[Any]:
    """Rich tables of the model, the proposals, the gains and the last updates, where there are any."""
    from rich import box
    from rich.table import Table

    def table(*columns: str) -> Table:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for i, column in enumerate(columns):
            made.add_column(column, justify="right" if i else "left")
        return made

    tables = []
    last = _last_model(learning)
    if last is not None:
        model = table("the model now", "leave-one-out R²", "median error", "rank correlation", "within 95 %")
        for m, name in enumerate(learning.names):
            quality = last.model[m]
            inside = _inside(learning, m)
            model.add_row(
                words(short(name)),
                _number(quality["r2"]),
                "" if quality["error"] is None else figure(name, quality["error"]),
                _number(quality["tau"]),
                "" if inside is None else f"{inside:.0%}",
            )
        tables.append(model)
    if learning.grown:
        rounds = table("rank correlation of mutants", "trial", "steps", "networks", *map(short, learning.names))
        for each in learning.grown:
            figures = (f"{each.trial}", f"{each.steps}", f"{each.networks}", *map(_number, each.tau))
            rounds.add_row(f"round {each.round}", *figures)
        tables.append(rounds)
    if learning.sources:
        counts = Counter(learning.sources.values())
        recent = Counter(source for _, source in sorted(learning.sources.items())[-WINDOW:])
        proposals = table("proposals from", "all trials", f"last {WINDOW}")
        for source, label in SOURCES.items():
            if counts[source]:
                shares = (counter[source] / counter.total() for counter in (counts, recent))
                proposals.add_row(label, *(f"{share:.0%}" for share in shares))
        tables.append(proposals)
    if learning.outcomes:
        gains = table("growth of the hypervolume", "expected", "came")
        for label, outcomes in (("all trials", learning.outcomes), (f"last {WINDOW}", learning.outcomes[-WINDOW:])):
            sums = (sum(o.expected_gain for o in outcomes), sum(o.gain for o in outcomes))
            gains.add_row(label, *map(_number, sums))
        tables.append(gains)
    updates = [update for update in learning.updates if update.numbers]
    if updates:
        names = [name for name in UPDATES if name in updates[-1].numbers]
        steps = table("PPO updates", *(f"trial {update.trial}" for update in updates[-4:]))
        for name in names:
            steps.add_row(UPDATES[name], *(_number(update.numbers.get(name)) for update in updates[-4:]))
        tables.append(steps)
    return tables


def advice(learning: Learning) -> list[str]:
    """One sentence for each diagnostic beyond its limit: what it means, and what helps; empty where none is."""
    found = []
    updates = [update for update in learning.updates if update.numbers]
    if updates:
        numbers = updates[-1].numbers
        if _above(numbers, "approx_kl", KL) or _above(numbers, "clip_fraction", CLIPPED):
            found.append(
                "The policy moves too far an update (approximate KL or clip fraction is high): "
                "a smaller learning rate, or fewer epochs, would steady it."
            )
        entropy = numbers.get("entropy")
        if entropy is not None and entropy < CERTAIN:
            found.append("The policy is nearly certain (entropy near 0): it proposes the same network again and again.")
        if "reward" in numbers and numbers.get("explained_variance") is None:
            found.append("All trials of the last batch have the same reward, so the policy has nothing to learn from.")
        recent = [update.numbers for update in updates[-PATIENCE:] if "reward" in update.numbers]
        if len(recent) == PATIENCE and not any(_above(each, "approx_kl", STILL) for each in recent):
            found.append(
                "The policy has hardly moved in the last updates: the published learning rate is meant for thousands "
                "of trials."
            )
    last = _last_model(learning)
    if last is not None:
        for m, name in enumerate(learning.names):
            r2 = last.model[m]["r2"]
            if r2 is not None and r2 < BLIND:
                found.append(
                    f"The model does not predict {short(name)} (leave-one-out R² {r2:.2f}): its measurements may be "
                    "mostly noise, or need more trials."
                )
            inside = _inside(learning, m)
            if inside is not None and inside < INSIDE and len(learning.outcomes) >= WINDOW:
                found.append(f"Only {inside:.0%} of the last results of {short(name)} lie where 95 % were expected.")
    return found


def grown_line(study: optuna.Study, trial: FrozenTrial) -> str:
    """How well the progressive search predicted its last round, in one line; empty where the trial does not tell it."""
    try:
        grown = learning_of([trial], study.directions, objective_names(study)).grown
    except ValueError:  # a damaged note; `learning` says so
        return ""
    if not grown:
        return ""
    both = zip(objective_names(study), grown[0].tau, strict=True)
    found = [f"{short(name)} {tau:.2f}" for name, tau in both if tau is not None]
    rank = ", ".join(found) or "nothing had to be predicted"
    return (
        f"round {grown[0].round}: {grown[0].networks} networks of {grown[0].steps} steps; rank correlation of what was "
        f"predicted and what came: {rank}"
    )


def _last_model(learning: Learning) -> Update | None:
    return next((update for update in reversed(learning.updates) if update.model), None)


def _inside(learning: Learning, m: int) -> float | None:
    """Share of the last results of objective m within their 95 % intervals."""
    last = [outcome.inside[m] for outcome in learning.outcomes[-WINDOW:]]
    return sum(last) / len(last) if last else None


def _above(numbers: Mapping[str, float | None], name: str, limit: float) -> bool:
    value = numbers.get(name)
    return value is not None and value > limit


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
