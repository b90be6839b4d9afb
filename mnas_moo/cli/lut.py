"""The verb `lut`: builds, checks and imports lookup tables, which give the latency of a network as a sum of layers.

A device and a space are written as in a study file: `--device host`, `--device "adb: {serials: [R5]}"`,
`--space "mnasnet: {preset: digits}"`. A study given as the space stands for its own space, made for its data.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_plugins, add_verb, say

if TYPE_CHECKING:
    from mnas_moo.objectives.objective import Latency
    from mnas_moo.spaces.space import Space


def add(verbs: Any) -> None:
    """Adds the verb `lut` with its verbs `build`, `check` and `import`."""
    summary = "build, check and import lookup tables: latency without a device"
    lut = verbs.add_parser("lut", help=summary, description=summary[0].upper() + summary[1:] + ".")
    actions = lut.add_subparsers(title="verbs", metavar="VERB", required=True)
    device: dict[str, Any] = {
        "metavar": "DEVICE",
        "default": "host",
        "help": "host, adb, onnxruntime or cuda, with settings as in a study file: "
        '"adb: {serials: [R5CT]}" (default: %(default)s)',
    }
    build = add_verb(
        actions,
        "build",
        _build,
        "measure every distinct layer of a space once",
        "  mnas-moo lut build --space mnasnet --device host -o host.json\n"
        "  mnas-moo lut build --space my.yaml --device adb -o phone.json     the space of a study\n"
        "Ctrl-C stops the build; the same command continues it.",
    )
    build.add_argument(
        "--space",
        metavar="SPACE",
        required=True,
        help='name of the space, with settings "mnasnet: {preset: digits}", or a file that has space and data',
    )
    add_plugins(build)
    build.add_argument("--data", metavar="PATH", help="folder of the study's images, instead of the file's")
    build.add_argument("--device", **device)
    build.add_argument("-o", "--output", metavar="FILE", required=True, help="the table, as JSON")

    check = add_verb(
        actions,
        "check",
        _check,
        "compare a table with whole random networks, and correct it",
        "  mnas-moo lut check phone.json --device adb --networks 100 --plot check.png",
    )
    check.add_argument("table", metavar="FILE", help="the table; correction and figures are stored in it")
    add_plugins(check)
    check.add_argument("--device", **device)
    check.add_argument(
        "--networks", type=int, default=100, metavar="N", help="number of networks (default: %(default)s)"
    )
    check.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the random networks (default: %(default)s)"
    )
    check.add_argument("--plot", metavar="FILE", help="draw the comparison into a .png, .svg, .pdf or .html file")
    check.add_argument("--json", action="store_true", help="print JSON")

    imports = add_verb(
        actions,
        "import",
        _import,
        "convert a published table, and repeat its published check",
        "  mnas-moo lut import fbnet --tables ~/tables --device pixel3 -o pixel3.json\n"
        "  mnas-moo lut import tunas --tables ~/tables -o pixel1.json",
    )
    imports.add_argument("kind", metavar="TABLE", help="fbnet, tunas or proxylessnas")
    imports.add_argument("--tables", metavar="DIR", help="folder of the published tables (default: $MNAS_MOO_TABLES)")
    imports.add_argument("--device", metavar="NAME", help="device, for fbnet: pixel3, raspi4, eyeriss or fpga")
    imports.add_argument("-o", "--output", metavar="FILE", required=True, help="the table, as JSON")
    imports.add_argument("--json", action="store_true", help="print the check as JSON")


def space_of(text: str, data: str | None, plugins: Sequence[str] = ()) -> Space:
    """The space that ``--space`` names.

    Args:
        text: value of ``--space``: a space, with settings or without, or a study.
        data: folder of images in place of the study's own, which decides classes and channels; None: the study's.
        plugins: modules and Python files whose spaces may be named.

    Raises:
        StudyError: there is no such space or study, or a setting is refused.
    """
    from mnas_moo.running.objectives import describe
    from mnas_moo.study_file.document import Key, StudyError
    from mnas_moo.study_file.load import bundled, load_study_file, read_option
    from mnas_moo.study_file.network_study import NetworkStudy
    from mnas_moo.study_file.space_choice import SpaceChoice, make_space

    if text in bundled() or Path(text).suffix in (".yaml", ".yml"):
        study = load_study_file(text, data=data, plugins=plugins, space_only=True)
        if not isinstance(study, NetworkStudy):
            raise StudyError(f"--space: {text} is a study of a table; one of networks is needed")
        return study.make_space(describe(study))

    if data is not None:
        raise StudyError(f"--data is for the space of a study, and --space is {text}")

    def error(key: Key, problem: str) -> StudyError:
        return StudyError(f"--{'.'.join(map(str, key))}{'' if problem.startswith(':') else ' '}{problem}")

    return make_space(read_option("--space", text, SpaceChoice), error, named=plugins)


def device_of(text: str) -> Latency:
    """The source of measured latency that ``--device`` names; it reports waiting times on standard error.

    Raises:
        StudyError: there is no such device, or a setting is refused.
        MissingExtraError: a package is not installed.
    """
    from mnas_moo.running import latency_sources
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.load import read_option
    from mnas_moo.study_file.measuring import Measured

    settings = latency_sources.in_visits(read_option("--device", text, Measured))
    try:
        return latency_sources.make(settings, say)
    except ValueError as error:
        raise StudyError(f"--device: {error}") from error


def _build(arguments: argparse.Namespace) -> int:
    from mnas_moo.objectives.lookup.build import build

    space = space_of(arguments.space, arguments.data, arguments.plugin)
    stopped = "all measured layers but the last few are saved, and the same command continues"
    with closing(device_of(arguments.device)) as latency, measuring(stopped), bar("layers") as progress:
        table = build(space, latency, arguments.output, visits=_visits(latency), progress=progress)
    for name, why in table.failures.items():
        say(f"not measured: {name}: {why}")
    say(f"{arguments.output}: {len(table.entries) - len(table.failures)} layers of {table.device['model']}")
    words = ["mnas-moo", "lut", "check", arguments.output, "--device", arguments.device]
    words += [word for plugin in arguments.plugin for word in ("--plugin", plugin)]
    say(f"To check its sums against whole networks: {shlex.join(words)}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from mnas_moo.objectives.lookup.check import check
    from mnas_moo.objectives.lookup.lookup_table import LookupTable
    from mnas_moo.objectives.lookup.plot import SUFFIXES, save_plot
    from mnas_moo.spaces.printable import printable
    from mnas_moo.study_file.document import StudyError, refusals

    if arguments.plot and Path(arguments.plot).suffix.lower() not in SUFFIXES:  # not after minutes of measuring
        raise StudyError(f"--plot: {arguments.plot} cannot be drawn to; allowed are {', '.join(SUFFIXES)}")
    with refusals():
        table = LookupTable.load(arguments.table)
        space = table.the_space(arguments.plugin)
    stopped = "the table is unchanged"
    with closing(device_of(arguments.device)) as latency, measuring(stopped), bar("networks") as progress:
        visits = _visits(latency)
        report = check(
            arguments.table, space, latency, arguments.networks, arguments.seed, visits=visits, progress=progress
        )
    print(json.dumps(report.figures, indent=2) if arguments.json else "\n".join(map(printable, report.lines)))
    if arguments.plot:
        with refusals():
            save_plot(report, str(table.device["model"]), arguments.plot)
        say(f"written: {arguments.plot}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from mnas_moo.objectives.lookup.published import import_table
    from mnas_moo.study_file.document import StudyError, refusals

    folder = arguments.tables or os.environ.get("MNAS_MOO_TABLES")
    if not folder:
        raise StudyError("--tables is missing; it is the folder of the published tables (or set MNAS_MOO_TABLES)")
    with refusals():
        table = import_table(arguments.kind, folder, arguments.output, arguments.device)
    if arguments.json:
        print(json.dumps(dict(table.check), indent=2))
    else:
        for name, value in table.check.items():
            print(f"{name.replace('_', ' ')}: {value}")
    say(f"written: {arguments.output}")
    return 0


@contextmanager
def measuring(stopped: str) -> Iterator[None]:
    """Adds ``stopped``, the state of the results, to the message if Ctrl-C or a lost device ends measuring early."""
    from mnas_moo.study_file.document import StudyError, refusals

    try:
        with refusals():
            yield
    except KeyboardInterrupt:
        say(f"stopped; {stopped}")
        raise
    except RuntimeError as error:
        raise StudyError(f"{error}; {stopped}") from error


def _visits(latency: Latency) -> int:
    """How often each graph is measured: once on a phone, whose session is steady, several times on this machine."""
    from mnas_moo.objectives.lookup.build import VISITS

    return 1 if latency.device["backend"] == "adb" else VISITS


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function of (done, total) that shows progress: a bar on a terminal, lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: say(f"{what}: {done} of {total} measurements")
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
