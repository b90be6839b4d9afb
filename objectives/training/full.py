"""The final training of a network: a recipe to its end, with a curve, and the test images looked at once.

Loop, batches and checkpoints are those of a child (``train.fit``); what differs is the recipe (``recipes``). The
weights are those of the end, never the best on the hold-out, which would then no longer tell how good they are.
Processes that torchrun starts share each batch; batch norm takes the statistics of each process's part. Learned group
convolutions are condensed on the way, as in a child; weights that are given have their selection, which stays.
"""

from __future__ import annotations

import dataclasses
import functools
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from mnas_moo.objectives.formats.torch_module import DropoutModule, Network, build
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.balance import chance
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.condensing import LASSO, Condensing, dense, learns
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.judging import interval_of
from mnas_moo.objectives.training.notes import Notes
from mnas_moo.objectives.training.recipes import Recipe
from mnas_moo.objectives.training.rmsprop import RMSProp
from mnas_moo.objectives.training.speed import speed_of
from mnas_moo.objectives.training.train import (
    MOMENTUM,
    Method,
    Step,
    TrainSettings,
    condensing_method,
    decayed,
    evaluate,
    find_device,
    fit,
)
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import to_text

CURVE_POINTS = 25
"""So often in a training the network is judged on the hold-out."""


@dataclass(frozen=True)
class Point:
    """Where a training stands.

    Attributes:
        step: steps done.
        epoch: passes over the training images so far.
        seconds: time of the training so far.
        loss: training loss over the last steps.
        accuracy: share of the hold-out that is classified right.
    """

    step: int
    epoch: float
    seconds: float
    loss: float
    accuracy: float


Listener = Callable[[Step, Sequence[Point]], None]
"""Is told of a training about once a second; an error that it raises ends it, and it can go on later."""


@dataclass(frozen=True)
class Start:
    """The weights that a training begins with.

    Attributes:
        words: where they come from.
        weights: weights and statistics by the names of a ``Network``; None: fresh ones.
    """

    words: str = "fresh"
    weights: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Processes:
    """The processes that share a training: the number of this one, and of all."""

    rank: int = 0
    all: int = 1


ALONE = Processes()
FRESH = Start()


def train_fully(
    spec: NetworkSpec,
    data: ImageData,
    recipe: Recipe,
    seed: int,
    saved: Path,
    *,
    minutes: float | None = None,
    start: Start = FRESH,
    test: Callable[[], ImageData] | None = None,
    device: str = "auto",
    threads: int = 1,
    processes: Processes = ALONE,
    listener: Listener | None = None,
) -> TrainedNetwork:
    """Trains a network by a recipe.

    The same seed gives the same weights on one CPU and number of threads, also where the training was interrupted, at
    whatever moment, and went on.

    Args:
        spec: the network; its input must fit the images.
        data: images; the training part is learnt from, the hold-out judges.
        recipe: how the network is trained.
        seed: seed of initial weights, order, augmentation and dropout.
        saved: file that keeps what an interrupted training needs to go on; beside it is its curve (``.curve.json``).
            The caller removes both (``forget``), once the result is stored.
        minutes: time that the training may take, instead of the recipe's epochs; timed before it begins.
        start: what the weights begin as.
        test: reads images of which all are in the hold-out; called once, at the end.
        device: "cpu", "cuda", "cuda:1", "mps" or "auto".
        threads: CPU threads.
        processes: of a training that several share (``torch.distributed``).
        listener: is told where the training stands.

    Returns:
        The network with its weights and figures; the caller adds "label", "study" and "trial" to these.

    Raises:
        ValueError: the network does not fit the images, the device is not there, or the loss is no number any more.
        OSError: the curve cannot be written.
    """
    data.check(spec, "train: the network")
    place = find_device(device)
    if recipe.batch_size < 4 * processes.all:
        raise ValueError(f"train: batch_size is {recipe.batch_size}; {processes.all} processes need 4 images each")
    fresh = start.weights is None
    condensed = learns(spec) and fresh
    what = (to_text(spec), recipe, minutes, seed, start.words, len(data.train))
    identity = repr((*what, "condensed") if condensed else what)
    notes = Notes(curve_file(saved), identity, "epochs", Point)
    with cpu_threads(threads):
        epochs = notes.length
        if epochs is None:
            if processes.rank == 0:
                saved.unlink(missing_ok=True)  # of another training
            epochs = recipe.epochs
            if minutes is not None:
                epochs = _affordable(spec, data, recipe, minutes, device, threads, fresh)
        notes.length = epochs = _agreed(epochs, place, processes)
        if processes.rank == 0:
            notes.write()
        recipe = dataclasses.replace(recipe, epochs=epochs)
        sizes = batch_sizes(len(data.train), recipe.batch_size)
        settings = TrainSettings(
            steps=max(1, round(recipe.epochs * len(sizes))),
            batch_size=recipe.batch_size,
            learning_rate=recipe.peak,
            weight_decay=recipe.weight_decay,
            label_smoothing=recipe.label_smoothing,
            augmentation=recipe.augmentation,
            device=device,
            threads=threads,
        )
        random = Randomness.of(seed, place)
        network = _fresh(dense(spec) if condensed else spec, random, place, recipe, start)
        judged, method = method_of(network, recipe)
        condensing = Condensing(spec, network) if condensed else None
        if condensing is not None:
            method = condensing_method(condensing, method, None if judged is network else judged)
        batches = Batches(data, place, settings.augmenting(data), (processes.rank, processes.all))

        def look(step: Step) -> None:
            notes.curve = [point for point in notes.curve if point.step < step.step]  # others: of lost steps
            due = len(notes.curve) + 1 <= CURVE_POINTS * step.step // step.steps
            if due and processes.rank == 0:
                accuracy = evaluate(judged, batches)
                notes.curve.append(Point(step.step, step.step / len(sizes), step.seconds, step.loss, accuracy))
                notes.write()
                network.train()
            if listener is not None and processes.rank == 0:
                listener(step, notes.curve)

        learner = network if processes.all == 1 else _shared(network, place)
        end = fit(
            network,
            batches,
            settings,
            random,
            look,
            saved if processes.rank == 0 or saved.exists() else None,
            criterion(learner, recipe, place, condensing),
            method,
        )
        if condensed:
            judged = Condensing(spec, judged).condensed()
        accuracy = evaluate(judged, batches)
        unseen = test() if test is not None and processes.rank == 0 else None
        tested = None if unseen is None else evaluate(judged, Batches(unseen, place, "none"))
    figures: dict[str, Any] = {
        "accuracy": accuracy,
        "interval": list(interval_of(accuracy, len(data.holdout))),
        "chance": chance(data.labels[data.holdout], balanced=False),
        "holdout_images": len(data.holdout),
    }
    if unseen is not None and tested is not None:
        images = len(unseen.holdout)
        figures |= {"test_accuracy": tested, "test_interval": list(interval_of(tested, images)), "test_images": images}
    figures |= {
        "recipe": {**asdict(recipe), "augmentation": settings.augmenting(data), "processes": processes.all},
        "seed": seed,
        "steps": end.steps,
        "seconds": end.seconds,
        "loss": end.loss,
        "images_per_second": end.images_per_second,
        "device": str(place),
        "start": start.words,
        "data": {"images": len(data.labels), "train_images": len(data.train)},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy")}},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "curve": [asdict(point) for point in notes.curve],
    }
    weights = {name: tensor.detach().cpu() for name, tensor in judged.state_dict().items()}
    mean, std = (tuple(map(float, each)) for each in (data.mean, data.std))
    return TrainedNetwork(spec, weights, data.info.classes, mean, std, figures)


def curve_file(saved: Path) -> Path:
    """Where the curve of a training is that keeps its state in this file."""
    return saved.with_suffix(".curve.json")


def forget(saved: Path) -> None:
    """Removes what an interrupted training would need to go on."""
    for file in (saved, curve_file(saved)):
        file.unlink(missing_ok=True)


def criterion(
    model: torch.nn.Module, recipe: Recipe, device: torch.device, condensing: Condensing | None = None
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """What computes the gradients of a step: cross-entropy in float32 of logits in the recipe's precision.

    Args:
        model: the network, or what shares it among processes.
        recipe: the recipe.
        device: where it is trained.
        condensing: adds its group lasso to the gradients, not to the loss that is told.
    """
    mixed = recipe.precision == "bfloat16"

    def cross_entropy(images: Tensor, targets: Tensor, _step: int) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
        torch.autograd.backward(loss if condensing is None else loss + LASSO * condensing.lasso())
        return loss.detach()

    return cross_entropy


def _fresh(spec: NetworkSpec, random: Randomness, place: torch.device, recipe: Recipe, start: Start) -> Network:
    network = build(spec, random.order, norm_momentum=recipe.norm_momentum).to(place)
    network = network.to(memory_format=torch.channels_last)
    if start.weights is not None:
        network.load_state_dict(dict(start.weights))
    for module in network.modules():
        if isinstance(module, DropoutModule):
            module.generator = random.dropout
    return network


def method_of(network: Network, recipe: Recipe) -> tuple[Network, Method]:
    """The network that is judged in the end (the average of weights, where there is one), and how steps are made."""
    groups = decayed(network, recipe.weight_decay)
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "rmsprop":
        optimizer = RMSProp(groups, recipe.peak)
    elif recipe.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, recipe.peak, fused=True)
    else:
        optimizer = torch.optim.SGD(groups, recipe.peak, momentum=MOMENTUM, nesterov=True, fused=True)
    if not recipe.averaged:
        return network, Method(optimizer, recipe.rate, network, lambda: None)
    average = AveragedModel(network, multi_avg_fn=_averaging(recipe.averaged), use_buffers=True)
    kept = torch.nn.ModuleDict({"network": network, "average": average})
    method = Method(optimizer, recipe.rate, kept, functools.partial(average.update_parameters, network))
    judged: Network = average.module  # type: ignore[assignment]  # a copy of the network
    return judged, method


def _averaging(decay: float) -> Callable[[Any, Any, Any], None]:
    @torch.no_grad()
    def average(averages: list[Tensor], values: list[Tensor], steps: Tensor | int) -> None:
        done = int(steps)
        torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + done) / (10 + done)))

    return average


def _shared(network: Network, place: torch.device) -> torch.nn.Module:
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(network, device_ids=[place.index] if place.type == "cuda" else None)


def _agreed(epochs: float, place: torch.device, processes: Processes) -> float:
    """The first process's number, for all."""
    if processes.all == 1:
        return epochs
    told = torch.tensor([epochs], dtype=torch.float64, device=place)
    torch.distributed.broadcast(told, 0)
    return float(told.item())


def _affordable(
    spec: NetworkSpec, data: ImageData, recipe: Recipe, minutes: float, device: str, threads: int, fresh: bool
) -> float:
    """Epochs that fit into the minutes, with the curve's judgements."""
    timed = TrainSettings(
        batch_size=recipe.batch_size, augmentation=recipe.augmentation, device=device, threads=threads
    )
    speed = speed_of(spec, data, timed, 1, fresh=fresh)
    seconds = 60 * minutes - min((CURVE_POINTS + 1) * speed.evaluation_seconds, 30 * minutes)
    return max(1.0, seconds * speed.images_per_second) / len(data.train)
