"""The verb `run`: runs a study or continues it, shows its progress and prints its front at the end."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from mnas_moo.cli.front import print_front
from mnas_moo.cli.verb import add_plugins, add_study, add_verb, command, say, study_file_of, words_of


def add(verbs: Any) -> None:
    """Adds the verb `run`."""
    parser = add_verb(
        verbs,
        "run",
        _run,
        "run a study, or continue it",
        "  mnas-moo run digits                     a bundled study\n"
        "  mnas-moo run my.yaml --trials 120       a study file, until 120 trials are finished\n"
        "  mnas-moo run cifar10 --data ~/images    a folder with one subfolder of images per class\n"
        "Ctrl-C stops the run; the same command continues it.",
    )
    add_study(parser)
    parser.add_argument(
        "--trials", type=int, metavar="N", help="number of finished trials to reach, instead of the file's"
    )
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    parser.add_argument("--tables", metavar="DIR", help="folder of the published tables (default: $MNAS_MOO_TABLES)")
    parser.add_argument(
        "--benchmark-model", metavar="PATH", help="LiteRT's program benchmark_model for the phones (docs/phones.md)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="trials at the same time, each in a process of its own (default: as many as there are cores for where a "
        "budget of time decides, else 1)",
    )
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print the front as JSON at the end")


def _run(arguments: argparse.Namespace) -> int:
    from mnas_moo.running.memory_limit import check_memory_limit

    check_memory_limit()
    import optuna
    from rich.console import Console
    from rich.live import Live

    from mnas_moo.cli.beside import Beside
    from mnas_moo.objectives.objective import DeviceError
    from mnas_moo.reports.progress import LiveProgress, PlainProgress
    from mnas_moo.running.address import without_passwords
    from mnas_moo.running.run import TrialFailuresError, run_study
    from mnas_moo.running.trouble import StorageError
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.network_study import NetworkStudy

    if arguments.jobs is not None and arguments.jobs < 1:
        raise StudyError(f"--jobs is {arguments.jobs}; it must be at least 1")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study_file = study_file_of(
        arguments,
        data=arguments.data,
        trials=arguments.trials,
        skip_broken=arguments.skip_broken,
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
            trials = [] if arguments.trials is None else ["--trials", str(arguments.trials)]
            beside = Beside([*words_of("run", arguments), *trials], progress)
            study = run_study(study_file, observer=progress, workers=arguments.jobs, beside=beside.start)
        except TrialFailuresError as error:
            stack.close()
            say(f"mnas-moo: {without_passwords(str(error), study_file.storage)}")
            return 1
        except (KeyboardInterrupt, DeviceError, StorageError):
            stack.close()
            again = command("run", arguments)
            print(f"stopped; what is finished is saved. To go on: {again}", file=sys.stderr)
            raise
    done = len(progress.completed)
    print_front(study, arguments)
    if progress.finished_here:
        print(f"{study.study_name}: {done} trials are finished. What now:", file=sys.stderr)
    else:
        wants = f"{study_file.trials} trials" if study_file.trials else "no more than the time of its budget"
        print(
            f"{study.study_name} is finished: it wants {wants} and has {done}. "
            f"To add some: {command('run', arguments)} --trials {done + (study_file.trials or done)}",
            file=sys.stderr,
        )
    show = [("show", "--trial N")] if isinstance(study_file, NetworkStudy) else []
    for what, words in (("front", "--plot front.svg"), *show, ("dashboard", "")):
        print(f"  {command(what, arguments)} {words}".rstrip(), file=sys.stderr)
    return 0
