"""Jobs in processes of their own, several at the same time, each with one CPU thread.

Every job has a new process, forked from a server that has made the imports, so that it starts at once and no job sees
what another left in memory. The processes end with the program that started them. Ctrl-C reaches the program alone,
which passes it on once, so that a job can finish what must not be left incomplete.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from mnas_moo.study_file.document import one_line

T = TypeVar("T")

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def in_processes(
    jobs: Sequence[T],
    do: Callable[[T], None],
    ended: Callable[[T, str | None], Callable[[T], bool]],
    *,
    at_once: int,
    imports: Sequence[str] = (),
) -> None:
    """Does all jobs, each in a process of its own.

    Args:
        jobs: jobs in the order in which they are started; they are pickled.
        do: function that does one job; defined in a module.
        ended: function called in this process with each job that has ended and the reason if it failed, else None.
            It returns a function that tells of a waiting job whether it is still to be done.
        at_once: number of jobs at the same time.
        imports: modules that are imported in advance, once for all jobs.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; all running jobs have ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(imports))
    resource_tracker.ensure_running()  # now, because its start would unblock Ctrl-C
    waiting, running = list(jobs), dict[Connection, tuple[Any, T]]()
    with _one_thread_each():
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    job = waiting.pop(0)
                    ours, theirs = context.Pipe(duplex=False)
                    process = context.Process(target=_child, args=(do, job, theirs))
                    with _interrupts_wait():  # also in the new process, which inherits the mask
                        process.start()
                    theirs.close()
                    running[ours] = process, job
                for ready in wait(list(running)):
                    assert isinstance(ready, Connection)
                    process, job = running.pop(ready)
                    waiting = list(filter(ended(job, _outcome(ready, process)), waiting))
        except BaseException:
            _stop([process for process, _ in running.values()])
            raise


def _outcome(pipe: Connection, process: Any) -> str | None:
    """Waits for the end of a job; returns the reason if it failed."""
    with pipe:
        try:
            failure: str | None = pipe.recv()
        except EOFError:
            process.join()
            failure = f"its process ended with status {process.exitcode}"
    process.join()
    return failure


def _stop(processes: Sequence[Any]) -> None:
    """Passes Ctrl-C on and waits; a second Ctrl-C kills the processes that are left."""
    try:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()


def _child(do: Callable[[T], None], job: T, pipe: Connection) -> None:
    """Does the job in the new process and sends the outcome. Ctrl-C interrupts the job itself and nothing else."""
    os.setpgid(0, 0)  # a group of its own: a terminal sends Ctrl-C to the program's group
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    failure: str | None = None
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        do(job)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    except KeyboardInterrupt:
        return
    except Exception as error:
        text = one_line(str(error)) or type(error).__name__
        told = isinstance(error, ValueError | ImportError | RuntimeError)
        failure = text if told else f"{type(error).__name__}: {text}"
    with contextlib.suppress(BrokenPipeError):  # the program was killed just now, and nobody is left to be told
        pipe.send(failure)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Delays Ctrl-C until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Sets the variables from which libraries read their number of threads when they are loaded."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(THREADS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
