"""Our LiteRT writer beside ``litert-torch``, on the published networks: time to write, outputs, latency.

    python studies/benchmarks/litert_writer.py [--json litert_writer.json]

Both get the same torch module with the same weights; the converted model is given our input layout (1, H, W, C).
Reported once warm: imports and a first small network come before. A latency measurement is a fresh interpreter
(where its memory lies moves the result by some per cent), one thread on one core, and the median of its runs by
the thread's CPU clock; ours and the converted model alternate, and their medians over all measurements are compared.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

from mnas_moo.objectives.formats import litert, torch_module
from mnas_moo.spaces import NetworkSpec, network
from mnas_moo.studies.benchmarks import harness
from mnas_moo.studies.benchmarks.harness import in_turns, seconds

NETWORKS = ("mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2")
WRITES = 20
WARM_UP_RUNS, RUNS = 3, 15  # of one latency measurement


def trained(spec: NetworkSpec) -> torch_module.Network:
    """A module whose norms fit its activations, as after training, in evaluation mode."""
    module = torch_module.build(spec, norm_momentum=1.0)
    with torch.no_grad():
        module(torch.randn(4, *spec.input_shape, generator=torch.Generator().manual_seed(0)))
    return module.eval()


def convert(module: torch_module.Network) -> bytes:
    """The module as ``litert-torch`` converts it, without its progress report."""
    channels, height, width = module.spec.input_shape
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        tempfile.TemporaryDirectory() as folder,
    ):
        path = Path(folder) / "converted.tflite"
        channels_last = litert_torch.to_channel_last_io(module, args=[0]).eval()
        litert_torch.convert(channels_last, (torch.zeros(1, height, width, channels),)).export(str(path))
        return path.read_bytes()


def interpreter(model: bytes, image: np.ndarray) -> Interpreter:
    """A fresh interpreter with its input set."""
    made = Interpreter(model_content=model, num_threads=1)
    made.allocate_tensors()
    made.set_tensor(made.get_input_details()[0]["index"], image)
    return made


def output(model: bytes, image: np.ndarray) -> np.ndarray:
    """Logits for one image."""
    made = interpreter(model, image)
    made.invoke()
    return np.asarray(made.get_tensor(made.get_output_details()[0]["index"]))


def latency_ms(model: bytes, image: np.ndarray) -> float:
    """One measurement: the median of some runs of a fresh interpreter."""
    made = interpreter(model, image)
    times = []
    for i in range(WARM_UP_RUNS + RUNS):
        start = time.thread_time()
        made.invoke()
        if i >= WARM_UP_RUNS:
            times.append(time.thread_time() - start)
    return 1e3 * statistics.median(times)


def compare(name: str, measurements: int) -> dict[str, Any]:
    """All figures of one network."""
    spec = network(name)
    module = trained(spec)
    weights = torch_module.weights(module)
    convert_s, converted = seconds(convert, module)
    write_s = statistics.median(seconds(litert.write, spec, weights)[0] for _ in range(WRITES))
    random_write_s = statistics.median(seconds(litert.write, spec)[0] for _ in range(WRITES))
    ours = litert.write(spec, weights)

    channels, height, width = spec.input_shape
    images = np.random.default_rng(0).standard_normal((3, 1, height, width, channels), dtype=np.float32)
    difference = max(float(np.abs(output(ours, image) - output(converted, image)).max()) for image in images)
    with torch.no_grad():
        expected = [module(torch.from_numpy(image).permute(0, 3, 1, 2)).numpy() for image in images]
    from_torch = max(
        float(np.abs(output(ours, image) - logits).max()) for image, logits in zip(images, expected, strict=True)
    )

    turns = in_turns(measurements, lambda: latency_ms(ours, images[0]), lambda: latency_ms(converted, images[0]))
    our_ms, converted_ms = map(statistics.median, turns)
    ratios = sorted(one / other for one, other in zip(*turns, strict=True))
    return {
        "network": name,
        "write_ms": 1e3 * write_s,
        "write_random_weights_ms": 1e3 * random_write_s,
        "convert_ms": 1e3 * convert_s,
        "times_faster": convert_s / write_s,
        "difference_from_converted": difference,
        "difference_from_torch": from_torch,
        "latency_ms": our_ms,
        "converted_latency_ms": converted_ms,
        "latency_ratio": our_ms / converted_ms,
        "smallest_pair_ratio": ratios[0],
        "largest_pair_ratio": ratios[-1],
        "measurements": measurements,
    }


def main() -> None:
    """Prints the table."""
    parser = harness.options(__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="published networks (default: %(default)s)")
    parser.add_argument("--measurements", type=int, default=24, help="turns of latency (default: %(default)s)")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)

    small = network("mnasnet-small", resolution=32)
    convert(trained(small))
    litert.write(small)
    head = ("network", "write ms", "convert s", "times", "difference", "ours ms", "converted ms", "ratio", "(pairs)")
    print("{:<14}{:>9}{:>10}{:>7}{:>12}{:>9}{:>13}{:>7}  {}".format(*head))
    results = []
    for name in arguments.networks:
        row = compare(name, arguments.measurements)
        results.append(row)
        print(
            f"{name:<14}{row['write_ms']:>9.1f}{row['convert_ms'] / 1e3:>10.1f}{row['times_faster']:>7.0f}"
            f"{row['difference_from_converted']:>12.1e}{row['latency_ms']:>9.2f}{row['converted_latency_ms']:>13.2f}"
            f"{row['latency_ratio']:>7.3f}  ({row['smallest_pair_ratio']:.2f} to {row['largest_pair_ratio']:.2f})",
            flush=True,
        )
    harness.write_json(arguments.json, results)


if __name__ == "__main__":
    main()
