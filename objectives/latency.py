"""Latency on this machine: LiteRT with XNNPACK, the engine that phones run, in a pinned process of its own.

MnasNet's LAT(m) (Tan et al. 2019, sec. 3.1) is measured on a Pixel's big core, one thread, batch 1; here the core
is this machine's. It needs no trained weights, so it is measured while the child trains. What keeps the two apart:
the timing process (``host_worker``) shares neither interpreter lock nor allocator with the training; it stays on one
core, so that the system moves the training to the others; and with one thread, runs are timed by the thread's CPU
clock, which stands still while the system gives the core to somebody else (``core_share`` tells how much of it there
was). Left is what all cores share: last-level cache, memory bandwidth, and the clock speed they can keep.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mnas_moo.objectives import host_worker, litert
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.spaces.spec import NetworkSpec

_GRACE_SECONDS = 120.0  # for start, loading and the first runs of a large network, on top of the measuring time


class HostLatency:
    """The objective ``latency_ms``: median time of one inference on this machine, batch 1, float32.

    Networks that compute alike are measured once. Threads may share one object; measurements wait for each other,
    also those of other processes of the same user on the same cores (where the system has file locks).

    The details of a measurement: ``p10_ms`` and ``p90_ms`` (spread of the runs), ``confidence_half_width_ms`` (half
    the 95 % interval of the median), ``runs``, ``warm_up_runs``, ``seconds`` (of the timed runs), ``clock``
    ("thread_cpu" or "wall"), ``core_share`` (CPU time over wall time: below 1, the core was shared; null by wall
    clock), ``cores`` (pinned to; empty where the system cannot), ``threads``, ``cpu``.

    Args:
        threads: LiteRT's threads, each with a core; more than one is timed by the wall clock.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: of timed runs; the measurement ends then in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range, or there are fewer cores than threads.
        MissingExtraError: ai-edge-litert is not installed.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, threads: int = 1, *, precision: float = 0.02, maximum_seconds: float = 5.0) -> None:
        affinity = hasattr(os, "sched_getaffinity")
        cores = sorted(os.sched_getaffinity(0)) if affinity else list(range(os.cpu_count() or 1))
        if not 1 <= threads <= len(cores):
            raise ValueError(f"threads is {threads}; it must be from 1 to {len(cores)}, the cores of this process")
        if not 0 < precision < 1:
            raise ValueError(f"precision is {precision}; it is a share of the median, above 0 and below 1")
        if maximum_seconds <= 0:
            raise ValueError(f"maximum_seconds is {maximum_seconds}; it must be above 0")
        require("ai_edge_litert.schema_py_generated", extra="host")
        self.threads = threads
        self.precision = precision
        self.maximum_seconds = maximum_seconds
        self._cores = cores[-threads:] if affinity else []  # the last: systems put more of their own on the first
        self._cpu = _cpu_name()
        self._lock = threading.Lock()
        self._results: dict[NetworkSpec, Measurement] = {}
        self._worker: _Worker | None = None

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Measures ``spec`` with random weights, or answers from memory.

        Args:
            spec: the network.
            seed: without effect: weights and input are always the same.

        Raises:
            RuntimeError: LiteRT refused the model, or the timing process ended or hung (the next measurement
                starts another).
        """
        del seed
        spec = spec.canonical()
        with self._lock:
            if spec not in self._results:
                self._results[spec] = self._measure(spec)
            return self._results[spec]

    def close(self) -> None:
        """Ends the timing process, also in the middle of a measurement, which then fails."""
        worker = self._worker
        if worker is not None:
            worker.stop()

    def _measure(self, spec: NetworkSpec) -> Measurement:
        request = {
            "threads": self.threads,
            "cores": self._cores,
            "precision": self.precision,
            "maximum_seconds": self.maximum_seconds,
        }
        model = litert.write(spec)
        with _alone_on(self._cores):
            if self._worker is None or not self._worker.alive:
                self._worker = _Worker()
            answer = self._worker.ask(request, model, self.maximum_seconds + _GRACE_SECONDS)
        if "error" in answer:
            raise RuntimeError(f"LiteRT cannot run {spec.name or 'the network'}: {answer['error']}")
        value = answer.pop("median_ms")
        details = {**answer, "cores": self._cores, "threads": self.threads, "cpu": self._cpu}
        return Measurement(value, details)


class _Worker:
    """A running ``host_worker``; it ends with this object, with this process, or when it is stopped."""

    def __init__(self) -> None:
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process fails
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", host_worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # It must find the same packages, also where a program changed its path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            start_new_session=True,  # Ctrl-C is for the study, which ends us in order
        )
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self.stop = weakref.finalize(self, _end, self._process, self._requests, self._answers, self._errors)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], model: bytes, timeout_seconds: float) -> dict[str, Any]:
        """Sends a request and waits for the answer.

        Raises:
            RuntimeError: the process ended or did not answer in time; it is gone then.
        """
        timer = threading.Timer(timeout_seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            host_worker.send(self._requests, request, model)
            answer, _ = host_worker.receive(self._answers)
        except (EOFError, OSError, ValueError) as error:  # ValueError: stopped meanwhile, so the streams are closed
            in_time = timer.is_alive()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)  # it closes its end a moment before it has an exit status
            self._process.kill()
            why = f"ended with exit status {self._process.wait()}"
            if not in_time:
                why = f"did not answer within {timeout_seconds:.0f} s"
            why += self._last_words()
            self.stop()
            raise RuntimeError(f"the timing process {why}; measure again") from error
        finally:
            timer.cancel()
        return answer

    def _last_words(self) -> str:
        lines: list[str] = []
        with contextlib.suppress(ValueError):  # another thread stopped it and closed the file
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").splitlines()
        words = [line for line in lines if line.strip() and not line.startswith("INFO:")]
        return f" ({words[-1]})" if words else ""


def _end(process: subprocess.Popen[bytes], *streams: BinaryIO) -> None:
    """Ends a process and waits for it; one that is gone already is no error."""
    process.kill()
    process.wait()
    for stream in streams:
        with contextlib.suppress(OSError):  # what was not flushed has no reader
            stream.close()


@contextlib.contextmanager
def _alone_on(cores: list[int]) -> Iterator[None]:
    """Waits until no other process of this user measures on ``cores``; the system frees the locks of a dead one."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with contextlib.ExitStack() as stack:
        for core in cores:  # in ascending order everywhere, so that nobody waits in a circle
            path = Path(tempfile.gettempdir()) / f"mnas-moo-{os.getuid()}-core-{core}.lock"
            file = stack.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
