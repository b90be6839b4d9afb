"""The verb `compare-networks`: published networks and those of a study's front, timed in turn on one device."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_verb, say, study_file_of

if TYPE_CHECKING:
    from mnas_moo.reports.networks import Entry


def add(verbs: Any) -> None:
    """Adds the verb `compare-networks`."""
    parser = add_verb(
        verbs,
        "compare-networks",
        _compare,
        "time published networks, and those of a study's front, in turn on one device",
        "  mnas-moo compare-networks\n"
        "  mnas-moo compare-networks digits --top 3 --plot networks.svg\n"
        '  mnas-moo compare-networks --network mnasnet-a1 --device "adb: {serials: [R5CT]}"',
    )
    parser.add_argument(
        "study", metavar="STUDY", nargs="?", help="a study file, or the name of a bundled study: its front is timed too"
    )
    parser.add_argument("--storage", metavar="URL", help="storage of the trials, instead of the file's")
    parser.add_argument("--top", type=int, metavar="N", help="only the first N networks of the study's front")
    parser.add_argument(
        "--network",
        metavar="NAME",
        action="append",
        help="a published network, instead of nine; MobileNetV2 is always among them; may be repeated",
    )
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        default="host",
        help="host, adb, onnxruntime or cuda, with settings as in a study file: "
        '"adb: {serials: [R5CT]}" (default: %(default)s)',
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="times that each network is measured (default: 5)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--plot", metavar="FILE", help="draw the comparison into a .png, .svg, .pdf or .html file too")


def _compare(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from mnas_moo.cli.lut import bar, device_of, measuring
    from mnas_moo.reports.networks import ROUNDS, compare, entries_of, notes, record, table
    from mnas_moo.reports.networks_plot import save_plot
    from mnas_moo.reports.plots import drawable
    from mnas_moo.reports.text import words
    from mnas_moo.spaces.published import COMPARED
    from mnas_moo.study_file.document import StudyError, refusals

    rounds = ROUNDS if arguments.rounds is None else arguments.rounds
    for option, value in (("--rounds", arguments.rounds), ("--top", arguments.top)):
        if value is not None and value < 1:
            raise StudyError(f"{option} is {value}; it must be at least 1")
    if arguments.study is None and (arguments.top or arguments.storage):
        raise StudyError(f"{'--top' if arguments.top else '--storage'} is for the networks of a STUDY; name one")
    with refusals():  # not after minutes of measuring
        if arguments.plot:
            drawable(Path(arguments.plot), "a comparison")
        entries = entries_of(arguments.network or COMPARED)
    if arguments.study:
        entries += _of_study(arguments)
    with closing(device_of(arguments.device)) as latency, measuring("nothing is kept"), bar("networks") as progress:
        comparison = compare(latency, entries, rounds, progress)
    if arguments.json:
        print(json.dumps(record(comparison), indent=2))
        return 0
    console = Console()
    console.print(table(comparison))
    for line in notes(comparison):
        console.print(words(line))
    if arguments.plot:
        with refusals():
            save_plot(comparison, arguments.plot)
        say(f"written: {arguments.plot}")
    return 0


def _of_study(arguments: argparse.Namespace) -> list[Entry]:
    """The networks of a study's front, the best of the first objective first.

    Raises:
        StudyError: there is no such study, it is one of a table, or it has no front yet.
    """
    from mnas_moo.reports.networks import Entry
    from mnas_moo.reports.text import front_trials
    from mnas_moo.running.storage import open_study
    from mnas_moo.running.trials import completed_trials, measured, network_of
    from mnas_moo.spaces.text import from_text
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.network_study import NetworkStudy

    study_file = study_file_of(arguments)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(f"{arguments.study} is a study of a table, whose trials are no networks that could be timed")
    study = open_study(study_file)
    entries = []
    for trial in front_trials(study.directions, completed_trials(study))[: arguments.top]:
        try:
            spec = from_text(network_of(trial))
        except ValueError as error:  # another program may have written there
            raise StudyError(f"trial {trial.number} of {study.study_name} holds no network of ours: {error}") from error
        accuracy = measured(trial, "accuracy").get("value")
        entries.append(Entry(f"trial {trial.number}", spec, trial.number, accuracy))
    if not entries:
        raise StudyError(f"{study.study_name}: no trial is finished yet, so there are no networks to compare")
    return entries
