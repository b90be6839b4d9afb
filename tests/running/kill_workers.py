"""A program that runs a study in several processes and kills them at random moments; prints how they ended.

The processes are forks of one that has imported everything, so that most of their lives are spent in trials.

    python -m tests.running.kill_workers STUDY.yaml WORKERS KILLS SEED SECONDS
"""

from __future__ import annotations

import math
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence

import optuna
import torch
from optuna.trial import FrozenTrial

import mnas_moo.sampler  # noqa: F401  # before the forks, which need it
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import Observer
from mnas_moo.study_file.load import load_study_file

_finished = mmap.mmap(-1, 1)
"""Number of finished trials, modulo 256, which the workers share."""


class Counting(Observer):
    """Counts the finished trials."""

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
        _finished[0] = (_finished[0] + 1) % 256


def start(path: str) -> int:
    """Forks a worker."""
    process = os.fork()
    if process == 0:
        status = 0
        try:
            run_study(load_study_file(path), observer=Counting())
        except BaseException:
            traceback.print_exc()
            status = 1
        os._exit(status)
    return process


def main(path: str, n_workers: int, n_kills: int, seed: int, seconds: float) -> None:
    """Kills one worker after the other and starts another in its place: ``seconds``, on average, after a trial.

    A network that kills its worker three times would be given up: between two kills, one trial at least is finished.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    rng = random.Random(seed)
    workers = [start(path) for _ in range(n_workers)]
    kills, ended, before = 0, list[int](), -1
    while workers:
        until = math.inf
        while workers and (kills == n_kills or time.monotonic() < until):
            if until == math.inf and _finished[0] != before:
                until = time.monotonic() + rng.uniform(0, 2 * seconds)
            process, status = os.waitpid(-1, os.WNOHANG)
            if process:
                workers.remove(process)
                ended.append(status)
            time.sleep(0.002)
        if workers:
            victim = rng.choice(workers)
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            before = _finished[0]
            workers[workers.index(victim)] = start(path)
            kills += 1
    print(kills, *ended)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))  # type: ignore[call-arg]
