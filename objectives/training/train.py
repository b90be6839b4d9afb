"""Short training of one child, a small version of the paper's proxy task.

MnasNet trains each sampled network for 5 epochs on the training set without its held-out part (Tan et al. 2019,
sec. 5), with a learning rate schedule that was not published. Ours: linear warm-up, then a cosine to zero, one
value a step; the length is counted in steps, since an epoch of a small folder is too short a unit. SGD with Nesterov
momentum takes the place of the paper's RMSProp: after 8 epochs on digits, eight random children of one space reached a
median of 97 % with it, 96 % with AdamW and 55 % with RMSProp, and the worst of them 96, 78 and 12 %. Statistics of
batch norm follow the last dozen steps (``NORM_MOMENTUM``; the published 0.01 would remember the initial weights). The
decay is stronger than in long trainings, since it is what raises the effective learning rate of norm-invariant weights
in time: a tenth of it cost a point or two. All randomness comes from the seed; torch's global generators are not used,
and its number of threads is restored.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.objectives.formats.torch_module import DropoutModule, Network, build
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training import checkpoint
from mnas_moo.objectives.training.balance import balanced_accuracy
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.condensing import Condensing, dense, learns
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.settings import AUGMENTATIONS, Training, augmentation_of, default_steps
from mnas_moo.spaces.spec import NetworkSpec

MOMENTUM = 0.9
NORM_MOMENTUM = 0.1
WARM_UP = 0.2
"""Share of the steps over which the learning rate rises."""


TELL_SECONDS = 1.0
"""A training says so often where it stands."""
CHECKPOINT_SECONDS = 20.0
"""A training saves so often what it needs to go on."""


@dataclass(frozen=True)
class TrainSettings(Training):
    """How a child is trained, checked.

    Raises:
        ValueError: a value is out of range, or the device is not there.
    """

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("steps", 1), ("batch_size", 4), ("threads", 1)):
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ValueError(f"train: {name} is {getattr(self, name)}; it must be at least {least}")
        if self.epochs is not None and self.steps is not None:
            raise ValueError(f"train: epochs is {self.epochs} and steps is {self.steps}; give one of them")
        if self.augmentation not in AUGMENTATIONS:
            raise ValueError(f"train: augmentation is {self.augmentation!r}; allowed: {', '.join(AUGMENTATIONS)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"train: learning_rate is {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"train: weight_decay is {self.weight_decay}; it must be at least 0")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"train: label_smoothing is {self.label_smoothing}; it must be in [0, 1)")
        find_device(self.device)

    def length(self, images: int) -> int:
        """Steps of a training on so many images."""
        if self.epochs is not None:
            return self.epochs * len(batch_sizes(images, self.batch_size))
        return default_steps(images, self.batch_size) if self.steps is None else self.steps

    def augmenting(self, data: ImageData) -> str:
        """The augmentation of a training on these images."""
        if self.augmentation != "auto":
            return self.augmentation
        images = len(data.train)
        return augmentation_of(self.length(images) * self.batch_size / images, flip=data.info.flip)


@dataclass(frozen=True)
class Step:
    """Where a training stands.

    Attributes:
        step: steps done.
        steps: steps of the training.
        loss: mean training loss over the last steps.
        images_per_second: training images over the time of the steps so far.
        seconds: time of the steps so far.
    """

    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds: float


Criterion = Callable[[Tensor, Tensor, int], Tensor]
"""Computes the gradients of a step from images and targets, and returns the loss, detached."""
Listener = Callable[[Step], None]
"""Is told of a training about once a second; an error that it raises ends the training, which can go on later."""


@dataclass(frozen=True)
class Method:
    """How a training steps, where not as that of a child.

    Attributes:
        optimizer: the optimizer of the model's parameters.
        rate: learning rate of a step, by its number from 0 and the number of all steps.
        kept: the module whose state is what the training has made: the model, and what goes with it.
        stepped: is called after every step.
    """

    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int], float]
    kept: torch.nn.Module
    stepped: Callable[[], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        accuracy: share of the hold-out that is classified right; the mean of that of its classes if ``balanced``.
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


def train(
    spec: NetworkSpec,
    data: ImageData,
    settings: TrainSettings,
    seed: int,
    *,
    listener: Listener | None = None,
    saved: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> TrainResult:
    """Trains a network, from scratch unless weights are given, and evaluates it on the hold-out.

    The same seed gives the same result on one CPU and number of threads, also where the training was interrupted and
    went on; on a GPU, up to the order in which its kernels add.

    Args:
        spec: the network; its input must fit the images.
        data: images and their split.
        settings: how the network is trained.
        seed: seed of initial weights, order, augmentation and dropout.
        listener: is told where the training stands.
        saved: file that keeps what an interrupted training needs to go on; it is removed by the caller, once the
            result is stored. None: nothing is kept.
        start: weights and statistics to begin with, by the names of a ``Network``; None: fresh ones.

    Raises:
        ValueError: the network does not fit the images, or the loss stopped being a number.
    """
    started = time.perf_counter()
    data.check(spec, "train: the network")
    device = find_device(settings.device)
    random = Randomness.of(seed, device)
    with cpu_threads(settings.threads):
        condensed = learns(spec) and start is None
        model = untrained(dense(spec) if condensed else spec, random, device)
        if start is not None:
            model.load_state_dict(start)
        batches = Batches(data, device, settings.augmenting(data))
        if condensed:
            condensing = Condensing(spec, model)
            fitted = fit_condensing(condensing, batches, settings, random, listener, saved)
            model = condensing.condensed()
        else:
            fitted = fit(model, batches, settings, random, listener, saved)
        accuracy = evaluate(model, batches, balanced=settings.balanced)
    return TrainResult(
        accuracy=accuracy,
        loss=fitted.loss,
        seconds=time.perf_counter() - started,
        images_per_second=fitted.images_per_second,
        device=str(device),
    )


def untrained(spec: NetworkSpec, random: Randomness, device: torch.device) -> Network:
    """A network as a training begins with it, on its device."""
    model = build(spec, random.order, norm_momentum=NORM_MOMENTUM).to(device).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, DropoutModule):
            module.generator = random.dropout
    return model


def fit(
    model: torch.nn.Module,
    batches: Batches,
    settings: TrainSettings,
    random: Randomness,
    listener: Listener | None = None,
    saved: Path | None = None,
    criterion: Criterion | None = None,
    method: Method | None = None,
) -> Step:
    """The training loop; waits for the device to have finished.

    Args:
        model: what is trained: logits of images.
        batches: the images.
        settings: how it is trained.
        random: generators of all that is drawn.
        listener: is told where the training stands.
        saved: see ``train``.
        criterion: what computes the gradients; None: those of the cross-entropy of the model's logits. Weights that it
            leaves without one stay as they are.
        method: optimizer and learning rates; None: a child's, SGD with Nesterov momentum and ``schedule``.

    Returns:
        The end of the training, with the mean loss of the last epoch.

    Raises:
        ValueError: the loss stopped being a number.
    """
    if method is None:
        fused = criterion is None  # torch's fused step fails where some weights have had no gradient yet
        method = _of_a_child(model, settings, fused)
    optimizer = method.optimizer
    sizes = batch_sizes(len(batches.data.train), settings.batch_size)
    steps = settings.length(len(batches.data.train))
    keeper = checkpoint.Keeper(
        saved, method.kept, optimizer, random.order, random.dropout, (random.seed, steps, settings)
    )
    step, losses, spent = keeper.resume()
    began = told = time.perf_counter() - spent
    seen = sum(sizes) * (step // len(sizes)) + sum(sizes[: step % len(sizes)])
    kept = time.perf_counter()

    def cross_entropy(images: Tensor, targets: Tensor, _step: int) -> Tensor:
        loss = F.cross_entropy(model(images), targets, label_smoothing=settings.label_smoothing)
        torch.autograd.backward(loss)
        return loss.detach()

    criterion = criterion or cross_entropy

    def state(since: int) -> Step:
        loss = torch.stack(losses[-since:]).mean().item()
        seconds = time.perf_counter() - began
        return Step(step, steps, loss, seen / max(seconds, 1e-9), seconds)

    def save() -> None:
        keeper.save(step, losses, time.perf_counter() - began, epoch_ended=step % len(sizes) == 0)

    model.train()
    while step < steps:
        keeper.epoch_begins()
        if step % len(sizes) == 0:
            losses = []
        for images, targets in batches.training(sizes, random, step):
            for group in optimizer.param_groups:
                group["lr"] = method.rate(step, steps)
            optimizer.zero_grad()
            losses.append(criterion(images, targets, step))
            optimizer.step()
            method.stepped()
            step += 1
            seen += len(images)
            now = time.perf_counter()
            if listener is not None and (now - told > TELL_SECONDS or step == steps):
                told = now
                try:
                    listener(state(20))
                except BaseException:
                    save()
                    raise
            if now - kept > CHECKPOINT_SECONDS:
                kept = now
                save()
            if step == steps:
                break
        mean = torch.stack(losses).mean().item()  # read once in an epoch, so that no step waits for a GPU
        if not math.isfinite(mean):
            raise ValueError(
                f"train: the loss became {mean} by step {step} of {steps}; try a learning_rate below "
                f"{settings.learning_rate}"
            )
    return state(len(sizes))


def _of_a_child(model: torch.nn.Module, settings: TrainSettings, fused: bool) -> Method:
    groups = decayed(model, settings.weight_decay)
    optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True, fused=fused)

    def rate(step: int, steps: int) -> float:
        return settings.learning_rate * schedule((step + 0.5) / steps)

    return Method(optimizer, rate, model, lambda: None)


def fit_condensing(
    condensing: Condensing,
    batches: Batches,
    settings: TrainSettings,
    random: Randomness,
    listener: Listener | None = None,
    saved: Path | None = None,
) -> Step:
    """``fit`` of a child whose learned convolutions are condensed on the way."""
    method = condensing_method(condensing, _of_a_child(condensing.model, settings, fused=False))
    criterion = condensing.criterion(settings.label_smoothing)
    return fit(condensing.model, batches, settings, random, listener, saved, criterion, method)


def condensing_method(condensing: Condensing, method: Method, average: Network | None = None) -> Method:
    """The same method, which drops what is due after each step.

    Args:
        condensing: the network in training.
        method: how it steps.
        average: the average of its weights, in which the same is dropped; None: there is none.
    """

    def rate(step: int, steps: int) -> float:
        condensing.at((step + 1) / steps)
        return method.rate(step, steps)

    def stepped() -> None:
        condensing.drop()
        method.stepped()
        if average is not None:
            condensing.drop_in(average)

    return dataclasses.replace(method, rate=rate, stepped=stepped)


def decayed(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """A model's parameters in two groups: weights of convolutions and the classifier decay, norms and biases do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def evaluate(model: Network, batches: Batches, *, balanced: bool = False) -> float:
    """Share of the hold-out classified right, in evaluation mode; the mean of that of its classes if ``balanced``."""
    model.eval()
    with torch.no_grad():
        parts = [(model(images).argmax(1).cpu(), labels.cpu()) for images, labels in batches.holdout()]
    found, labels = (torch.cat(each) for each in zip(*parts, strict=True))
    if balanced:
        return balanced_accuracy(found, labels, len(batches.data.info.classes))
    return float((found == labels).sum()) / len(labels)


def schedule(progress: float) -> float:
    """Learning rate over its peak at ``progress`` in [0, 1]: linear warm-up, then half a cosine to zero."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
