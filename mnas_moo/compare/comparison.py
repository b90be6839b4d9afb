"""Several samplers on the same problem, with equal budgets and the same seeds, in parallel.

A comparison is a folder with the runs, a storage that holds all of them as studies, `results.json` and
`comparison.html`. A comparison that was interrupted in any way continues with the missing runs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from mnas_moo.compare import contenders, judgement
from mnas_moo.compare.arenas import JOURNAL, Arena, Budget, Job, do, make_arena
from mnas_moo.compare.page import page
from mnas_moo.compare.record import Run
from mnas_moo.compare.workers import in_processes
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.plain_json import read_json
from mnas_moo.objectives.regular_file import check_regular
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.reward import MnasReward
from mnas_moo.study_file.document import StudyError, nearest, shown
from mnas_moo.study_file.study import StudyFile

__all__ = ["JOURNAL", "PAGE", "RESULTS", "ComparisonError", "Lines", "Order", "Progress", "compare"]

IDENTITY = "comparison.json"
RESULTS = "results.json"
PAGE = "comparison.html"


class ComparisonError(RuntimeError):
    """No sampler completed its runs; the message has the reasons."""


@dataclass(frozen=True)
class Order:
    """What is to be compared.

    Attributes:
        study_file: study whose problem is used; its sampler and storage are ignored.
        samplers: names of the samplers in display order; ``mnas``, or else the first, is tested against all others.
        seeds: number of runs of each sampler; their seeds are 0, 1, ...
        trials: number of trials of each run.
        folder: folder for all results; a comparison that is already there is continued.
        jobs: number of runs at the same time.
        limit_minutes: time taken by the sampler alone after which a run ends; None: no limit.
        target_ms: target latency of the MnasNet reward, whose best value is then reported, and which ``mnas-paper``
            uses unless the study file has a reward; None: no reward is reported.
    """

    study_file: StudyFile
    samplers: Sequence[str]
    seeds: int
    trials: int
    folder: Path
    jobs: int = 1
    limit_minutes: float | None = None
    target_ms: float | None = None


class Progress(Protocol):
    """Receives the events of a comparison."""

    def left_out(self, sampler: str, why: str) -> None:
        """A sampler cannot be compared; the others continue."""

    def started(self, there: int, wanted: int) -> None:
        """The comparison starts with ``there`` of ``wanted`` runs complete."""

    def run_finished(self, run: Run, done: int, wanted: int, seconds_left: float) -> None:
        """A run is complete; ``seconds_left`` is an estimate for the remaining ones."""


class Lines:
    """Writes one line for each event.

    Args:
        out: stream to write to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def left_out(self, sampler: str, why: str) -> None:
        """See ``Progress``."""
        print(f"{sampler} is left out: {why}", file=self._out, flush=True)

    def started(self, there: int, wanted: int) -> None:
        """See ``Progress``."""
        if there:
            print(f"{there} of {wanted} runs are there already", file=self._out, flush=True)

    def run_finished(self, run: Run, done: int, wanted: int, seconds_left: float) -> None:
        """See ``Progress``."""
        ending = {"trials": "", "time": ", then its time was up", "exhausted": ", then it had nothing new to try"}
        left = f", about {seconds_left / 60:.0f} min left" if seconds_left >= 90 else ""
        print(
            f"{run.sampler} seed {run.seed}: {len(run):,} trials{ending[run.ended]} ({done} of {wanted} runs{left})",
            file=self._out,
            flush=True,
        )


def compare(order: Order, progress: Progress) -> dict[str, Any]:
    """Makes the missing runs, evaluates all, and writes the results into the folder.

    >>> from mnas_moo.study_file.load import load_study_file
    >>> order = Order(load_study_file("past.yaml"), ["mnas", "nsga2"], 10, 200, Path("out"))  # doctest: +SKIP
    >>> compare(order, Lines(sys.stderr))["samplers"]["mnas"]["to_goal"]  # doctest: +SKIP
    {'mean': 121, 'median': 118, 'seeds': 10}

    Args:
        order: what is to be compared.
        progress: receives the events.

    Returns:
        The content of `results.json`; see ``judgement.judge``.

    Raises:
        StudyError: a sampler is unknown, the study's table or data cannot be read, no sampler can do the problem, or
            the folder holds something else.
        MissingExtraError: a package for statistics or plots is not installed.
        ComparisonError: no sampler completed its runs.
    """
    for package in ("scipy", "plotly"):
        require(package, extra="compare")
    names = list(dict.fromkeys(order.samplers))
    for name in names:
        if name not in contenders.NAMES:
            raise StudyError(f"there is no sampler {name!r}{nearest(name, contenders.NAMES)}")
    target = _target(order)
    reward = order.study_file.make_reward() or (target and target[0])
    limit_ms = math.inf if order.limit_minutes is None else 60_000 * order.limit_minutes
    arena = make_arena(order.study_file, order.folder, Budget(order.trials, limit_ms), reward)
    left_out = {name: why for name in names if (why := contenders.refusal(name, arena.task))}
    if len(left_out) == len(names):
        raise StudyError(f"there is no sampler left to compare: {'; '.join(left_out.values())}")
    for name, why in left_out.items():
        progress.left_out(name, why)
    _check_folder(order, arena)
    able = [name for name in names if name not in left_out]
    runs, failed = _runs(order, arena, able, progress)
    setting = judgement.Setting(
        order.study_file.name,
        dict(zip(order.study_file.objective_names, order.study_file.directions, strict=True)),
        order.trials,
        limit_ms,
        arena.reference_point,
        arena.best_hypervolume,
        target,
        arena.fits,
        {**left_out, **failed},
        tuple(failed),
    )
    try:
        found = judgement.judge(setting, runs)
    except ValueError as error:
        raise ComparisonError(str(error)) from error
    _write(order.folder / RESULTS, json.dumps(found, indent=1) + "\n")
    _write(order.folder / PAGE, page(found))
    return found


def _target(order: Order) -> tuple[MnasReward, int, int] | None:
    """The reward for the target latency, with the indices of accuracy and latency among the objectives."""
    if order.target_ms is None:
        return None
    names = order.study_file.objective_names
    latencies = [name for name in names if name.startswith("latency_ms")]
    if "accuracy" not in names or len(latencies) != 1:
        raise StudyError(
            f"a target latency is for the objectives accuracy and latency_ms, and {order.study_file.name} has "
            f"{', '.join(names)}"
        )
    try:
        reward = MnasReward(order.target_ms, accuracy="accuracy", latency=latencies[0])
        return (reward, *reward.bind(names, order.study_file.directions))
    except ValueError as error:
        raise StudyError(str(error)) from error


def _check_folder(order: Order, arena: Arena) -> None:
    """Creates the folder, or checks that it holds a comparison on the same problem."""
    ours = json.loads(json.dumps({"study": order.study_file.name, **arena.identity}))
    file = order.folder / IDENTITY
    try:
        theirs = read_json(file)
    except FileNotFoundError:
        if order.folder.exists() and (not order.folder.is_dir() or any(order.folder.iterdir())):
            raise StudyError(f"{order.folder} is there and holds no comparison; name another folder") from None
        order.folder.mkdir(parents=True, exist_ok=True)
        _write(file, json.dumps(ours, indent=1) + "\n")
        return
    except (OSError, ValueError) as error:
        raise StudyError(f"{file}: {getattr(error, 'strerror', None) or error}; name another folder") from error
    if not isinstance(theirs, dict):
        raise StudyError(f"{file} is none of a comparison; name another folder")
    journal = order.folder / JOURNAL
    if journal.exists():
        try:
            check_regular(journal)
        except ValueError as error:
            raise StudyError(f"{journal} {error}; name another folder") from error
    for key in {**ours, **theirs}:
        if ours.get(key) != theirs.get(key):
            what = f"{key} was {shown(theirs.get(key))} and is {shown(ours.get(key))}"
            if key == "values":
                what = "the table has other values"
            raise StudyError(f"{order.folder} holds a comparison on another problem: {what}; name another folder")


def _runs(
    order: Order, arena: Arena, names: Sequence[str], progress: Progress
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Makes the missing runs; returns all runs by sampler, and the samplers that failed with the reasons."""
    # seed by seed, so that all samplers progress at the same rate
    wanted = [(name, seed) for seed in range(order.seeds) for name in names]
    there = {key: run for key in wanted if (run := arena.run(*key, ended=False))}
    failed: dict[str, str] = {}
    progress.started(len(there), len(wanted))
    began, before = time.monotonic(), len(there)

    def ended(job: Job, failure: str | None) -> Callable[[Job], bool]:
        run = None if failure else arena.run(job.sampler, job.seed, ended=True)
        if run is None:
            failed[job.sampler] = f"seed {job.seed}: {failure or 'its run left nothing behind'}"
            progress.left_out(job.sampler, failed[job.sampler])
        else:
            there[job.sampler, job.seed] = run
            seconds = (time.monotonic() - began) / (len(there) - before)
            progress.run_finished(run, len(there), len(wanted), seconds * (len(wanted) - len(there)))
        return lambda other: other.sampler not in failed

    jobs = [arena.job(*key) for key in wanted if key not in there]
    imports = [do.__module__, *contenders.modules(names)]
    in_processes(jobs, do, ended, at_once=order.jobs, imports=imports)
    kept = [name for name in names if name not in failed]
    if not kept:
        raise ComparisonError("; ".join(f"{name}: {why}" for name, why in failed.items()))
    return {name: [there[name, seed] for seed in range(order.seeds)] for name in kept}, failed


def _write(file: Path, text: str) -> None:
    with whole_file(file) as part:
        part.write_text(text, encoding="utf-8")
