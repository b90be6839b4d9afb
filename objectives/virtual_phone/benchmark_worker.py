"""The process that runs models for virtual phones: LiteRT is loaded once, and each model runs in a fork of it.

A request is a line of JSON over a Unix socket, the answers are lines too; nothing is unpickled. With one thread, runs
are timed by the thread's CPU clock, which stands still while the system gives the core to somebody else; with more,
by the wall clock, for the other threads' clocks cannot be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def run(request: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Runs one model as benchmark_model does: warm-up, then timed runs.

    Args:
        request: "graph" (path), "threads", "warmup_runs", "warmup_seconds", "runs", "seconds", "maximum_seconds".
        tell: gets {"init_us", "init_mb"}, then {"warmup_us": [...]}, then {"us": [...], "overall_mb"}.

    Raises:
        ValueError, RuntimeError: LiteRT cannot read or run the model.
    """
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

    rng = np.random.default_rng(0)
    rng.uniform(-1, 1, 1)  # its code is in memory before the model's
    memory, start = _resident_mb(), time.perf_counter()
    interpreter = Interpreter(model_path=request["graph"], num_threads=request["threads"])
    interpreter.allocate_tensors()
    init_us = round(1e6 * (time.perf_counter() - start))
    tell({"init_us": init_us, "init_mb": max(0.0, _resident_mb() - memory)})
    for source in interpreter.get_input_details():
        values = rng.uniform(-1, 1, source["shape"])
        if np.issubdtype(source["dtype"], np.integer):
            values = np.round(100 * values).clip(*(np.iinfo(source["dtype"]).min, np.iinfo(source["dtype"]).max))
        interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
    clock = time.thread_time if request["threads"] == 1 else time.perf_counter

    def repeat(runs: int, seconds: float) -> list[int]:
        times: list[int] = []
        start = now = time.perf_counter()
        while (len(times) < runs or now - start < seconds) and now - start <= request["maximum_seconds"]:
            before = clock()
            interpreter.invoke()
            times.append(round(1e6 * (clock() - before)))
            now = time.perf_counter()
        return times

    tell({"warmup_us": repeat(request["warmup_runs"], request["warmup_seconds"])})
    times = repeat(request["runs"], request["seconds"])
    tell({"us": times, "overall_mb": max(0.0, _resident_mb() - memory)})


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a number, read in passing
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def _serve(connection: socket.socket) -> None:
    """Answers one request; ends at once, in the middle of a run, when the other side hangs up."""
    with connection, connection.makefile("rb") as lines:
        request = json.loads(lines.readline())

        def watch() -> None:
            connection.recv(1)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

        def tell(answer: Mapping[str, Any]) -> None:
            connection.sendall(json.dumps(answer).encode() + b"\n")

        try:
            run(request, tell)
        except (ValueError, RuntimeError) as error:
            tell({"error": str(error)})


def main(address: str) -> None:
    """Serves at ``address`` until standard input ends; then all forks end too."""
    from ai_edge_litert import interpreter  # type: ignore[import-untyped]  # noqa: F401 - so that forks have it

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks leave nothing behind
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                break
            connection, _ = listener.accept()
            if os.fork():
                connection.close()
                continue
            status = 1
            with contextlib.suppress(OSError):
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _serve(connection)
                status = 0
            os._exit(status)
    os.killpg(0, signal.SIGKILL)  # the parent gave us a group of our own


if __name__ == "__main__":
    main(sys.argv[1])
