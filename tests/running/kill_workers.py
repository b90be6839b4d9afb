"""A program that runs a study in several processes and kills them at random moments; prints how they ended.

The processes are forks of one that has imported everything, so that most of their lives are spent in trials.

    python -m tests.running.kill_workers STUDY.yaml WORKERS KILLS SEED SECONDS
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback

import optuna
import torch

import mnas_moo.sampler  # noqa: F401  # before the forks, which need it
from mnas_moo.running.run import run_study
from mnas_moo.study_file.load import load_study_file


def start(path: str) -> int:
    """Forks a worker."""
    process = os.fork()
    if process == 0:
        status = 0
        try:
            run_study(load_study_file(path))
        except BaseException:
            traceback.print_exc()
            status = 1
        os._exit(status)
    return process


def main(path: str, n_workers: int, n_kills: int, seed: int, seconds: float) -> None:
    """Kills one worker after the other, ``seconds`` of work apart on average, and starts another in its place."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    rng = random.Random(seed)
    workers = [start(path) for _ in range(n_workers)]
    kills, ended = 0, []
    while workers:
        until = time.monotonic() + rng.uniform(0, 2 * seconds)
        while workers and (kills == n_kills or time.monotonic() < until):
            process, status = os.waitpid(-1, os.WNOHANG)
            if process:
                workers.remove(process)
                ended.append(status)
            time.sleep(0.002)
        if workers:
            victim = rng.choice(workers)
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            workers[workers.index(victim)] = start(path)
            kills += 1
    print(kills, *ended)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))  # type: ignore[call-arg]
