"""Throughput of a final training beside torchvision's reference loop: same network, images, batch and augmentation.

The reference is what references/classification/train.py of torchvision runs: its own MobileNetV2 and MnasNet, an
``ImageFolder`` of the same files, its transforms (random resized crop of the areas and ratios that "photo" draws,
mirroring, jitter of brightness, contrast and saturation, normalisation), a ``DataLoader`` with a worker, SGD with
momentum. Ours is what `mnas-moo train` runs, without its judgements. Both compute on one thread, turn about; the worker
of the reference has the other core for itself. Also: the time of a step beside that of the same step on images that are
on the device already, so that only network and optimizer are left.

    python studies/benchmarks/final_training.py [--data DIR] [--images 2048] [--turns 5] [--json figures.json]

Without --data it makes images of noise.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision  # type: ignore[import-untyped]
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2  # type: ignore[import-untyped]

from mnas_moo import spaces
from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.augmentation import AREA, JITTER, RATIO
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.objectives.training.full import criterion, method_of
from mnas_moo.objectives.training.recipes import RECIPES
from mnas_moo.objectives.training.train import TrainSettings, find_device, fit
from mnas_moo.studies.benchmarks import harness

BATCH = 64
RECIPE = dataclasses.replace(RECIPES["sgd"], batch_size=BATCH, epochs=1, augmentation="photo")
NETWORKS: dict[str, tuple[str, Callable[..., nn.Module]]] = {
    "MobileNetV2": ("mobilenetv2", torchvision.models.mobilenet_v2),
    "MnasNet-B1": ("mnasnet-b1", torchvision.models.mnasnet1_0),
}


def ours(name: str, data: ImageData, device: torch.device) -> float:
    """Images a second of one epoch."""
    network = spaces.network(name, resolution=data.images.shape[1], classes=len(data.info.classes))
    model = build(network, norm_momentum=RECIPE.norm_momentum).to(device).to(memory_format=torch.channels_last)
    _, method = method_of(model, RECIPE)
    settings = TrainSettings(epochs=1, batch_size=BATCH, augmentation="photo", device=str(device))
    batches = Batches(data, device, "photo")
    steps = criterion(model, RECIPE, device)
    end = fit(model, batches, settings, Randomness.of(0, device), criterion=steps, method=method)
    return end.images_per_second


def reference(make: Callable[..., nn.Module], folder: Path, data: ImageData, device: torch.device) -> float:
    """Images a second of one epoch of torchvision's loop."""
    side = data.images.shape[1]
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(AREA, 1.0), ratio=(1 / RATIO, RATIO)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(*JITTER),
            v2.PILToTensor(),
            v2.ToDtype(torch.float, scale=True),
            v2.Normalize((data.mean / 255).tolist(), (data.std / 255).tolist()),
        ]
    )
    images = torchvision.datasets.ImageFolder(str(folder), transform)
    subset = torch.utils.data.Subset(images, data.train.tolist())
    loader = torch.utils.data.DataLoader(subset, batch_size=BATCH, shuffle=True, num_workers=1, drop_last=False)
    model = make(num_classes=len(data.info.classes)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.002)
    lossed = nn.CrossEntropyLoss(label_smoothing=0.1)
    model.train()
    began = time.perf_counter()
    for batch, target in loader:
        loss = lossed(model(batch.to(device)), target.to(device))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return len(subset) / (time.perf_counter() - began)


def resident(name: str, data: ImageData, device: torch.device) -> float:
    """Images a second of our network and optimizer on a batch that is on the device already."""
    network = spaces.network(name, resolution=data.images.shape[1], classes=len(data.info.classes))
    model = build(network, norm_momentum=RECIPE.norm_momentum).to(device).to(memory_format=torch.channels_last)
    _, method = method_of(model, RECIPE)
    sizes = batch_sizes(len(data.train), BATCH)
    images, labels = next(iter(Batches(data, device, "none").training(sizes, Randomness.of(0, device))))
    steps = len(sizes)
    model.train()
    began = time.perf_counter()
    for _ in range(steps):
        method.optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(model(images), labels, label_smoothing=0.1))
        method.optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return steps * BATCH / (time.perf_counter() - began)


def noise(folder: Path) -> Path:
    """Two classes of images of noise."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir()
        for i in range(400):
            pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.jpg")
    return folder


def main() -> None:
    """Prints a table of images a second."""
    parser = harness.options(__doc__)
    parser.add_argument("--data", type=Path, help="a folder with one subfolder of images a class (default: noise)")
    parser.add_argument("--images", type=int, default=2048, help="training images (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each loop (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    arguments = parser.parse_args()
    device = find_device(arguments.device)
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as temporary, cpu_threads(1):
        folder = arguments.data or noise(Path(temporary))
        data = load_data(str(folder), 32)
        some = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[: arguments.images]
        data = dataclasses.replace(data, train=data.train[some])
        for title, (name, make) in NETWORKS.items():
            sides = harness.in_turns(
                arguments.turns,
                functools.partial(ours, name, data, device),
                functools.partial(reference, make, folder, data, device),
                functools.partial(resident, name, data, device),
            )
            pairs = [zip(sides[0], other, strict=True) for other in sides[1:]]
            ratios = [statistics.median(a / b for a, b in pair) for pair in pairs]
            medians = [statistics.median(side) for side in sides]
            figures[title] = {
                "images_per_second": medians[0],
                "reference_images_per_second": medians[1],
                "resident_images_per_second": medians[2],
                "ratio": ratios[0],
                "share_of_resident": ratios[1],
            }
            rows.append([title, *(f"{each:.0f}" for each in medians), f"{ratios[0]:.2f}", f"{ratios[1]:.2f}"])
    head = ["network", "ours, images/s", "torchvision's loop", "images on the device", "ratio", "share of the last"]
    print(harness.markdown(head, rows, numbers=[1, 2, 3, 4, 5]))
    harness.write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
