"""Latency on this machine's cores, in a pinned process of its own: LiteRT (what phones run) or ONNX Runtime.

MnasNet's LAT(m) (Tan et al. 2019, sec. 3.1) is measured on a Pixel's big core, one thread, batch 1; here the core
is this machine's. It needs no trained weights, so it is measured while the child trains. What keeps the two apart:
the timing process (``host_worker``) shares neither interpreter lock nor allocator with the training; it stays on one
core, so that the system moves the training to the others; and with one thread, runs are timed by the thread's CPU
clock, which stands still while the system gives the core to somebody else (``core_share`` tells how much of it there
was). Left is what all cores share: last-level cache, memory bandwidth, and the clock speed they can keep.
"""

from __future__ import annotations

import abc
import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.formats import litert, onnx
from mnas_moo.objectives.host import worker as host_worker
from mnas_moo.objectives.host.settings import HostSettings, OnnxSettings
from mnas_moo.objectives.objective import JSON, Direction, Graph, Measurement, measure_in_turn

_GRACE_SECONDS = 120.0  # for start, loading and the first runs of a large network, on top of the measuring time


class OneDevice(abc.ABC):
    """What sources of latency with one device share: graphs that compute alike are measured once, one at a time.

    Args:
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: of timed runs; the measurement ends then in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "latency_ms"
    direction: Direction = "minimize"

    def __init__(self, precision: float, maximum_seconds: float) -> None:
        if not 0 < precision < 1:
            raise ValueError(f"precision is {precision}; it is a share of the median, above 0 and below 1")
        if maximum_seconds <= 0:
            raise ValueError(f"maximum_seconds is {maximum_seconds}; it must be above 0")
        self.precision = precision
        self.maximum_seconds = maximum_seconds
        self._lock = threading.Lock()
        self._results: dict[Graph, Measurement] = {}
        self._closed = False

    @property
    @abc.abstractmethod
    def device(self) -> Mapping[str, JSON]:
        """What it is timed on."""

    def measure(self, spec: Graph, seed: int) -> Measurement:
        """Measures ``spec`` with random weights, or answers from memory.

        Args:
            spec: the network, or some layers of one.
            seed: without effect: weights and input are always the same.

        Raises:
            ValueError: the runtime refused the model.
            RuntimeError: the device failed (the next measurement tries again), or this object was closed.
        """
        del seed
        spec = spec.canonical()
        with self._lock:
            if spec not in self._results:
                self._results[spec] = self._measure(spec)
            return self._results[spec]

    def measure_all(self, specs: Sequence[Graph]) -> list[Measurement | ValueError]:
        """Measures one after the other; what the runtime refuses has its error in its place."""
        return measure_in_turn(self, specs)

    @abc.abstractmethod
    def close(self) -> None:
        """Ends a measurement under way, which then fails."""

    @abc.abstractmethod
    def _measure(self, spec: Graph) -> Measurement:
        """Measures a canonical graph."""


class ProcessLatency(OneDevice):
    """What runtimes on this machine share: everything but how a graph is written and which engine runs it.

    Graphs that compute alike are measured once. Threads may share one object; measurements wait for each other,
    also those of other processes of the same user on the same cores (where the system has file locks).

    The details of a measurement: ``p10_ms`` and ``p90_ms`` (spread of the runs), ``confidence_half_width_ms`` (half
    the 95 % interval of the median), ``runs``, ``warm_up_runs``, ``seconds`` (of the timed runs), ``clock``
    ("thread_cpu" or "wall"), ``core_share`` (CPU time over wall time: below 1, the core was shared; null by wall
    clock), ``cores`` (pinned to; empty where the system cannot), ``threads``, ``cpu``.

    Args:
        runtime: a key of ``host_worker.RUNTIMES``.
        device: what identifies the machine and the runtime, without "model" (the CPU's name) and "threads".
        threads: of the runtime, each with a core; more than one is timed by the wall clock.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: of timed runs; the measurement ends then in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range, or there are fewer cores than threads.
    """

    def __init__(
        self, runtime: str, device: Mapping[str, JSON], threads: int, precision: float, maximum_seconds: float
    ) -> None:
        affinity = hasattr(os, "sched_getaffinity")
        cores = sorted(os.sched_getaffinity(0)) if affinity else list(range(os.cpu_count() or 1))
        if not 1 <= threads <= len(cores):
            raise ValueError(f"threads is {threads}; it must be from 1 to {len(cores)}, the cores of this process")
        super().__init__(precision, maximum_seconds)
        self.threads = threads
        self._runtime = runtime
        self._cores = cores[-threads:] if affinity else []  # the last: systems put more of their own on the first
        self._cpu = _cpu_name()
        self._device = {**device, "model": self._cpu, "threads": threads}
        self._worker: _Worker | None = None

    @property
    def device(self) -> Mapping[str, JSON]:
        """This machine: "backend", "model" (its CPU), "runtime", "threads", "data_type"."""
        return self._device

    def close(self) -> None:
        """Ends the timing process, also in the middle of a measurement, which then fails."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            worker.stop()

    @abc.abstractmethod
    def _write(self, spec: Graph) -> bytes:
        """The model that the runtime reads, with random weights."""

    def _measure(self, spec: Graph) -> Measurement:
        request = {
            "runtime": self._runtime,
            "threads": self.threads,
            "cores": self._cores,
            "precision": self.precision,
            "maximum_seconds": self.maximum_seconds,
        }
        model = self._write(spec)
        with _alone_on(self._cores):
            try:
                if self._worker is None or not self._worker.alive:
                    self._worker = _Worker()
                if self._closed:  # asked after the worker is there: closing stops one that it sees
                    raise RuntimeError("nobody waits for it")
                answer = self._worker.ask(request, model, self.maximum_seconds + _GRACE_SECONDS)
            except RuntimeError as error:
                if self._closed:
                    self.close()  # also a worker that was started meanwhile
                    raise RuntimeError("closed before the measurement was done") from error
                raise
        if "error" in answer:
            name = spec.name or "the network"
            raise ValueError(f"{self._device['runtime']} cannot run {name}: {answer['error']}")
        value = answer.pop("median_ms")
        details = {**answer, "cores": self._cores, "threads": self.threads, "cpu": self._cpu}
        return Measurement(value, details)


class HostLatency(ProcessLatency):
    """The objective ``latency_ms``: median time of one inference on this machine in LiteRT, batch 1.

    Args:
        threads: LiteRT's threads, each with a core; more than one is timed by the wall clock.
        data_type: "float32", or "int8": weights and activations are 8-bit integers, as quantised networks run.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: of timed runs; the measurement ends then in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range, or there are fewer cores than threads.
        MissingExtraError: ai-edge-litert is not installed.
    """

    def __init__(
        self,
        threads: int = HostSettings.threads,
        *,
        data_type: str = HostSettings.data_type,
        precision: float = HostSettings.precision,
        maximum_seconds: float = HostSettings.maximum_seconds,
    ) -> None:
        if data_type not in litert.DATA_TYPES:
            raise ValueError(f"data_type is {data_type!r}; allowed: {', '.join(litert.DATA_TYPES)}")
        require("ai_edge_litert.schema_py_generated", extra="host")
        runtime = f"LiteRT {importlib.metadata.version('ai-edge-litert')} XNNPACK"
        device = {"backend": "host", "runtime": runtime, "data_type": data_type}
        super().__init__("litert", device, threads, precision, maximum_seconds)
        self._data_type = data_type

    def _write(self, spec: Graph) -> bytes:
        return litert.write(spec, data_type=self._data_type)


class OnnxLatency(ProcessLatency):
    """The objective ``latency_ms``: median time of one inference on this machine's CPU in ONNX Runtime, batch 1.

    Args:
        threads: ONNX Runtime's threads within an operator, each with a core; more than one is timed by the wall clock.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: of timed runs; the measurement ends then in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range, or there are fewer cores than threads.
        MissingExtraError: onnx or onnxruntime is not installed.
    """

    def __init__(
        self,
        threads: int = OnnxSettings.threads,
        *,
        precision: float = OnnxSettings.precision,
        maximum_seconds: float = OnnxSettings.maximum_seconds,
    ) -> None:
        version = require("onnxruntime", extra="onnx").__version__
        require("onnx", extra="onnx")
        device = {"backend": "onnxruntime", "runtime": f"ONNX Runtime {version}", "data_type": "float32"}
        super().__init__("onnxruntime", device, threads, precision, maximum_seconds)

    def _write(self, spec: Graph) -> bytes:
        return onnx.write(spec)


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
