"""The runtimes of this machine side by side: latency, size of the file, difference from torch. Prints Markdown.

    python studies/benchmarks/runtimes.py [--json runtimes.json]

Four published networks at 224 x 224 with random weights whose norms fit random normal images, and one random network
of the digits' space, trained on them. A measurement is one of a search (``HostLatency``, ``OnnxLatency``: a fresh
process on one core, one thread, the median of its runs). Networks and runtimes take turns; the table has the median of
the turns and their extremes. The int8 models of the difference are calibrated, on random images or on digits of the
training part; "difference" is the largest of all outputs for some other images, over the range of torch's outputs.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

from mnas_moo.objectives.formats import litert, onnx, torch_module
from mnas_moo.objectives.host.latency import HostLatency, OnnxLatency, ProcessLatency
from mnas_moo.objectives.training.batches import Batches, Randomness
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.train import NORM_MOMENTUM, TrainSettings, fit
from mnas_moo.spaces import NetworkSpec, get, network
from mnas_moo.studies.benchmarks import harness

PUBLISHED = ("mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2")
IMAGES = 4  # of the published networks' comparison
CALIBRATION = 16  # images for the published networks, which see noise only; 100 for the digits


@dataclass(frozen=True)
class Subject:
    """A network with weights.

    Attributes:
        name: name in the table.
        module: network in evaluation mode.
        calibration: (N, C, H, W) images that int8 ranges come from.
        images: (N, C, H, W) other images, for which outputs are compared.
    """

    name: str
    module: torch_module.Network
    calibration: torch.Tensor
    images: torch.Tensor


def published(name: str) -> Subject:
    """A published network with random weights whose norms fit its activations."""
    spec = network(name)
    images = torch.randn(CALIBRATION + IMAGES, *spec.input_shape, generator=torch.Generator().manual_seed(0))
    module = torch_module.build(spec, norm_momentum=1.0)
    with torch.no_grad():
        module(images[:IMAGES])
    return Subject(name, module.eval(), images[IMAGES:], images[:IMAGES])


def digits(epochs: int = 5) -> Subject:
    """A random network of the digits' space, trained; compared on all of the hold-out."""
    spec = get("mnasnet", preset="digits").random(np.random.default_rng(0))
    random = Randomness.of(0)
    module = torch_module.build(spec, random.order, norm_momentum=NORM_MOMENTUM)
    for part in module.modules():
        if isinstance(part, torch_module.DropoutModule):
            part.generator = random.dropout
    batches = Batches(load_data("digits", spec.input_shape[1]), torch.device("cpu"))
    fit(module, batches, TrainSettings(epochs=epochs, device="cpu"), random)
    (calibration, _), *_ = batches.training([100, len(batches.data.train) - 100], random)
    return Subject("digits", module.eval(), calibration, torch.cat([images for images, _ in batches.holdout()]))


def run_litert(model: bytes, images: np.ndarray) -> np.ndarray:
    """Outputs of a LiteRT model for (N, C, H, W) float32 images, as real values."""
    made = Interpreter(model_content=model, num_threads=1)
    made.allocate_tensors()
    (source,), (result,) = made.get_input_details(), made.get_output_details()
    outputs = []
    for image in images.transpose(0, 2, 3, 1):
        if source["dtype"] == np.int8:
            scale, zero_point = source["quantization"]
            image = np.clip(np.rint(image / scale) + zero_point, -128, 127)
        made.set_tensor(source["index"], image[None].astype(source["dtype"]))
        made.invoke()
        outputs.append(made.get_tensor(result["index"])[0].astype(np.float32))
    if result["dtype"] == np.int8:
        scale, zero_point = result["quantization"]
        return (np.array(outputs) - np.float32(zero_point)) * np.float32(scale)
    return np.array(outputs)


def run_onnxruntime(model: bytes, images: np.ndarray) -> np.ndarray:
    """Outputs of an ONNX model for (N, C, H, W) float32 images."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])


@dataclass(frozen=True)
class Runtime:
    """One of the columns: how it is timed, and how a model for it is written and run."""

    name: str
    latency: Callable[[], ProcessLatency]
    write: Callable[[NetworkSpec, dict[str, np.ndarray], np.ndarray], bytes]
    run: Callable[[bytes, np.ndarray], np.ndarray]


RUNTIMES = (
    Runtime("LiteRT float32", HostLatency, lambda spec, weights, _: litert.write(spec, weights), run_litert),
    Runtime(
        "LiteRT int8",
        lambda: HostLatency(data_type="int8"),
        lambda spec, weights, calibration: litert.write(spec, weights, "int8", calibration),
        run_litert,
    ),
    Runtime("ONNX Runtime float32", OnnxLatency, lambda spec, weights, _: onnx.write(spec, weights), run_onnxruntime),
)


def compare(subject: Subject, runtime: Runtime) -> dict[str, Any]:
    """Size and outputs of one network in one runtime."""
    calibration = subject.calibration.permute(0, 2, 3, 1).contiguous().numpy()
    spec = subject.module.spec
    assert isinstance(spec, NetworkSpec)
    model = runtime.write(spec, torch_module.weights(subject.module), calibration)
    with torch.no_grad():
        expected = subject.module(subject.images).numpy()
    got = runtime.run(model, subject.images.numpy())
    errors = np.abs(got - expected) / np.ptp(expected)
    return {
        "network": subject.name,
        "runtime": runtime.name,
        "file_mb": len(model) / 1e6,
        "largest_difference": float(errors.max()),
        "mean_difference": float(errors.mean()),
        "same_decision": float((got.argmax(1) == expected.argmax(1)).mean()),
        "latency_ms": [],
        "core_share": [],
    }


def measure(subject: Subject, runtime: Runtime, row: dict[str, Any]) -> None:
    """Adds one turn's measurement to ``row``."""
    with contextlib.closing(runtime.latency()) as latency:
        measurement = latency.measure(subject.module.spec, 0)
        row["latency_ms"].append(measurement.value)
        row["core_share"].append(measurement.details["core_share"])
        row["device"] = dict(latency.device)


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = []
    base = {row["network"]: statistics.median(row["latency_ms"]) for row in rows if row["runtime"] == "LiteRT float32"}
    for row in rows:
        times = row["latency_ms"]
        median = statistics.median(times)
        difference = row["largest_difference"]
        cells = (
            row["network"],
            row["runtime"],
            f"{median:#.3g}",
            f"{min(times):#.3g} to {max(times):#.3g}",
            f"{median / base[row['network']]:.2f}",
            f"{row['file_mb']:.2f}",
            f"{difference:.1e}" if difference < 1e-3 else f"{100 * difference:.1f} %",
            f"{100 * row['same_decision']:.1f} %" if row["network"] == "digits" else "",
        )
        lines.append(cells)
    head = "network, runtime, latency ms, (turns), to LiteRT float32, file MB, difference, same decision"
    return harness.markdown(head.split(", "), lines, numbers=(2, 4, 5, 6, 7))


def main() -> None:
    """Prints the table and how it was measured."""
    parser = harness.options(__doc__)
    parser.add_argument("--turns", type=int, default=5, help="turns of latency (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subjects = [*map(published, PUBLISHED), digits()]
    pairs = [(subject, runtime) for subject in subjects for runtime in RUNTIMES]
    rows = [compare(subject, runtime) for subject, runtime in pairs]
    for _ in range(arguments.turns):
        for (subject, runtime), row in zip(pairs, rows, strict=True):
            measure(subject, runtime, row)
    print(markdown(rows))
    runtimes = dict.fromkeys(f"{row['device']['runtime']}" for row in rows)
    shares = [share for row in rows for share in row["core_share"] if share is not None]
    print(
        f"\n{rows[0]['device']['model']}, {platform.system()}, 1 thread, {arguments.turns} turns; "
        f"{', '.join(runtimes)}, torch {torch.__version__}; "
        + (
            f"the core was ours for {100 * min(shares):.0f} % of the time or more."
            if shares
            else "timed by wall clock."
        )
    )
    harness.write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
