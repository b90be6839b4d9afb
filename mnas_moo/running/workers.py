"""Who works on a trial, and whether that worker is still there.

A worker is one run of a study in one process. Its note is stored with a trial in the write that creates the trial: on
which machine, in which process, begun when. On the same machine the note tells at once whether the process still runs;
on another one the worker has to renew it. Clocks of machines that share a study must agree within a minute or so.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.memory import THREAD_BYTES, need_room

WORKER = "mnas_moo:worker"
"""System attribute of a trial: the worker that measures it, and how many before it died while they measured it."""
RENEWAL_SECONDS = 60
"""A worker renews its note so often while it measures a trial."""
LEASE_SECONDS = 300
"""A worker on another machine is dead when it has not renewed its note for so long."""
END_SECONDS = 2
"""So long the end of a worker waits for a renewal that is under way; its server may not answer."""
TRIES = 3
"""A network that so many workers died of is given up."""

_present: set[str] = set()
"""Workers of this process that are at work."""


class Worker:
    """This process as a worker of a study; at work while the context is entered.

    Args:
        study: the study.
        clock: gives the seconds since 1970.
    """

    def __init__(self, study: optuna.Study, clock: Callable[[], float] = time.time) -> None:
        self._study = study
        self._clock = clock
        self._run = secrets.token_hex(8)
        self._trial: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew_often, name="lease of a trial", daemon=True)

    def __enter__(self) -> Worker:
        need_room(THREAD_BYTES)
        _present.add(self._run)
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        _present.discard(self._run)
        self._ended.set()
        # A thread that still runs when Python ends can end the program with an abort: it is unwound through C++ code.
        self._renewing.join(END_SECONDS)

    def note(self, died: int = 0) -> dict[str, Any]:
        """What is stored with a trial.

        Args:
            died: number of workers that died while they measured the trial.
        """
        return {**_process(), "run": self._run, "seen": self._clock(), "died": died}

    def hold(self, trial_id: int, died: int) -> None:
        """Renews the note of a trial from now on."""
        with self._lock:
            self._trial = trial_id, died

    def release(self) -> None:
        """Renews no note any more."""
        with self._lock:
            self._trial = None

    def owns(self, trial: FrozenTrial) -> bool:
        """Whether a trial's note is of this worker."""
        return bool(trial.system_attrs.get(WORKER, {}).get("run") == self._run)

    def renew(self) -> None:
        """Renews the note of the trial that is held, unless another worker has taken it up meanwhile."""
        with self._lock:
            if self._trial is not None:
                trial_id, died = self._trial
                if self.owns(self._study._storage.get_trial(trial_id)):
                    self._study._storage.set_trial_system_attr(trial_id, WORKER, self.note(died))

    def _renew_often(self) -> None:
        while not self._ended.wait(RENEWAL_SECONDS):
            try:
                self.renew()
            except Exception:  # noqa: S112  # the storage is away for a while: the next renewal may come through
                continue


def trials_at_work(study: optuna.Study) -> int:
    """Number of trials that a worker measures now, in this process or another one."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    notes = [trial.system_attrs[WORKER] for trial in running if WORKER in trial.system_attrs]
    return sum(not is_dead(note, time.time()) for note in notes)


def is_dead(note: Mapping[str, Any], now: float) -> bool:
    """Whether the worker that wrote a note is no longer at work.

    Args:
        note: note of a worker.
        now: seconds since 1970.
    """
    here = _process()
    if note["machine"] == here["machine"] and note["boot"] != here["boot"]:
        return True  # the machine was started again
    if all(note[key] == here[key] for key in ("machine", "boot", "processes")):
        if note["process"] == here["process"] and note["started"] == here["started"]:
            return note["run"] not in _present
        return bool(started_at(note["process"]) != note["started"])
    return bool(now - note["seen"] > LEASE_SECONDS)


def started_at(process: int) -> str | None:
    """When a process of this machine began, in units that only comparisons mean anything in; None: it has ended."""
    try:
        # The name of the program stands in brackets, and may hold blanks and brackets itself.
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:  # a system without /proc: whether there is a process of that number is all that can be asked
            os.kill(process, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "unknown"
    return None if state in ("Z", "X") else fields[18]  # a killed process stays as a zombie until its parent asks


def _process() -> dict[str, Any]:
    """This process, and the machine whose processes it sees."""
    return {
        "machine": f"{platform.node()} {_text('/etc/machine-id')}",
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "processes": _link("/proc/self/ns/pid"),  # a container numbers its processes anew
        "process": os.getpid(),
        "started": started_at(os.getpid()),
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
