"""Latency on this machine's cores, in a pinned process of its own: LiteRT (what phones run) or ONNX Runtime.

MnasNet's LAT(m) (Tan et al. 2019, sec. 3.1) is measured on a Pixel's big core, one thread, batch 1; here the core is
this machine's. It needs no trained weights, so a run measures it before the child trains on all cores; other runs may
train meanwhile. Three things keep them from slowing what is timed: the timing process (``worker``) shares neither
interpreter lock nor allocator with it; it is pinned to one core, so that the system moves the training to the others;
and with one thread, runs are timed by the thread's CPU clock, which stops while another process has the core
(``core_share`` is the share of time it had). What remains is what all cores share: last-level cache, memory bandwidth,
and the clock speed that the chip sustains.
"""

from __future__ import annotations

import abc
import importlib.metadata
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.formats import litert, onnx
from mnas_moo.objectives.host.footprint import check_supported
from mnas_moo.objectives.host.one_device import OneDevice
from mnas_moo.objectives.host.process import GRACE_SECONDS, TimingProcess, alone_on, cpu_name
from mnas_moo.objectives.host.settings import HostSettings, OnnxSettings
from mnas_moo.objectives.objective import JSON, Graph, Measurement


class ProcessLatency(OneDevice):
    """What the runtimes on this machine share; a subclass says how a graph is written for one.

    Graphs that compute alike are measured once. Threads may share one object; measurements wait for each other,
    also those of other processes of the same user on the same cores (where the system has file locks).

    The details of a measurement: ``p10_ms`` and ``p90_ms`` (spread of the runs), ``confidence_half_width_ms`` (half
    the 95 % interval of the median), ``runs``, ``warm_up_runs``, ``seconds`` (sum of the timed runs), ``clock``
    ("thread_cpu" or "wall"), ``core_share`` (CPU time over wall time: below 1, the core was shared; null with the
    wall clock), ``cores`` (that the process is pinned to; empty where the system cannot pin), ``threads``, ``cpu``.

    Args:
        runtime: name of the runtime, a key of ``worker.RUNTIMES``.
        device: what identifies the machine and the runtime, without "model" (the CPU's name) and "threads".
        threads: number of the runtime's threads, each with a core; more than one is timed by the wall clock.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: seconds of timed runs after which the measurement ends in any case, once there are 10 runs.

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
        self._cores = cores[-threads:] if affinity else []  # the last: systems run their own work on the first
        self._cpu = cpu_name()
        self._device = {**device, "model": self._cpu, "threads": threads}
        self._with_memory = False
        self._worker: TimingProcess | None = None
        self._memory_worker: TimingProcess | None = None

    @property
    def device(self) -> Mapping[str, JSON]:
        """This machine: "backend", "model" (its CPU), "runtime", "threads", "data_type"."""
        return self._device

    def close(self) -> None:
        """Ends the timing process, also in the middle of a measurement, which then fails."""
        self._closed = True
        for worker in (self._worker, self._memory_worker):
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
        with alone_on(self._cores):
            if self._worker is None or not self._worker.alive:
                self._worker = TimingProcess()
            answer = self._ask(self._worker, request, model)
            if self._with_memory and "error" not in answer:
                answer |= self._memory(model)
        if "error" in answer:
            name = spec.name or "the network"
            raise ValueError(f"{self._device['runtime']} cannot run {name}: {answer['error']}")
        value = answer.pop("median_ms")
        details = {**answer, "cores": self._cores, "threads": self.threads, "cpu": self._cpu}
        return Measurement(value, details)

    def _memory(self, model: bytes) -> dict[str, Any]:
        """What the runtime takes for a model."""
        if self._memory_worker is None or not self._memory_worker.alive:
            self._memory_worker = TimingProcess()
        with tempfile.NamedTemporaryFile() as file:  # mapped, as an app does it
            file.write(model)
            file.flush()
            request = {"path": file.name, "threads": self.threads, "cores": self._cores}
            return self._ask(self._memory_worker, request, b"")

    def _ask(self, worker: TimingProcess, request: dict[str, Any], model: bytes) -> dict[str, Any]:
        try:
            if self._closed:  # checked once the worker exists: `close` stops the worker that it sees
                raise RuntimeError("closed")
            return worker.ask(request, model, self.maximum_seconds + GRACE_SECONDS)
        except RuntimeError as error:
            if self._closed:
                self.close()  # also a worker that was started meanwhile
                raise RuntimeError("closed before the measurement was done") from error
            raise


class HostLatency(ProcessLatency):
    """The objective ``latency_ms``: median time of one inference on this machine in LiteRT, batch 1.

    >>> import contextlib
    >>> from mnas_moo.objectives import HostLatency
    >>> from mnas_moo.spaces import network
    >>> with contextlib.closing(HostLatency(maximum_seconds=0.1)) as latency:
    ...     measurement = latency.measure(network("mnasnet-small", resolution=96), seed=0)
    >>> 0 < measurement.details["p10_ms"] <= measurement.value <= measurement.details["p90_ms"]
    True

    Args:
        threads: number of LiteRT's threads, each with a core; more than one is timed by the wall clock.
        data_type: "float32", or "int8": weights and activations are 8-bit integers, as quantised networks run.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: seconds of timed runs after which the measurement ends in any case, once there are 10 runs.
        memory: whether the memory that LiteRT takes is measured too, in a process of its own: the details then have
            ``memory_mb``, ``memory_init_mb`` and ``memory_allocated_mb``, as ``footprint.footprint`` says.

    Raises:
        ValueError: an argument is out of range, there are fewer cores than threads, or this system does not tell the
            memory of a process.
        MissingExtraError: ai-edge-litert is not installed.
    """

    def __init__(
        self,
        threads: int = HostSettings.threads,
        *,
        data_type: str = HostSettings.data_type,
        precision: float = HostSettings.precision,
        maximum_seconds: float = HostSettings.maximum_seconds,
        memory: bool = False,
    ) -> None:
        if memory:
            check_supported()
        if data_type not in litert.DATA_TYPES:
            raise ValueError(f"data_type is {data_type!r}; allowed: {', '.join(litert.DATA_TYPES)}")
        require("ai_edge_litert.schema_py_generated", extra="host")
        runtime = f"LiteRT {importlib.metadata.version('ai-edge-litert')} XNNPACK"
        device = {"backend": "host", "runtime": runtime, "data_type": data_type}
        super().__init__("litert", device, threads, precision, maximum_seconds)
        self._data_type = data_type
        self._with_memory = memory

    def _write(self, spec: Graph) -> bytes:
        return litert.write(spec, data_type=self._data_type)


class OnnxLatency(ProcessLatency):
    """The objective ``latency_ms``: median time of one inference on this machine's CPU in ONNX Runtime, batch 1.

    >>> import contextlib
    >>> from mnas_moo.objectives import OnnxLatency
    >>> from mnas_moo.spaces import network
    >>> with contextlib.closing(OnnxLatency(maximum_seconds=0.1)) as latency:
    ...     measurement = latency.measure(network("mnasnet-small", resolution=96), seed=0)
    >>> 0 < measurement.details["p10_ms"] <= measurement.value <= measurement.details["p90_ms"]
    True

    Args:
        threads: number of ONNX Runtime's threads within an operator, each with a core; more than one is timed by the
            wall clock.
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: seconds of timed runs after which the measurement ends in any case, once there are 10 runs.

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
