"""Short training of one child, a small version of the paper's proxy task.

MnasNet trains each sampled network for 5 epochs on the training set without its held-out part (Tan et al. 2019,
sec. 5), with a learning rate schedule that was not published. Ours: linear warm-up, then a cosine to zero, one
value a step. SGD with Nesterov momentum takes the place of the paper's RMSProp: after 8 epochs on digits, eight random
children of one space reached a median of 97 % with it, 96 % with AdamW and 55 % with RMSProp, and the worst of them 96,
78 and 12 %. Statistics of batch norm follow the last dozen steps (``NORM_MOMENTUM``; the published 0.01 would remember
the initial weights). The decay is stronger than in long trainings, since it is what raises the effective learning rate
of norm-invariant weights in time: a tenth of it cost a point or two. All randomness comes from the seed;
torch's global generators are not used, and its number of threads is restored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.objectives.formats.torch_module import DropoutModule, Network, build
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.settings import Training
from mnas_moo.spaces.spec import NetworkSpec

MOMENTUM = 0.9
NORM_MOMENTUM = 0.1
WARM_UP = 0.2
"""Share of the steps over which the learning rate rises."""

SHIFT = 1 / 16
"""Largest shift of an augmented image, as a share of its side; at least one pixel."""

EVALUATION_BATCH = 256
RESIDENT_BYTES = 2**31
"""Images up to this size are copied to the device as a whole."""


@dataclass(frozen=True)
class TrainSettings(Training):
    """How a child is trained, checked.

    Raises:
        ValueError: a value is out of range, or the device is not there.
    """

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 4), ("threads", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"train: {name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"train: learning_rate is {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"train: weight_decay is {self.weight_decay}; it must be at least 0")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"train: label_smoothing is {self.label_smoothing}; it must be in [0, 1)")
        find_device(self.device)


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        accuracy: share of the hold-out that is classified right.
        loss: mean training loss of the last epoch, label smoothing included.
        seconds: wall-clock time, building and evaluation included.
        images_per_second: training images over the time of the training steps.
        device: the device it ran on.
    """

    accuracy: float
    loss: float
    seconds: float
    images_per_second: float
    device: str


def find_device(name: str) -> torch.device:
    """The device of a name, as ``TrainSettings.device`` has it.

    Raises:
        ValueError: torch knows no such device, or this machine has none.
    """
    present = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if name == "auto":
        return torch.device(next((kind for kind in ("cuda:0", "mps") if kind in present), "cpu"))
    if ("cuda:0" if name == "cuda" else name) not in present:
        raise ValueError(f"train: device {name!r} is not there; allowed here: auto, {', '.join(present)}")
    return torch.device(name)


def train(spec: NetworkSpec, data: ImageData, settings: TrainSettings, seed: int) -> TrainResult:
    """Trains a network from scratch and evaluates it on the hold-out.

    The same seed gives the same result on one CPU and number of threads; on a GPU, up to the order in which its
    kernels add.

    Args:
        spec: the network; its input must fit the images.
        data: images and their split.
        settings: how the network is trained.
        seed: seed of initial weights, order, augmentation and dropout.

    Raises:
        ValueError: the network does not fit the images, or the loss stopped being a number.
    """
    started = time.perf_counter()
    height, width, channels = data.images.shape[1:]
    if spec.input_shape != (channels, height, width) or spec.classes != len(data.info.classes):
        raise ValueError(
            f"train: the network takes images {spec.input_shape} (channels, height, width) of {spec.classes} classes, "
            f"but the data has {(channels, height, width)} of {len(data.info.classes)}"
        )
    device = find_device(settings.device)
    generator = torch.Generator().manual_seed(seed)
    with cpu_threads(settings.threads):
        model = build(spec, generator, norm_momentum=NORM_MOMENTUM).to(device).to(memory_format=torch.channels_last)
        dropout_generator = torch.Generator(device).manual_seed(seed)
        for module in model.modules():
            if isinstance(module, DropoutModule):
                module.generator = dropout_generator
        batches = Batches(data, device)
        begun = time.perf_counter()
        loss = fit(model, batches, settings, generator)
        trained = time.perf_counter()
        accuracy = evaluate(model, batches)
    return TrainResult(
        accuracy=accuracy,
        loss=loss,
        seconds=time.perf_counter() - started,
        images_per_second=settings.epochs * len(data.train) / (trained - begun),
        device=str(device),
    )


def fit(model: Network, batches: Batches, settings: TrainSettings, generator: torch.Generator) -> float:
    """The training loop; returns the mean loss of the last epoch, and waits for the device to have finished.

    Raises:
        ValueError: the loss stopped being a number.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True)
    sizes = batch_sizes(len(batches.data.train), settings.batch_size)
    steps = settings.epochs * len(sizes)
    step = 0
    model.train()
    for epoch in range(settings.epochs):
        losses = []
        for images, labels in batches.training(sizes, generator):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * schedule((step + 0.5) / steps)
            loss = F.cross_entropy(model(images), labels, label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
            step += 1
        mean = torch.stack(losses).mean().item()  # read once in an epoch, so that no step waits for a GPU
        if not math.isfinite(mean):
            raise ValueError(
                f"train: the loss became {mean} in epoch {epoch + 1} of {settings.epochs}; try a learning_rate below "
                f"{settings.learning_rate}"
            )
    return mean


def evaluate(model: Network, batches: Batches) -> float:
    """Share of the hold-out classified right, in evaluation mode."""
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=batches.device)
    with torch.no_grad():
        for images, labels in batches.holdout():
            right += (model(images).argmax(1) == labels).sum()
    return right.item() / len(batches.data.holdout)


def schedule(progress: float) -> float:
    """Learning rate over its peak at ``progress`` in [0, 1]: linear warm-up, then half a cosine to zero."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Splits ``n`` images into batches; the last takes what half a batch more or less leaves.

    So no batch has one image only, which has no statistics for batch norm, and all but one have one size, for which the
    code of the convolutions is generated once (near-equal sizes such as 63 and 62 for 64 cost a tenth more time).

    >>> from mnas_moo.objectives.training.train import batch_sizes
    >>> batch_sizes(1438, 512), batch_sizes(1100, 512), batch_sizes(5, 64)
    ([512, 512, 414], [512, 588], [5])
    """
    full = max(1, int(n / batch_size + 0.5)) - 1
    return [batch_size] * full + [n - batch_size * full]


class Batches:
    """Normalised batches of one data set on one device, (B, C, H, W) float32 in channels-last memory.

    Augmentation, drawn anew in every epoch: each image is shifted by up to ``SHIFT`` either way, its edge
    repeated, and mirrored half the time where a mirrored image keeps its class (``DataInfo.flip``). Shift and
    mirror are one indexed read of the stored bytes.
    """

    def __init__(self, data: ImageData, device: torch.device) -> None:
        self.data = data
        self.device = device
        resident = data.images.nbytes <= RESIDENT_BYTES
        self.images = data.images.to(device) if resident else data.images
        self.labels = data.labels.to(device)
        self.mean = data.mean.to(device)
        self.scale = data.std.to(device).reciprocal()
        self.side = data.images.shape[1]

    def training(self, sizes: list[int], generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: the training part in a new order, in batches of these sizes."""
        n, side = len(self.data.train), self.side
        order = self.data.train[torch.randperm(n, generator=generator)]
        shift = max(1, round(side * SHIFT))
        offsets = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator)
        rows, columns = (torch.arange(side) + offsets).clamp_(0, side - 1)
        if self.data.info.flip:
            mirrored = torch.rand(n, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, side - 1 - columns, columns)
        where = self.images.device
        parts = zip(*(torch.split(t.to(where), sizes) for t in (order, rows, columns)), strict=True)
        for index, row, column in parts:
            pixels = self.images[index[:, None, None], row[:, :, None], column[:, None, :]]
            yield self._normalised(pixels), self.labels[index.to(self.device)]

    def holdout(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The hold-out without augmentation."""
        for index in torch.split(self.data.holdout, EVALUATION_BATCH):
            yield self._normalised(self.images[index.to(self.images.device)]), self.labels[index.to(self.device)]

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Bytes (B, H, W, C) as float32 (B, C, H, W) of mean 0 and deviation 1 over the training part."""
        return pixels.to(self.device).float().sub_(self.mean).mul_(self.scale).permute(0, 3, 1, 2)
