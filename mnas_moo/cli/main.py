"""The command line, `mnas-moo VERB`: thin, and nothing heavy is imported before a verb needs it.

Exit status: 0, 1 where trials failed one after the other, 2 for what the user can mend (in one line), 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli import lut

if TYPE_CHECKING:
    import optuna

    from mnas_moo.spaces.spec import NetworkSpec
    from mnas_moo.study_file.study import StudyFile


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: its words; None: those of the process.

    Returns:
        The exit status.
    """
    arguments = _parser().parse_args(argv)
    from mnas_moo.objectives.extras import MissingExtraError
    from mnas_moo.objectives.objective import DeviceError
    from mnas_moo.study_file.document import StudyError

    try:
        return int(arguments.run(arguments))
    except (StudyError, MissingExtraError, DeviceError) as error:
        print(f"mnas-moo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mnas-moo", description="Search for networks that are both accurate and fast on a given device."
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    verb = functools.partial(lut.add_verb, verbs)
    run = verb(
        "run",
        _run,
        "run a study, or go on with it",
        "  mnas-moo run digits                     a bundled study\n"
        "  mnas-moo run my.yaml --trials 120       one of your own, until 120 trials are finished\n"
        "  mnas-moo run cifar10 --data ~/images    one subfolder of images a class\n"
        "Ctrl-C stops, and the same command goes on.",
    )
    _add_study(run)
    run.add_argument("--trials", type=int, metavar="N", help="finished trials wanted, instead of the file's")
    run.add_argument("--data", metavar="PATH", help="where the images are, instead of the file's")
    run.add_argument("--tables", metavar="DIR", help="where the published tables are (default: $MNAS_MOO_TABLES)")
    run.add_argument(
        "--benchmark-model", metavar="PATH", help="LiteRT's benchmark_model for the phones (docs/phones.md)"
    )
    run.add_argument("--json", action="store_true", help="print the front as JSON at the end")

    front = verb(
        "front",
        _front,
        "print the Pareto front of a study",
        "  mnas-moo front digits\n  mnas-moo front digits --csv > front.csv\n  mnas-moo front digits --plot front.svg",
    )
    _add_study(front)
    form = front.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV, with one column a parameter")
    form.add_argument("--json", action="store_true", help="print JSON: trial, params, network and the objectives")
    form.add_argument("--plot", metavar="FILE", help="draw it into a .png, .svg, .pdf or .html file")

    compare = verb(
        "compare",
        _compare,
        "compare samplers on the problem of a study",
        "  mnas-moo compare past.yaml                          mnas, nsga2 and tpe, 10 seeds each\n"
        "  mnas-moo compare macro.yaml --tables ~/tables --samplers mnas,nsga2,pymoo-nsga2 --seeds 20 --jobs 2\n"
        "  mnas-moo compare digits --trials 60 --seeds 5 --samplers mnas,random   trains 600 networks\n"
        "Ctrl-C stops, and the same command goes on; with more trials, seeds or samplers it does what is missing.",
    )
    compare.add_argument("study", metavar="STUDY", help="a study file, or the name of a bundled study")
    compare.add_argument(
        "--samplers",
        metavar="A,B,…",
        default="mnas,nsga2,tpe",
        help="mnas, mnas-paper; Optuna's nsga2, nsga3, tpe, gp, cmaes, random, brute; pymoo-nsga2, pymoo-agemoea, "
        "pymoo-smsemoa, pymoo-spea2; mnas, else the first, is tested against all others (default: %(default)s)",
    )
    compare.add_argument("--seeds", type=int, default=10, metavar="N", help="runs of each sampler (default: 10)")
    compare.add_argument("--trials", type=int, metavar="N", help="trials of a run, instead of the file's")
    compare.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: 1)")
    compare.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="end a run when its sampler alone has taken so long"
    )
    compare.add_argument(
        "--target-latency-ms", type=float, metavar="T", help="report the best MnasNet reward for this latency, too"
    )
    compare.add_argument("--tables", metavar="DIR", help="where the published tables are (default: $MNAS_MOO_TABLES)")
    compare.add_argument("--data", metavar="PATH", help="where the images are, instead of the file's")
    compare.add_argument("--output", metavar="DIR", help="folder of all results (default: NAME_comparison)")
    compare.add_argument("--json", action="store_true", help="print the results as JSON")

    show = verb(
        "show",
        _show,
        "show a published network, or the network of a trial",
        "  mnas-moo show mnasnet-a1 --width 0.75\n  mnas-moo show digits --trial 12 --picture network.svg",
    )
    show.add_argument("network", metavar="NETWORK", help="name of a published network, or a study with --trial")
    show.add_argument("--trial", type=int, metavar="N", help="the network of this trial of the study NETWORK")
    show.add_argument("--storage", metavar="URL", help="where the study's trials are, instead of the file's")
    show.add_argument("--width", type=float, metavar="X", help="factor on the channels of a published network")
    show.add_argument("--resolution", type=int, metavar="PIXELS", help="its input's height and width")
    show.add_argument("--classes", type=int, metavar="N", help="its outputs")
    show.add_argument(
        "--latency",
        action=argparse.BooleanOptionalAction,
        help="measure the latency on this machine (default: where LiteRT is installed and no latency is stored)",
    )
    show.add_argument("--picture", metavar="FILE", help="draw the network into an .svg file")
    show.add_argument("--json", action="store_true", help="print JSON")

    devices = verb(
        "devices",
        lut.devices,
        "show the phones in reach, and what keeps them from measuring",
        "  mnas-moo devices\n  mnas-moo devices --benchmark-model ~/Downloads/benchmark_model\n"
        "  mnas-moo devices --virtual 2     no phone yet? two that are not real, on this machine, until Ctrl-C",
    )
    devices.add_argument("--benchmark-model", metavar="PATH", help="can this one run on them?")
    devices.add_argument("--virtual", type=int, metavar="N", help="start N virtual phones, and say how to use them")
    devices.add_argument("--json", action="store_true", help="print JSON")
    lut.add_lut(verbs)

    dashboard = verb(
        "dashboard",
        _dashboard,
        "open the Optuna Dashboard on the storage of a study",
        "  mnas-moo dashboard digits\n  mnas-moo dashboard digits --port 8081 --no-browser",
    )
    _add_study(dashboard)
    dashboard.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    dashboard.add_argument("--port", type=int, default=8080, help="port to listen on (default: 8080; 0: any)")
    dashboard.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a study file, or the name of a bundled study")
    parser.add_argument("--storage", metavar="URL", help="where the trials are kept, instead of the file's")


def _run(arguments: argparse.Namespace) -> int:
    import optuna
    from rich.console import Console
    from rich.live import Live

    from mnas_moo.objectives.objective import DeviceError
    from mnas_moo.reports.progress import LiveProgress, PlainProgress
    from mnas_moo.running.run import TrialFailuresError, run_study
    from mnas_moo.study_file.network_study import NetworkStudy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study_file = _study_file(
        arguments,
        data=arguments.data,
        trials=arguments.trials,
        tables=arguments.tables,
        benchmark_model=arguments.benchmark_model,
    )
    reward = study_file.make_reward()
    terminal = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        progress: LiveProgress | PlainProgress = PlainProgress(sys.stderr, reward)
        if terminal.is_terminal:
            progress = LiveProgress(stack.enter_context(Live(console=terminal, transient=True)), reward)
        try:
            study = run_study(study_file, observer=progress)
        except TrialFailuresError as error:
            stack.close()
            print(f"mnas-moo: {error}", file=sys.stderr)
            return 1
        except (KeyboardInterrupt, DeviceError):
            stack.close()
            again = _command("run", arguments)
            print(f"stopped; what is finished is saved. To go on: {again}", file=sys.stderr)
            raise
    done = len(progress.completed)
    _print_front(study, arguments)
    if progress.finished_here:
        print(f"{study.study_name}: {done} trials are finished. What now:", file=sys.stderr)
    else:
        print(
            f"{study.study_name} is finished: it wants {study_file.trials} trials and has {done}. "
            f"To add some: {_command('run', arguments)} --trials {done + study_file.trials}",
            file=sys.stderr,
        )
    show = [("show", "--trial N")] if isinstance(study_file, NetworkStudy) else []
    for what, words in (("front", "--plot front.svg"), *show, ("dashboard", "")):
        print(f"  {_command(what, arguments)} {words}".rstrip(), file=sys.stderr)
    return 0


def _study_file(arguments: argparse.Namespace, **changes: Any) -> StudyFile:
    from mnas_moo.study_file.load import load_study_file

    return load_study_file(arguments.study, storage=arguments.storage, **changes)


def _command(verb: str, arguments: argparse.Namespace) -> str:
    """The command line for another verb on the same study."""
    names = ("storage", "data", "tables", "benchmark_model") if verb == "run" else ("storage",)
    given = [(name.replace("_", "-"), getattr(arguments, name, None)) for name in names]
    words = [
        "mnas-moo",
        verb,
        arguments.study,
        *(word for name, value in given if value for word in (f"--{name}", value)),
    ]
    return shlex.join(words)


def _front(arguments: argparse.Namespace) -> int:
    from mnas_moo.running.storage import open_study
    from mnas_moo.study_file.document import refusals

    study = open_study(_study_file(arguments))
    if arguments.plot:
        from mnas_moo.reports.plots import save_front

        with refusals():
            save_front(study, arguments.plot)
        print(f"written: {arguments.plot}", file=sys.stderr)
    else:
        _print_front(study, arguments)
    return 0


def _print_front(study: optuna.Study, arguments: argparse.Namespace) -> None:
    from mnas_moo.reports.text import front_csv, front_plot, front_records, front_table, front_trials
    from mnas_moo.running.trials import completed_trials

    completed = completed_trials(study)
    front = front_trials(study.directions, completed)
    if arguments.json:
        print(json.dumps(front_records(study, front), indent=2))
    elif getattr(arguments, "csv", False):
        print(front_csv(study, front), end="")
    elif front:
        from rich.console import Console

        console = Console()
        if console.is_terminal:
            console.print(front_plot(study, completed, front))
        console.print(front_table(study, front))
    else:
        what = "is feasible" if completed else "is finished"
        print(f"{study.study_name}: no trial {what} yet, so there is no front", file=sys.stderr)


def _compare(arguments: argparse.Namespace) -> int:
    import optuna
    from rich.console import Console

    from mnas_moo.compare.comparison import JOURNAL, PAGE, ComparisonError, Lines, Order, compare
    from mnas_moo.compare.report import tables
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.load import load_study_file

    for name, least in (("seeds", 1), ("jobs", 1)):
        if getattr(arguments, name) < least:
            raise StudyError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    for name in ("time_limit", "target_latency_ms"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise StudyError(f"--{name.replace('_', '-')} is {value:g}; it must be above 0")
    study_file = load_study_file(arguments.study, data=arguments.data, trials=arguments.trials, tables=arguments.tables)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = Path(arguments.output or f"{study_file.name}_comparison")
    if not arguments.samplers.replace(",", " ").split():
        raise StudyError("--samplers names none; mnas,nsga2 for example")
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


def _show(arguments: argparse.Namespace) -> int:
    figures: dict[str, Any] = {}
    if arguments.trial is None:
        spec = _published(arguments)
        figures["name"] = spec.name
    else:
        spec, measured = _of_trial(arguments)
        figures["trial"] = arguments.trial
        figures.update(measured)
    figures.update(
        parameters=spec.parameters, multiply_adds=spec.multiply_adds, peak_memory_bytes=spec.peak_memory_bytes
    )
    if arguments.latency or (
        arguments.latency is None and "latency_ms" not in figures and importlib.util.find_spec("ai_edge_litert")
    ):
        from mnas_moo.objectives.host.latency import HostLatency

        with contextlib.closing(HostLatency()) as latency:
            figures["latency_ms"] = latency.measure(spec, seed=0).value
    from mnas_moo.spaces.text import to_text

    figures["network"] = to_text(spec)
    if arguments.picture:
        _draw(spec, arguments.picture)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(_in_words(figures)))
    return 0


def _published(arguments: argparse.Namespace) -> NetworkSpec:
    from mnas_moo.spaces import NETWORKS, network
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.study_file.load import bundled

    if arguments.network.lower() not in NETWORKS and (
        arguments.network in bundled() or Path(arguments.network).is_file()
    ):
        raise StudyError(f"{arguments.network} is a study; say which of its networks: --trial N")
    settings = {name: getattr(arguments, name) for name in ("width", "resolution", "classes")}
    with refusals():
        return network(arguments.network, **{name: value for name, value in settings.items() if value is not None})


def _of_trial(arguments: argparse.Namespace) -> tuple[NetworkSpec, dict[str, float]]:
    """The network of a trial, and what was measured of it."""
    from mnas_moo.running.storage import open_study
    from mnas_moo.running.trials import MEASUREMENTS, NETWORK
    from mnas_moo.spaces.text import from_text
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.load import load_study_file
    from mnas_moo.study_file.network_study import NetworkStudy

    for name in ("width", "resolution", "classes"):
        if getattr(arguments, name) is not None:
            raise StudyError(f"--{name} is for published networks; that of a trial is what it is")
    study_file = load_study_file(arguments.network, storage=arguments.storage)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(
            f"{study_file.name} is a study of a table, whose trials are no networks that could be shown; "
            f"{_command('front', argparse.Namespace(study=arguments.network, storage=arguments.storage))} --json "
            "prints their parameters"
        )
    study = open_study(study_file)
    trials = study.get_trials(deepcopy=False)
    if not 0 <= arguments.trial < len(trials):
        has = f"trials 0 to {len(trials) - 1}" if trials else "no trials yet"
        raise StudyError(f"{study.study_name} has no trial {arguments.trial}; it has {has}")
    attributes = trials[arguments.trial].user_attrs
    if NETWORK not in attributes:
        raise StudyError(
            f"trial {arguments.trial} of {study.study_name} has no network ({trials[arguments.trial].state.name})"
        )
    measured = {name: m["value"] for name, m in attributes.get(MEASUREMENTS, {}).items()}
    return from_text(attributes[NETWORK]), {
        name: measured[name] for name in ("accuracy", "latency_ms") if name in measured
    }


def _in_words(figures: dict[str, Any]) -> Iterator[str]:
    yield figures.get("name") or f"trial {figures['trial']}"
    if "accuracy" in figures:
        yield f"  accuracy       {100 * figures['accuracy']:>14.2f} %"
    yield f"  parameters     {figures['parameters']:>14,}"
    yield f"  multiply-adds  {figures['multiply_adds']:>14,}"
    yield f"  peak memory    {figures['peak_memory_bytes']:>14,} bytes"
    if "latency_ms" in figures:
        yield f"  latency        {figures['latency_ms']:>14.4g} ms"
    yield from (f"  {word}" for word in figures["network"].split())


def _draw(spec: NetworkSpec, file: str) -> None:
    from mnas_moo.spaces.picture import picture
    from mnas_moo.study_file.document import StudyError, refusals

    if Path(file).suffix != ".svg":
        raise StudyError(f"{file}: a network is drawn as .svg")
    with refusals():
        Path(file).write_text(picture(spec), encoding="utf-8")
    print(f"written: {file}", file=sys.stderr)


def _dashboard(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.dashboard import serve
    from mnas_moo.study_file.document import refusals

    study_file = _study_file(arguments)
    with refusals():
        serve(study_file, host=arguments.host, port=arguments.port, open_browser=not arguments.no_browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
