"""The process in which models are timed for ``latency.HostLatency``: it reads models and writes timings.

A process of its own, because threads of a training process would share an interpreter lock and an allocator with
what is timed. It loads numpy and LiteRT only, so it is there in a fraction of a second. A message is four bytes of
length (big-endian), that much JSON, and as many raw bytes as the JSON's "payload_bytes" says; nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

MINIMUM_RUNS = 10  # an interval for the median needs some
MINIMUM_SECONDS = 0.5  # of timed runs: bursts of other work last milliseconds and should be a small part
WARM_UP_SECONDS = 0.2  # caches fill and the core reaches its speed


def send(stream: BinaryIO, message: Mapping[str, Any], payload: bytes = b"") -> None:
    """Writes one message.

    Raises:
        OSError: the reader is gone.
    """
    header = json.dumps({**message, "payload_bytes": len(payload)}).encode()
    stream.write(len(header).to_bytes(4, "big"))
    stream.write(header)
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Reads one message and its payload.

    Raises:
        EOFError: the writer is gone.
    """
    message: dict[str, Any] = json.loads(_read(stream, int.from_bytes(_read(stream, 4), "big")))
    return message, _read(stream, message.pop("payload_bytes"))


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"the stream ended {size - len(data)} bytes early")
    return data


def median_interval(times: Sequence[float]) -> tuple[float, float, float]:
    """Median with its 95 % confidence interval from order statistics, which suppose no distribution.

    The runs are taken as independent; slow drift of the machine is not in the interval.

    Args:
        times: any number of values above 0, in any order.

    Returns:
        (median, low, high), the latter two the order statistics at ranks n / 2 ± 0.98 sqrt(n).
    """
    ordered = np.sort(np.asarray(times))
    n = len(ordered)
    margin = 0.98 * n**0.5  # 1.96 standard deviations of Binomial(n, 1/2)
    low, high = max(0, int(n / 2 - margin)), min(n - 1, int(n / 2 + margin))
    return float(np.median(ordered)), float(ordered[low]), float(ordered[high])


def repeat(
    run: Callable[[], object], clock: Callable[[], float], precision: float, maximum_seconds: float
) -> list[float]:
    """Repeats ``run`` until the median is known well enough.

    Args:
        run: what is timed.
        clock: seconds; read before and after each run.
        precision: stop once half the confidence interval of the median is at most this share of the median.
        maximum_seconds: stop after this long anyway, once there are ``MINIMUM_RUNS``.

    Returns:
        Seconds of every run, in order.
    """
    times: list[float] = []
    start, check = time.perf_counter(), MINIMUM_RUNS
    while True:
        before = clock()
        run()
        times.append(clock() - before)
        elapsed = time.perf_counter() - start
        if len(times) < MINIMUM_RUNS or elapsed < MINIMUM_SECONDS:
            continue
        if elapsed >= maximum_seconds:
            return times
        if len(times) >= check:
            median, low, high = median_interval(times)
            if high - low <= 2 * precision * median:
                return times
            check = len(times) * 5 // 4  # seldom: sorting takes time too


def measure(request: Mapping[str, Any], model: bytes) -> dict[str, Any]:
    """Times one model as ``latency.HostLatency`` asks; milliseconds.

    Raises:
        ValueError, RuntimeError: LiteRT cannot read or run the model.
    """
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request["cores"])  # before LiteRT starts its threads, which inherit it
    threads = request["threads"]
    interpreter = Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    image = np.random.default_rng(0).standard_normal(source["shape"], dtype=np.float32)
    interpreter.set_tensor(source["index"], image)
    cpu_clock = threads == 1 and time.get_clock_info("thread_time").resolution <= 1e-6

    wall_start, cpu_start, warm_up_runs = time.perf_counter(), time.thread_time(), 0
    while warm_up_runs < 3 or time.perf_counter() - wall_start < WARM_UP_SECONDS:
        interpreter.invoke()
        warm_up_runs += 1
    wall_start, cpu_start = time.perf_counter(), time.thread_time()
    clock = time.thread_time if cpu_clock else time.perf_counter
    times = repeat(interpreter.invoke, clock, request["precision"], request["maximum_seconds"])
    wall, cpu = time.perf_counter() - wall_start, time.thread_time() - cpu_start
    median, low, high = median_interval(times)
    p10, p90 = np.percentile(times, [10, 90])
    return {
        "median_ms": 1e3 * median,
        "p10_ms": 1e3 * float(p10),
        "p90_ms": 1e3 * float(p90),
        "confidence_half_width_ms": 1e3 * (high - low) / 2,
        "runs": len(times),
        "warm_up_runs": warm_up_runs,
        "seconds": wall,
        "clock": "thread_cpu" if cpu_clock else "wall",
        "core_share": cpu / wall if cpu_clock else None,
    }


def main() -> None:
    """Answers requests on standard input until it ends."""
    source = sys.stdin.buffer
    # Answers go out by a descriptor of their own; whatever native code prints joins the error output.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request, model = receive(source)
        except EOFError:
            return
        try:
            answer = measure(request, model)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        send(answers, answer)


if __name__ == "__main__":
    main()
