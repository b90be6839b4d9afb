"""The verb `front`: prints the Pareto front of a study, or draws it into a file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_study, add_verb, say, study_file_of

if TYPE_CHECKING:
    import optuna

    from mnas_moo.reports.choices import Choice


def add(verbs: Any) -> None:
    """Adds the verb `front`."""
    parser = add_verb(
        verbs,
        "front",
        _front,
        "print the Pareto front of a study",
        "  mnas-moo front digits\n  mnas-moo front digits --csv > front.csv\n  mnas-moo front digits --plot front.svg\n"
        "  mnas-moo front digits --pick panacea",
    )
    add_study(parser)
    parser.add_argument(
        "--pick",
        choices=("fastest", "accurate", "knee", "panacea"),
        metavar="WHICH",
        help="of the front only: fastest, for each latency, among those of at least the front's median accuracy; "
        "accurate; knee, the least loss in sum; panacea, good at everything: the least worst rank; --plot marks them",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV with one column per parameter")
    form.add_argument("--json", action="store_true", help="print JSON: trial, params, network and the objectives")
    form.add_argument("--plot", metavar="FILE", help="draw the front into a .png, .svg, .pdf or .html file")


def _front(arguments: argparse.Namespace) -> int:
    from mnas_moo.running.storage import open_study
    from mnas_moo.study_file.document import refusals

    study = open_study(study_file_of(arguments))
    if arguments.plot:
        from mnas_moo.reports.plots import save_front

        with refusals():
            save_front(study, arguments.plot, picks_of(study, arguments.pick))
        print(f"written: {arguments.plot}", file=sys.stderr)
    else:
        print_front(study, arguments)
    return 0


def print_front(study: optuna.Study, arguments: argparse.Namespace) -> None:
    """Prints the front as JSON (--json), as CSV (--csv) or as a table."""
    from mnas_moo.reports.text import (
        front_csv,
        front_plot,
        front_records,
        front_table,
        front_trials,
        objective_names,
    )
    from mnas_moo.reports.verdicts import verdicts
    from mnas_moo.running.trials import NETWORK, completed_trials, network_of
    from mnas_moo.spaces.text import MOST_CHARACTERS
    from mnas_moo.study_file.document import refusals

    completed = completed_trials(study)
    front = front_trials(study.directions, completed)
    pick = getattr(arguments, "pick", None)
    with refusals():
        picks = picks_of(study, pick)
    if pick and front:
        chosen = {choice.trial.number for choice in picks}
        front = [trial for trial in front if trial.number in chosen]
    for trial in front:
        if NETWORK in trial.user_attrs and not network_of(trial):
            say(f"trial {trial.number}: its network is left out, as no text of up to {MOST_CHARACTERS:,} characters")
    if arguments.json:
        records = front_records(study, front)
        for record in records if pick else []:
            own = [choice for choice in picks if choice.trial.number == record["trial"]]
            record["picks"] = [{"title": choice.title, "why": choice.why} for choice in own]
        print(json.dumps(records, indent=2))
    elif getattr(arguments, "csv", False):
        print(front_csv(study, front), end="")
    elif front:
        from rich.console import Console

        console = Console()
        if console.is_terminal and not pick:
            console.print(front_plot(study, completed, front))
        console.print(front_table(study, front))
        for choice in picks:
            print(f"{choice.title}: trial {choice.trial.number}. {choice.why}")
        for line in verdicts(objective_names(study), study.directions, completed):
            say(line)
    else:
        what = "is feasible" if completed else "is finished"
        print(f"{study.study_name}: no trial {what} yet, so there is no front", file=sys.stderr)


def picks_of(study: optuna.Study, pick: str | None) -> list[Choice]:
    """The picks of that name from the study's front; none without a name.

    Raises:
        ValueError: the front has none.
    """
    if pick is None:
        return []
    from mnas_moo.reports.picks import picked
    from mnas_moo.reports.text import front_trials, objective_names
    from mnas_moo.running.trials import completed_trials

    front = front_trials(study.directions, completed_trials(study))
    return picked(pick, front, objective_names(study), study.directions)
