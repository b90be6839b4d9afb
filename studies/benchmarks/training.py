"""Training speed: our loop beside a plain PyTorch loop over the same network, resolution, batch and data.

The plain loop is what a newcomer writes: the network as torchvision builds it (or, for networks torchvision does not
have, our own module in torch's default memory layout), images as normalised float tensors in memory, a permutation an
epoch, the same SGD as torch makes it. It augments nothing; ours augments and normalises in its time. Both run on one
thread, turn about in one process, by that thread's CPU clock; medians of the repeats are reported, and where our
time goes.

    python studies/benchmarks/training.py [--data DIR] [--repeats 5] [--json training.json]
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.nn import functional as F

from mnas_moo import spaces
from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.data import ImageData, describe, load_data
from mnas_moo.objectives.training.settings import EPOCHS
from mnas_moo.objectives.training.train import MOMENTUM, NORM_MOMENTUM, TrainSettings, evaluate, fit
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.studies.benchmarks import harness

BATCH = 64
CPU = torch.device("cpu")


def plain_loop(make: Callable[[], nn.Module], data: ImageData) -> float:
    """Seconds of one epoch of a new module, the last partial batch included."""
    model = make()
    images = ((data.images[data.train].float() - data.mean) / data.std).permute(0, 3, 1, 2).contiguous()
    labels = data.labels[data.train]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=MOMENTUM, weight_decay=1e-2, nesterov=True)
    model.train()
    started = time.thread_time()
    for index in torch.split(torch.randperm(len(images)), BATCH):
        loss = F.cross_entropy(model(images[index]), labels[index])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return time.thread_time() - started


def our_loop(spec: NetworkSpec, data: ImageData) -> float:
    """Seconds of one epoch of what a study runs."""
    model = _ours(spec)
    batches = Batches(data, CPU)
    started = time.thread_time()
    fit(model, batches, TrainSettings(epochs=1, batch_size=BATCH), Randomness.of(0))
    return time.thread_time() - started


def where_time_goes(spec: NetworkSpec, data: ImageData) -> dict[str, float]:
    """Shares of a child's time, epochs as by default and one evaluation; one epoch is timed piece by piece."""
    model, batches, clock = _ours(spec), Batches(data, CPU), time.thread_time
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=MOMENTUM, nesterov=True, fused=True)
    seconds = dict.fromkeys(("data", "forward", "backward", "optimiser", "evaluation"), 0.0)
    model.train()
    last = clock()

    def lap(part: str) -> None:
        nonlocal last
        now = clock()
        seconds[part] += now - last
        last = now

    for images, labels in batches.training(batch_sizes(len(data.train), BATCH), Randomness.of(0)):
        lap("data")
        loss = F.cross_entropy(model(images), labels)
        lap("forward")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        lap("backward")
        optimizer.step()
        lap("optimiser")
    seconds = {part: value * EPOCHS for part, value in seconds.items()}
    evaluate(model, batches)
    lap("evaluation")
    return {part: value / sum(seconds.values()) for part, value in seconds.items()}


def _ours(spec: NetworkSpec) -> Any:
    model = build(spec, torch.Generator().manual_seed(0), norm_momentum=NORM_MOMENTUM)
    return model.to(memory_format=torch.channels_last)


def cases(data: ImageData) -> dict[str, tuple[NetworkSpec, Callable[[], nn.Module]]]:
    """Networks to train: specification, and what makes the plain module of it."""
    resolution, channels, classes = data.images.shape[1], data.images.shape[3], len(data.info.classes)
    space = spaces.get("mnasnet", resolution=resolution, classes=classes, channels=channels)
    made: dict[str, tuple[NetworkSpec, Callable[[], nn.Module]]] = {}
    for seed in range(3):
        spec = space.random(np.random.default_rng(seed))
        made[f"random network {seed}"] = (spec, functools.partial(build, spec, norm_momentum=NORM_MOMENTUM))
    if channels == 3:
        b1 = spaces.network("mnasnet-b1", resolution=resolution, classes=classes)
        made["MnasNet-B1"] = (b1, functools.partial(torchvision.models.mnasnet1_0, num_classes=classes))
    return made


def main() -> None:
    """Prints a table of images a second."""
    parser = harness.options(__doc__)
    parser.add_argument("--data", help="a folder with one subfolder of images a class (default: digits)")
    parser.add_argument("--images", type=int, default=2000, help="training images at most (default: 2000)")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each loop (default: 5)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = arguments.data or "digits"
    data = load_data(source, max(16, describe(source).resolution))
    every = max(1, len(data.train) // arguments.images)
    data = dataclasses.replace(data, train=data.train[::every], holdouts=(data.holdout[::every],))

    result: dict[str, dict[str, Any]] = {}
    print(f"{len(data.train)} images of {data.images.shape[1]} px, batch {BATCH}, 1 thread, {arguments.repeats} turns")
    print(f"{'network':20}{'ours, images/s':>16}{'plain':>10}{'ratio':>8}  where our time goes")
    for name, (spec, make_plain) in cases(data).items():
        contenders = functools.partial(our_loop, spec, data), functools.partial(plain_loop, make_plain, data)
        turns = harness.in_turns(arguments.repeats, *contenders)
        ours, plain = ([len(data.train) / seconds for seconds in each] for each in turns)
        ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
        shares = where_time_goes(spec, data)
        result[name] = {
            "images_per_second": statistics.median(ours),
            "plain_images_per_second": statistics.median(plain),
            "ratio": ratio,
            "shares": shares,
        }
        figures = f"{statistics.median(ours):16.0f}{statistics.median(plain):10.0f}{ratio:8.2f}"
        print(f"{name:20}{figures}  " + ", ".join(f"{part} {share:.0%}" for part, share in shares.items()), flush=True)
    harness.write_json(arguments.json, result)


if __name__ == "__main__":
    main()
