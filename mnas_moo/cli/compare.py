"""The verb `compare`: runs several samplers on the problem of a study and reports which finds the better fronts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mnas_moo.cli.verb import add_plugins, add_verb


def add(verbs: Any) -> None:
    """Adds the verb `compare`."""
    parser = add_verb(
        verbs,
        "compare",
        _compare,
        "compare samplers on the problem of a study",
        "  mnas-moo compare past.yaml                          mnas, nsga2 and tpe with 10 seeds each\n"
        "  mnas-moo compare macro.yaml --tables ~/tables --samplers mnas,nsga2,pymoo-nsga2 --seeds 20 --jobs 2\n"
        "  mnas-moo compare digits --trials 60 --seeds 5 --samplers mnas,random   trains 600 networks\n"
        "Ctrl-C stops the comparison; the same command continues it. With more trials, seeds or samplers, only what is "
        "missing is run.",
    )
    parser.add_argument("study", metavar="STUDY", help="a study file, or the name of a bundled study")
    parser.add_argument(
        "--samplers",
        metavar="A,B,…",
        default="mnas,nsga2,tpe",
        help="mnas, mnas-paper, dppnet; Optuna's nsga2, nsga3, tpe, gp, cmaes, random, brute; OptunaHub's auto; local; "
        "fbnet; botorch; pymoo-nsga2, pymoo-agemoea, pymoo-smsemoa, pymoo-spea2; mnas, "
        "or else the first one, is tested against all others (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=int, default=10, metavar="N", help="number of runs of each sampler (default: 10)"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="number of trials of each run, instead of the file's")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of runs at the same time (default: 1)")
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="MINUTES",
        help="end a run when its sampler, without the objective, has taken this long",
    )
    parser.add_argument(
        "--target-latency-ms",
        type=float,
        metavar="T",
        help="also report the best MnasNet reward for this target latency",
    )
    parser.add_argument("--tables", metavar="DIR", help="folder of the published tables (default: $MNAS_MOO_TABLES)")
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--output", metavar="DIR", help="folder for all results (default: NAME_comparison)")
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def _compare(arguments: argparse.Namespace) -> int:
    import optuna
    from rich.console import Console

    from mnas_moo.compare.comparison import JOURNAL, PAGE, ComparisonError, Lines, Order, compare
    from mnas_moo.compare.report import tables
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.folder_name import folder_name
    from mnas_moo.study_file.load import load_study_file
    from mnas_moo.study_file.network_study import NetworkStudy

    for name, least in (("seeds", 1), ("jobs", 1)):
        if getattr(arguments, name) < least:
            raise StudyError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    for name in ("time_limit", "target_latency_ms"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise StudyError(f"--{name.replace('_', '-')} is {value:g}; it must be above 0")
    study_file = load_study_file(
        arguments.study,
        data=arguments.data,
        trials=arguments.trials,
        tables=arguments.tables,
        plugins=arguments.plugin,
    )
    if study_file.trials is None or (isinstance(study_file, NetworkStudy) and study_file.budget is not None):
        reason = "a comparison gives every sampler the same number of trials; give trials in its place"
        raise study_file.error(("budget",), f": {reason}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = Path(arguments.output or f"{folder_name(study_file.name)}_comparison")
    if not arguments.samplers.replace(",", " ").split():
        raise StudyError("--samplers names none; an example: mnas,nsga2")
    order = Order(
        study_file,
        arguments.samplers.replace(",", " ").split(),
        arguments.seeds,
        study_file.trials,
        folder,
        arguments.jobs,
        arguments.time_limit,
        arguments.target_latency_ms,
    )
    try:
        found = compare(order, Lines(sys.stderr))
    except ComparisonError as error:
        print(f"mnas-moo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what is finished is saved, and the same command goes on", file=sys.stderr)
        raise
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        console = Console()
        for table in tables(found):
            console.print(table)
    print(f"plots: {folder / PAGE}", file=sys.stderr)
    print(f"all runs side by side: optuna-dashboard {folder / JOURNAL}", file=sys.stderr)
    return 1 if found["failed"] else 0
