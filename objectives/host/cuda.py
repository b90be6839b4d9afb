"""Latency on a GPU: torch's float32 kernels at batch 1, replayed as one CUDA graph and timed by the GPU's own events.

A CUDA graph (pytorch.org/docs/stable/notes/cuda.html, "CUDA Graphs") launches all kernels of a network by one call:
Python's time to launch some hundred small kernels one by one is not measured. What is measured: the kernels that torch
and cuDNN's heuristics choose, with norms folded into the convolutions, input and output on the GPU. TensorRT and other
compilers fuse and tune further, and may order networks differently.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from mnas_moo.objectives.host import timing
from mnas_moo.objectives.host.one_device import OneDevice
from mnas_moo.objectives.host.settings import CudaSettings
from mnas_moo.objectives.objective import JSON, Graph, Measurement
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.operations import Conv


class CudaLatency(OneDevice):
    """The objective ``latency_ms``: median time of one inference on this machine's first GPU, batch 1, float32.

    >>> import contextlib
    >>> from mnas_moo.objectives import CudaLatency
    >>> from mnas_moo.spaces import network
    >>> with contextlib.closing(CudaLatency(maximum_seconds=1.0)) as latency:
    ...     measurement = latency.measure(network("mnasnet-a1"), seed=0)
    >>> 0 < measurement.details["p10_ms"] <= measurement.value <= measurement.details["p90_ms"]
    True

    Graphs that compute alike are measured once. Threads may share one object; measurements wait for each other.
    Other work on the GPU at the same time, such as training a child, makes the times longer: train on another GPU.

    The details of a measurement: ``p10_ms``, ``p90_ms``, ``confidence_half_width_ms``, ``runs`` and ``warm_up_runs``
    as ``latency.ProcessLatency`` has them, and ``gpu``.

    Args:
        precision: runs are repeated until half the 95 % confidence interval of the median is at most this share
            of the median.
        maximum_seconds: seconds of timed runs after which the measurement ends in any case, once there are 10 runs.

    Raises:
        ValueError: an argument is out of range, or there is no GPU that torch can use.
    """

    def __init__(
        self,
        *,
        precision: float = CudaSettings.precision,
        maximum_seconds: float = CudaSettings.maximum_seconds,
    ) -> None:
        import torch

        super().__init__(precision, maximum_seconds)
        if not torch.cuda.is_available():
            raise ValueError(
                f"torch {torch.__version__} finds no CUDA GPU on this machine; measure on its CPU: "
                "latency_ms: {host: {}}, or install a driver and a torch that fit the GPU"
            )
        self._gpu = torch.cuda.get_device_name(0)
        self._runtime = f"torch {torch.__version__} CUDA {torch.version.cuda}"

    @property
    def device(self) -> Mapping[str, JSON]:
        """The GPU: "backend", "model" (its name), "runtime", "threads" (1, the host's), "data_type"."""
        return {
            "backend": "cuda",
            "model": self._gpu,
            "runtime": self._runtime,
            "threads": 1,
            "data_type": "float32",
        }

    def close(self) -> None:
        """Ends a measurement under way, which then fails."""
        self._closed = True

    def _measure(self, spec: Graph) -> Measurement:
        import torch

        try:
            with torch.cuda.device(0):
                once = self._unless_closed(_Replay(spec))
                warm_up_runs = timing.warm_up(once)
                times = timing.repeat(once, self.precision, self.maximum_seconds)
        except torch.cuda.OutOfMemoryError as error:
            reason = str(error).partition(".")[0]
            raise ValueError(
                f"{spec.name or 'the network'} does not fit into the memory of {self._gpu}: {reason}"
            ) from error
        figures = timing.summary(times)
        value = figures.pop("median_ms")
        return Measurement(value, {**figures, "warm_up_runs": warm_up_runs, "gpu": self._gpu})

    def _unless_closed(self, once: Callable[[], float]) -> Callable[[], float]:
        def run() -> float:
            if self._closed:
                raise RuntimeError("closed before the measurement was done")
            return once()

        return run


def without_norms(spec: Graph) -> Fragment:
    """The graph that computes what ``spec`` does once its norms are folded into the convolutions."""
    nodes = (
        dataclasses.replace(node, operation=dataclasses.replace(node.operation, epsilon=None))
        if isinstance(node.operation, Conv)
        else node
        for node in spec.nodes
    )
    return Fragment(spec.input_shape, tuple(nodes), spec.name)


class _Replay:
    """One inference of a graph at batch 1 on the current GPU, recorded; a call replays it."""

    def __init__(self, spec: Graph) -> None:
        import torch

        from mnas_moo.objectives.formats import torch_module

        # The record names the memory of weights, input and result, which must live as long as it does.
        self._module = torch_module.build(without_norms(spec)).cuda().eval()
        self._image = torch.randn(1, *spec.input_shape, generator=torch.Generator().manual_seed(0)).cuda()
        self._graph = torch.cuda.CUDAGraph()
        self._start, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            # Libraries set themselves up in the first runs, which must be off the stream that is recorded.
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._module(self._image)
            torch.cuda.current_stream().wait_stream(aside)
            # Only this thread's calls are recorded: another may train on the GPU meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = self._module(self._image)

    def __call__(self) -> float:
        """Seconds between the start and the end on the GPU."""
        self._start.record()
        self._graph.replay()
        self._end.record()
        self._end.synchronize()
        return float(self._start.elapsed_time(self._end)) / 1e3
