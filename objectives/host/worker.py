"""The process in which models are timed for ``latency.ProcessLatency``: it reads models and writes timings.

It is a process of its own, because threads of a training process would share an interpreter lock and an allocator with
what is timed. It loads only numpy and the runtime, so it starts in a fraction of a second. One that is asked for memory
is asked for nothing else, and keeps no network (``footprint``). A message is four bytes of
length (big-endian), that much JSON, and as many raw bytes as the JSON's "payload_bytes" says; nothing is unpickled.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from mnas_moo.objectives.host.footprint import footprint
from mnas_moo.objectives.host.timing import repeat, summary, timed, warm_up


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


def _litert(model: bytes | str, threads: int) -> Callable[[], object]:
    """LiteRT, which delegates what it can to XNNPACK; the model is its content or its path."""
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

    source = {"model_path": model} if isinstance(model, str) else {"model_content": model}
    interpreter = Interpreter(**source, num_threads=threads)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    image = _image(details["shape"])
    if details["dtype"] == np.int8:
        image = np.rint(np.clip(32 * image, -128, 127))
    interpreter.set_tensor(details["index"], image.astype(details["dtype"]))
    return cast("Callable[[], object]", interpreter.invoke)


def _onnxruntime(model: bytes, threads: int) -> Callable[[], object]:
    """ONNX Runtime's CPU provider with all its graph optimisations, the default."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads use no core
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    binding = session.io_binding()  # input and output stay where they are: no copy is timed
    binding.bind_ortvalue_input(source.name, onnxruntime.OrtValue.ortvalue_from_numpy(_image(source.shape)))
    binding.bind_output(result.name)
    return lambda: session.run_with_iobinding(binding)


def _image(shape: Sequence[int]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


RUNTIMES: dict[str, Callable[[bytes, int], Callable[[], object]]] = {"litert": _litert, "onnxruntime": _onnxruntime}
"""Name -> function that loads a model for a number of threads and returns what runs it once, on a fixed input."""


def memory(request: Mapping[str, Any]) -> dict[str, Any]:
    """What LiteRT takes for the model at a path, in 10^6 bytes; see ``footprint``.

    Raises:
        Exception: the runtime cannot read or run the model.
    """
    _pin(request)
    importlib.import_module("ai_edge_litert.interpreter")  # once, and before the fork: it is none of the model's
    _image((1,))  # imports too
    return dict(footprint(lambda: _litert(request["path"], request["threads"]), lambda: _image((1,))))


def _pin(request: Mapping[str, Any]) -> None:
    """Before the runtime starts its threads, which inherit it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request["cores"])


def measure(request: Mapping[str, Any], model: bytes) -> dict[str, Any]:
    """Times one model as ``latency.ProcessLatency`` asks; milliseconds.

    Raises:
        Exception: the runtime cannot read or run the model; each has errors of its own.
    """
    _pin(request)
    threads = request["threads"]
    run = RUNTIMES[request["runtime"]](model, threads)
    cpu_clock = threads == 1 and time.get_clock_info("thread_time").resolution <= 1e-6
    warm_up_runs = warm_up(run, request["maximum_seconds"])
    wall_start, cpu_start = time.perf_counter(), time.thread_time()
    clock = time.thread_time if cpu_clock else time.perf_counter
    times = repeat(timed(run, clock), request["precision"], request["maximum_seconds"])
    wall, cpu = time.perf_counter() - wall_start, time.thread_time() - cpu_start
    return {
        **summary(times),
        "warm_up_runs": warm_up_runs,
        "seconds": wall,
        "clock": "thread_cpu" if cpu_clock else "wall",
        "core_share": cpu / wall if cpu_clock else None,
    }


def main() -> None:
    """Answers requests on standard input until it ends."""
    source = sys.stdin.buffer
    # Answers use a descriptor of their own; whatever native code prints goes to the error output.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request, model = receive(source)
        except EOFError:
            return
        try:
            answer = memory(request) if "path" in request else measure(request, model)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        send(answers, answer)


if __name__ == "__main__":
    main()
