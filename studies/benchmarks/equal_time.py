"""Four ways to a front of photographs' networks in the same time, counted from nothing: what does shared training buy?

    python studies/benchmarks/equal_time.py --data DIR [--minutes 40] [--seeds 3] [--cores 2] [--at-once 1]
        [--steps 1500] [--json figures.json]

On the space fbnet (preset 5m, 32 pixels): "alone", the default sampler, each network trained alone; "shared", weights
that all networks share, the default sampler, and the five best trained alone; "fbnet", FBNet's search, and the networks
that it draws trained alone; "random", random networks trained alone. Every arm is `mnas-moo run` with a folder of its
own, interrupted when its time is over; images are read, tables and supernets made within that time. Judged is the
hypervolume of what was trained alone: accuracy on the hold-out against milliseconds in LiteRT, from a reference point
that all arms of a seed share. Without --data it runs for seconds on the digits.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.trial import TrialState

from mnas_moo.objectives.front import hypervolume, pareto_mask, reference_point
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import measured
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file

ARMS = ("alone", "shared", "fbnet", "random")
DIRECTIONS = ("maximize", "minimize")
LAST = 5
"""Networks that "shared" trains alone at its end."""
SHARED_SHARE = 0.5
"""Share of the time for the training of shared weights, and for FBNet's search."""
MANY = 100_000


def main() -> None:
    """Prints a line an arm, and writes every point."""
    parser = harness.options(__doc__, seeds=3)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of images (default: the digits)")
    parser.add_argument("--minutes", type=float, default=None, help="time of each arm (default: 40; of the digits 1)")
    parser.add_argument("--steps", type=int, default=None, help="steps of a network's own training (default: 1500; 60)")
    parser.add_argument("--cores", type=int, default=2, help="cores of each arm (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=1, help="arms at the same time (default: %(default)s)")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS, help="arms (default: all)")
    arguments = parser.parse_args()
    small = arguments.data is None
    arguments.minutes = arguments.minutes or (1.0 if small else 40.0)
    arguments.steps = arguments.steps or (60 if small else 1500)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    jobs = [(arm, seed) for seed in range(arguments.seeds) for arm in arguments.arms]
    with ThreadPoolExecutor(arguments.at_once) as pool:
        found = dict(zip(jobs, pool.map(lambda job: points_of(job[0], job[1], arguments), jobs), strict=True))
    figures: dict[str, Any] = {"minutes": arguments.minutes, "arms": {}}
    for arm in arguments.arms:
        rows = []
        for seed in range(arguments.seeds):
            every = [point for other in arguments.arms for point in found[other, seed]]
            reference = reference_point(every, DIRECTIONS)
            best = hypervolume(every, reference, DIRECTIONS)
            points = found[arm, seed]
            rows.append(
                {
                    "hypervolume": hypervolume(points, reference, DIRECTIONS) / best if points else 0.0,
                    "networks": len(points),
                    "front": int(pareto_mask(points, DIRECTIONS).sum()) if points else 0,
                    "best_accuracy": max((point[0] for point in points), default=0.0),
                    "points": points,
                }
            )
        figures["arms"][arm] = rows
    table = [
        [
            arm,
            " ".join(f"{row['hypervolume']:.3f}" for row in rows),
            f"{np.mean([row['hypervolume'] for row in rows]):.3f}",
            f"{np.mean([row['networks'] for row in rows]):.0f}",
            f"{100 * np.mean([row['best_accuracy'] for row in rows]):.1f} %",
        ]
        for arm, rows in figures["arms"].items()
    ]
    head = ["arm", "hypervolume of all arms', by seed", "mean", "trained alone", "best accuracy"]
    print(harness.markdown(head, table, numbers=[2, 3, 4]))
    harness.write_json(arguments.json, figures)


def points_of(arm: str, seed: int, arguments: Any) -> list[list[float]]:
    """Accuracy and milliseconds of the networks that one arm has trained alone."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "study.yaml")
        file.write_text(yaml.safe_dump(study_of(arm, seed, arguments, folder)), encoding="utf-8")
        end = began + 60 * arguments.minutes
        if arm == "shared":
            # Each core trains one of the last networks at a time; how long one takes, the images' size says roughly.
            rounds = -(-LAST // arguments.cores)
            run(file, arguments.cores, end - rounds * arguments.minutes * 60 * 0.05, MANY)
            interrupted = len(trials_of(file, TrialState.WAITING))  # its parameters are tried again first
            run(file, arguments.cores, end, len(trials_of(file)) + interrupted + LAST)
        else:
            run(file, arguments.cores, end, MANY)
        found = [trial for trial in trials_of(file) if measured(trial, "accuracy").get("weights") != "shared"]
        print(f"{arm}, seed {seed}: {len(found)} networks after {(time.monotonic() - began) / 60:.1f} min", flush=True)
        return [list(trial.values) for trial in found]


def study_of(arm: str, seed: int, arguments: Any, folder: str) -> dict[str, Any]:
    """The study file of an arm."""
    small = arguments.data is None
    train = {"steps": arguments.steps, "confirm": 0}
    minutes = SHARED_SHARE * arguments.minutes
    accuracy: dict[str, Any] = {"train": train}
    if arm == "shared":
        accuracy = {"shared": {"minutes": minutes, "threads": arguments.cores, "alone": LAST, "train": train}}
    sampler: dict[str, Any] = {"random" if arm == "random" else "mnas": {"seed": seed}}
    if arm == "fbnet":
        settings = {"minutes": minutes, "threads": arguments.cores, "beta": [0.2, 1, 5], "theta_learning_rate": 0.1}
        sampler = {"fbnet": {"seed": seed, **settings}}
    return {
        "name": f"{arm} {seed}",
        "storage": f"journal:///{folder}/study.log",
        "space": {"fbnet": {"preset": "digits"} if small else {"preset": "5m", "resolution": 32}},
        "data": "digits" if small else str(arguments.data.resolve()),
        "objectives": {"accuracy": accuracy, "latency_ms": {"host": {"threads": 1}}},
        "sampler": sampler,
        "trials": MANY,
    }


def run(file: Path, jobs: int, end: float, trials: int) -> None:
    """`mnas-moo run`, interrupted as with Ctrl-C when its time is over."""
    words = [sys.executable, "-m", "mnas_moo.cli.main", "run", str(file), "--trials", str(trials), "--jobs", str(jobs)]
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_interrupts,
    )
    timer = threading.Timer(max(1.0, end - time.monotonic()), process.send_signal, [signal.SIGINT])
    timer.start()
    _, errors = process.communicate()
    timer.cancel()
    if process.returncode not in (0, 130):
        raise RuntimeError(errors)


def heed_interrupts() -> None:
    """In the new process: a benchmark in the background has been told to ignore Ctrl-C, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def trials_of(file: Path, state: TrialState = TrialState.COMPLETE) -> list[optuna.trial.FrozenTrial]:
    """The trials of a study file in one state."""
    study = find_study(load_study_file(file))
    return [] if study is None else study.get_trials(states=(state,))


if __name__ == "__main__":
    main()
