"""Weights that a whole space shares: what a step and an evaluation cost, and how they rank networks.

    python studies/benchmarks/shared_weights.py [--data DIR] [--spaces mnasnet fbnet] [--networks 30] [--minutes 10]
        [--steps 1500] [--jobs 2] [--json figures.json]

Without --data on scikit-learn's digits, for seconds; with it on a folder of photographs at 32 pixels (preset 5m).

- A step with all candidates at once against its candidates' passes one after the other (forward and backward, medians
  of several in turns), and the bytes that are kept for the backward pass: of one path, and of all.
- An evaluation with shared weights against the training that it replaces.
- Kendall's rank correlation of the two over random networks, with its 95 % interval (bootstrap).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnas_moo.objectives.statistics import kendall_interval
from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces import get
from mnas_moo.spaces.space import Space
from mnas_moo.studies.benchmarks import harness
from mnas_moo.supernet.accuracy import SharedAccuracy
from mnas_moo.supernet.mixture import Mixture
from mnas_moo.supernet.module import Supernet
from mnas_moo.supernet.settings import SharedTraining
from mnas_moo.supernet.training import random_params, train_supernet

TURNS = 7
BATCH = 64


def main() -> None:
    """Prints the tables and writes the figures."""
    parser = harness.options(__doc__, jobs=2)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of images (default: the digits)")
    parser.add_argument("--spaces", nargs="+", default=["mnasnet", "fbnet"], help="spaces whose networks are ranked")
    parser.add_argument("--networks", type=int, default=None, help="random networks (default: 30; of the digits 6)")
    parser.add_argument("--minutes", type=float, default=None, help="training of the weights (default: 10; 0.1)")
    parser.add_argument("--steps", type=int, default=None, help="steps of a network's own training (default: 1500; 60)")
    arguments = parser.parse_args()
    small = arguments.data is None
    arguments.networks = arguments.networks or (6 if small else 30)
    arguments.minutes = arguments.minutes or (0.1 if small else 10.0)
    arguments.steps = arguments.steps or (60 if small else 1500)
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"step": step_figures(space_of("fbnet", arguments.data))}
    print(
        harness.markdown(
            ["a step of the space fbnet", "all at once", "one by one", "ratio"],
            [["ms", *(f"{figures['step'][name]:.4g}" for name in ("mixture_ms", "one_by_one_ms", "ratio"))]],
            numbers=[1, 2, 3],
        )
    )
    kept = figures["step"]
    print(f"kept for the backward pass: one path {kept['path_mb']:.1f} MB, all paths {kept['mixture_mb']:.1f} MB\n")
    figures["ranks"] = {name: ranks(name, arguments) for name in arguments.spaces}
    head = ["space", "networks", "tau", "95 % interval", "evaluation", "training", "ratio"]
    rows = [
        [
            name,
            str(found["networks"]),
            f"{found['tau']:.2f}",
            f"{found['low']:.2f} to {found['high']:.2f}",
            f"{found['evaluation_s']:.2f} s",
            f"{found['training_s']:.1f} s",
            f"1/{found['training_s'] / found['evaluation_s']:.0f}",
        ]
        for name, found in figures["ranks"].items()
    ]
    print(harness.markdown(head, rows, numbers=range(1, 7)))
    harness.write_json(arguments.json, figures)


def space_of(name: str, data: Path | None) -> Space:
    """The space for the images."""
    return get(name, preset="digits") if data is None else get(name, preset="5m", resolution=32, classes=_classes(data))


def _classes(data: Path) -> int:
    from mnas_moo.objectives.training.data import describe

    return len(describe({"folder": data}).classes)


def images_of(data: Path | None) -> ImageData:
    """The images."""
    return load_data("digits", 16) if data is None else load_data({"folder": data}, 32)


def step_figures(space: Space) -> dict[str, float]:
    """Times of a step and what is kept for its backward pass."""
    supernet = Supernet(space, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    mixture = Mixture(supernet)
    channels, height, width = space.random(np.random.default_rng(0)).input_shape
    images = torch.randn(BATCH, channels, height, width).to(memory_format=torch.channels_last)
    masks = {
        name: torch.full((len(each),), 1 / len(each), requires_grad=True) for name, each in mixture.choices.items()
    }

    def at_once() -> float:
        return harness.seconds(lambda: torch.autograd.backward(mixture(images, masks).sum()))[0]

    def one_by_one() -> float:
        """Each candidate of each layer on the layer's input, which all candidates before have made."""
        spent = 0.0
        x = _timed(lambda: supernet.run(mixture.first, images))
        spent += x[0]
        value = x[1].detach()
        for candidates in mixture.candidates.values():
            outputs = []
            for candidate in candidates:
                if candidate is None:
                    outputs.append(value)
                    continue
                entering = value.clone().requires_grad_()
                took, output = _timed(lambda each=candidate, x=entering: supernet.run(each, x))  # type: ignore[misc]
                spent += took
                outputs.append(output.detach())
            value = torch.stack(outputs).mean(0).to(memory_format=torch.channels_last)
        return spent + _timed(lambda: supernet.run(mixture.last, value.clone().requires_grad_()))[0]

    def _timed(forward: Callable[[], Tensor]) -> tuple[float, Tensor]:
        def both() -> Tensor:
            output = forward()
            torch.autograd.backward(output.sum())
            return output

        return harness.seconds(both)

    harness.in_turns(2, at_once, one_by_one)  # the first ones choose the code of their convolutions
    together, single = (float(np.median(times)) for times in harness.in_turns(TURNS, at_once, one_by_one))
    path = supernet.path(random_params(space, np.random.default_rng(0)))
    return {
        "mixture_ms": 1000 * together,
        "one_by_one_ms": 1000 * single,
        "ratio": together / single,
        "path_mb": kept_mb(lambda: supernet(images, path)),
        "mixture_mb": kept_mb(lambda: mixture(images, masks)),
    }


def kept_mb(forward: Callable[[], Tensor]) -> float:
    """10^6 bytes of what a forward pass keeps for the backward pass, each storage once; weights are in it."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = forward()
    del output
    return sum(kept.values()) / 1e6


def ranks(name: str, arguments: Any) -> dict[str, Any]:
    """Accuracies of random networks by shared weights and trained alone."""
    space, data = space_of(name, arguments.data), images_of(arguments.data)
    rng = np.random.default_rng(7)
    networks = [random_params(space, rng) for _ in range(arguments.networks)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "weights.pt")
        settings = SharedTraining(minutes=arguments.minutes, device="cpu", threads=arguments.jobs)
        curve = train_supernet(space, data, settings, file)
        shared = SharedAccuracy(file, space, data, device="cpu")
        by_shared = [harness.seconds(shared.measure, space.spec(params), 0) for params in networks]
    tasks = [(name, arguments.data, arguments.steps, number, params) for number, params in enumerate(networks)]
    alone = sorted(harness.in_processes(trained_alone, tasks, arguments.jobs))
    accuracies = np.array([found.value for _, found in by_shared]), np.array([accuracy for _, accuracy, _ in alone])
    tau, low, high = kendall_interval(*accuracies)
    return {
        "networks": len(networks),
        "tau": tau,
        "low": low,
        "high": high,
        "shared": accuracies[0].tolist(),
        "alone": accuracies[1].tolist(),
        "evaluation_s": float(np.median([took for took, _ in by_shared])),
        "training_s": float(np.median([took for _, _, took in alone])),
        "curve": [dataclasses.asdict(point) for point in curve],
    }


def trained_alone(task: tuple[str, Path | None, int, int, dict[str, Any]]) -> tuple[int, float, float]:
    """Number, accuracy and seconds of one network's own training."""
    name, data, steps, number, params = task
    accuracy = Accuracy(images_of(data), steps=steps, device="cpu")
    found = accuracy.train(space_of(name, data).spec(params), number)
    return number, float(found["accuracy"]), float(found["seconds"])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
