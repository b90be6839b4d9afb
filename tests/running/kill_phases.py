"""A program that runs a study and kills it (SIGKILL) in turns within a storage's write, an ask, a training, the drawing
of a plot and the writing of its file.

The worker is a fork that notes in shared memory what it is doing. It stops itself (SIGSTOP) as it begins what is
wanted, goes on for a random time, is stopped again and, if it is still within it, killed. It draws the front after a
trial where that is wanted. Printed are the kills by what they hit, and how the last worker ended.

    python -m tests.running.kill_phases STUDY.yaml KILLS SEED
"""

from __future__ import annotations

import functools
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.orm
import torch
from optuna.trial import FrozenTrial
from PIL import Image

import mnas_moo.sampler  # noqa: F401  # before the forks, which need it
from mnas_moo.objectives.training import accuracy
from mnas_moo.reports.plots import save_front
from mnas_moo.running import run
from mnas_moo.running.journal import JournalFile
from mnas_moo.running.trials import Observer
from mnas_moo.study_file.load import load_study_file

PHASES = ("other", "write", "ask", "train", "plot", "file")
LONGEST_SECONDS = {"write": 0.002, "ask": 0.02, "train": 0.04, "plot": 0.2, "file": 0.01}
"""A worker goes on for up to so long within what it has begun; for half as long once that was too long."""
PLOTS = ("front.png", "front.html")

_shared = mmap.mmap(-1, 4)  # with the forks
NOW, WANTED, FINISHED, BEFORE = range(4)
"""Places in it: what the worker does, what it is to stop in, finished trials (modulo 256), those at the last kill."""


@contextmanager
def phase(name: str) -> Iterator[None]:
    """A block that is noted; within another one, it is that what the worker does."""
    before, _shared[NOW] = _shared[NOW], PHASES.index(name)
    # A network that kills its worker three times would be given up: between two kills, one trial at least is finished.
    if _shared[NOW] == _shared[WANTED] and _shared[FINISHED] != _shared[BEFORE]:
        _shared[WANTED] = 0
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        yield
    finally:
        _shared[NOW] = before


def note(owner: Any, name: str, what: str) -> None:
    """Lets calls of a function be noted."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        with phase(what):
            return function(*args, **kwargs)

    setattr(owner, name, noted)


class Drawing(Observer):
    """Draws the front after a trial where the worker is to be killed meanwhile."""

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
        _shared[FINISHED] = (_shared[FINISHED] + 1) % 256
        if PHASES[_shared[WANTED]] in ("plot", "file"):
            with phase("plot"):
                save_front(study, PLOTS[trial.number % len(PLOTS)])


def start(path: str) -> int:
    """Forks a worker."""
    _shared[NOW] = 0
    process = os.fork()
    if process == 0:
        status = 0
        try:
            run.run_study(load_study_file(path), observer=Drawing())
        except BaseException:
            traceback.print_exc()
            status = 1
        os._exit(status)
    return process


def check_plots() -> None:
    """Asserts that a plot is whole or not there."""
    for name in PLOTS:
        if Path(name).exists():
            if name.endswith(".png"):
                with Image.open(name) as image:
                    image.load()
            else:
                assert Path(name).read_text(encoding="utf-8").rstrip().endswith("</html>"), name


def main(path: str, n_kills: int, seed: int) -> None:
    """Kills the worker again and again, and starts another in its place."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    for owner, name, what in (
        (sqlalchemy.orm.Session, "commit", "write"),
        (JournalFile, "append_logs", "write"),
        (run, "reserve", "ask"),
        (run, "begin", "ask"),
        (optuna.Trial, "_suggest", "ask"),
        (accuracy, "train", "train"),
        (Image.Image, "save", "file"),
        (Path, "write_text", "file"),
    ):
        note(owner, name, what)
    rng = random.Random(seed)
    hits = dict.fromkeys(PHASES, 0)
    longest = dict(LONGEST_SECONDS)
    worker = start(path)
    for n in range(n_kills):
        wanted = rng.choice([name for name in PHASES[1:] if hits[name] == n // (len(PHASES) - 1)])
        _shared[BEFORE] = _shared[FINISHED]
        while True:
            _shared[WANTED] = PHASES.index(wanted)
            _, status = os.waitpid(worker, os.WUNTRACED)
            assert os.WIFSTOPPED(status), f"it has finished after {n} kills: {hits}"
            os.kill(worker, signal.SIGCONT)
            time.sleep(rng.uniform(0, longest[wanted]))
            os.kill(worker, signal.SIGSTOP)
            _, status = os.waitpid(worker, os.WUNTRACED)
            assert os.WIFSTOPPED(status), f"it has finished after {n} kills: {hits}"
            if _shared[NOW] == PHASES.index(wanted):
                break
            longest[wanted] /= 2
            os.kill(worker, signal.SIGCONT)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        hits[wanted] += 1
        check_plots()
        worker = start(path)
    _, status = os.waitpid(worker, 0)
    print(*(hits[name] for name in PHASES), status)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))  # type: ignore[call-arg]
