"""The training of the weights that all networks of a space share: some networks a step.

"uniform": every step trains the paths of genomes drawn uniformly (Guo et al. 2020, "Single Path One-Shot Neural
Architecture Search with Uniform Sampling", sec. 3.2). Ours: eight of them, on an eighth of the images each, and a
learning rate sixteen times that of a child, since what one path has learnt the next one undoes. On digits, 400 steps of
128 images brought random networks to 67 % with four paths and 0.4, and to 80 % with eight and 0.8; 800 steps of 64 with
one path to 40 %. "sandwich": the largest network learns from the labels, the smallest and two drawn ones from its
answers (in-place distillation; BigNAS, Yu et al. 2020, sec. 3.1).

Schedule, augmentation and checkpoints are those of a child (``objectives.training.train``); weights that a step does
not use have no gradient and stay as they are.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.objectives.lookup.build import describe
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.notes import Notes
from mnas_moo.objectives.training.train import Criterion, Step, TrainSettings, evaluate, find_device, fit
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.space import Space
from mnas_moo.supernet.module import Section, Supernet, calibrate
from mnas_moo.supernet.parallel import Gradients
from mnas_moo.supernet.settings import MINUTES, RULES, SharedTraining

HOLDOUT_IMAGES = 2500
"""Images of the hold-out that judge a network: 1 % standard error at 50 %, and all networks are judged on the same."""
CALIBRATION_IMAGES = 1024
CALIBRATION_BATCH = 128
CURVE_POINTS = 12
"""So often in a training the largest, the smallest and a random network are judged."""
TIMED_STEPS = 12
"""Steps that are timed before a training of some minutes begins."""
LABEL_SMOOTHING = 0.1
PATHS = 8
"""Networks that a step of the rule "uniform" trains, each on its share of the images."""


@dataclass(frozen=True)
class CurvePoint:
    """Where the shared weights stand.

    Attributes:
        step: steps done.
        seconds: time of the training so far.
        loss: training loss over the last steps.
        largest: accuracy of the largest network, by multiply-adds.
        smallest: accuracy of the smallest one.
        random: accuracy of a network drawn uniformly, always the same one.
    """

    step: int
    seconds: float
    loss: float
    largest: float
    smallest: float
    random: float


Listener = Callable[[Step, Sequence[CurvePoint]], None]
"""Is told of a training about once a second; an error that it raises ends it, and it can go on later."""


class Judge:
    """Judges networks by the weights that they share: cut out, given statistics of their own, asked about the hold-out.

    Args:
        supernet: the shared weights, on the device to use.
        data: the images; of the hold-out every nth is used, to at most ``HOLDOUT_IMAGES``.
        balanced: whether accuracy is the mean over the classes.
    """

    def __init__(self, supernet: Supernet, data: ImageData, *, balanced: bool = False) -> None:
        self.supernet = supernet
        self.balanced = balanced
        held = data.holdout[:: -(-len(data.holdout) // HOLDOUT_IMAGES)]
        self.images = len(held)
        device = next(supernet.parameters()).device
        self._batches = Batches(replace(data, holdouts=(held,)), device, "none")
        mixed = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:CALIBRATION_IMAGES]
        some = replace(data, holdouts=(data.train[mixed],))
        self._calibration = [images for images, _ in Batches(some, device, "none").holdout()]

    def accuracy(self, params: Mapping[str, Any]) -> float:
        """Share of the hold-out that a genome's network classifies right."""
        network = self.supernet.cut(params)
        parts = (part for images in self._calibration for part in torch.split(images, CALIBRATION_BATCH))
        calibrate(network, parts)
        return evaluate(network, self._batches, balanced=self.balanced)


def train_supernet(
    space: Space,
    data: ImageData,
    settings: SharedTraining,
    file: Path,
    seed: int = 0,
    listener: Listener | None = None,
) -> list[CurvePoint]:
    """Trains the shared weights of a space and writes them to a file.

    The same seed and steps give the same weights on one CPU and number of threads, also where the training was
    interrupted and goes on: what it needs for that stands beside the file until it is written.

    Args:
        space: the space.
        data: images of the space's classes and resolution; only their training part is learnt from.
        settings: how they are trained.
        file: where the weights go; a curve and the number of steps go beside it (``.json``).
        seed: seed of weights, order, augmentation and paths.
        listener: is told where the training stands.

    Returns:
        The curve.

    Raises:
        ValueError: a setting is out of range, the space does not fit the images, or the loss stopped being a number.
        OSError: the file cannot be written.
    """
    if settings.rule not in RULES:
        raise ValueError(f"shared: rule is {settings.rule!r}; allowed: {', '.join(RULES)}")
    check_images(space, data)
    device = find_device(settings.device)
    with cpu_threads(1):
        random = Randomness.of(seed, device)
        supernet = _fresh(space, random, device)
        notes = Notes(file.with_suffix(".json"), _identity(space, settings, seed), "steps", CurvePoint)
        if notes.length is None:
            notes.length = settings.steps or _affordable(space, data, settings, seed)
            notes.write()
        length = TrainSettings(
            steps=int(notes.length),
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            label_smoothing=LABEL_SMOOTHING,
            device=settings.device,
        )
        judge = Judge(supernet, data)
        judged = extremes(space)

        def look(step: Step) -> None:
            due = len(notes.curve) + 1 <= CURVE_POINTS * step.step // step.steps
            if due or step.step == step.steps:
                found = [judge.accuracy(params) for params in judged]
                notes.curve.append(CurvePoint(step.step, step.seconds, step.loss, *found))
                notes.write()
                supernet.train()
            if listener is not None:
                listener(step, notes.curve)

        batches = Batches(data, device, length.augmenting(data))
        saved = file.with_suffix(".part.pt")
        end = fit(supernet, batches, length, random, look, saved, criterion(supernet, settings, seed))
        state = {**describe_weights(space, data), "rule": settings.rule, "steps": end.steps, "seconds": end.seconds}
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as part:
            torch.save({**state, "weights": supernet.state_dict()}, part)
        saved.unlink(missing_ok=True)
    return notes.curve


def criterion(supernet: Supernet, settings: SharedTraining, seed: int) -> Criterion:
    """What computes the gradients of the paths that a step trains."""
    gradients = Gradients(supernet.parameters(), settings.threads)
    device = next(supernet.parameters()).device

    def drawn(step: int, number: int) -> tuple[Section, ...]:
        rng = np.random.default_rng((seed, step, number))
        return supernet.path(random_params(supernet.space, rng))

    def dropout(step: int, number: int) -> torch.Generator:
        state = np.random.SeedSequence((seed, step, number, 1)).generate_state(1)[0]
        return torch.Generator(device).manual_seed(int(state))

    def uniform(images: Tensor, targets: Tensor, step: int) -> Tensor:
        def of(path: int, some: Tensor, wanted: Tensor) -> Tensor:
            logits = supernet(some, drawn(step, path), dropout(step, path))
            return len(some) / len(images) * F.cross_entropy(logits, wanted, label_smoothing=LABEL_SMOOTHING)

        shares = enumerate(zip(images.chunk(PATHS), targets.chunk(PATHS), strict=True))
        return gradients([functools.partial(of, path, *share) for path, share in shares])

    if settings.rule == "uniform":
        return uniform
    largest, smallest = (supernet.path(params) for params in extremes(supernet.space)[:2])

    def sandwich(images: Tensor, targets: Tensor, step: int) -> Tensor:
        answers: list[Tensor] = []

        def teacher() -> Tensor:
            logits = supernet(images, largest, dropout(step, 0))
            answers.append(logits.detach().softmax(1))
            return F.cross_entropy(logits, targets, label_smoothing=LABEL_SMOOTHING) / 4

        def pupil(path: tuple[Section, ...], number: int) -> Tensor:
            return F.cross_entropy(supernet(images, path, dropout(step, number)), answers[0]) / 4

        loss = gradients([teacher])
        paths = smallest, drawn(step, 0), drawn(step, 1)
        pupils = [functools.partial(pupil, path, number) for number, path in enumerate(paths, start=1)]
        return loss + gradients(pupils, add=True)

    return sandwich


def random_params(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """The canonical genome of one drawn uniformly: a network always runs through the same places."""
    return space.params(space.random(rng))


def extremes(space: Space) -> list[dict[str, Any]]:
    """The largest network by multiply-adds and the smallest, of those that cover the space, and one drawn."""
    specs = sorted(space.covering(), key=lambda spec: (spec.multiply_adds, spec.parameters))
    drawn = random_params(space, np.random.default_rng(0))
    return [space.params(specs[-1]), space.params(specs[0]), drawn]


def check_images(space: Space, data: ImageData) -> None:
    """Compares a space with images.

    Raises:
        ValueError: their sizes or numbers of classes differ, or there are fewer images than classes.
    """
    spec = space.random(np.random.default_rng(0))
    data.check(spec, "supernet: the space")
    if len(data.train) < spec.classes:
        raise ValueError(f"supernet: {len(data.train)} images to train on are fewer than the {spec.classes} classes")


def _fresh(space: Space, random: Randomness, device: torch.device) -> Supernet:
    return Supernet(space, random.order).to(device).to(memory_format=torch.channels_last)


def _affordable(space: Space, data: ImageData, settings: SharedTraining, seed: int) -> int:
    """Steps that fit into the minutes, by a few that are timed on weights that are thrown away."""
    device = find_device(settings.device)
    random = Randomness.of(seed, device)
    supernet = _fresh(space, random, device)
    steps = criterion(supernet, settings, seed)
    batches = Batches(data, device, "shift")
    sizes = batch_sizes(len(data.train), settings.batch_size)
    times = []
    began = time.perf_counter()
    for step, (images, targets) in zip(range(TIMED_STEPS), batches.training(sizes, random), strict=False):
        steps(images, targets, step)
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
    seconds = float(np.mean(times[len(times) // 3 :]))  # the first ones choose the code of their convolutions
    return max(1, round(60 * (settings.minutes or MINUTES) / seconds))


def describe_weights(space: Space, data: ImageData) -> dict[str, Any]:
    """What shared weights belong to: their space, classes and the images that they were trained on."""
    described = describe(space)
    return {
        "format": 1,
        "space": described["name"],
        "settings": described["settings"],
        "classes": list(data.info.classes),
        "images": len(data.labels),
        "train": data.train.to(torch.int32),
    }


def _identity(space: Space, settings: SharedTraining, seed: int) -> str:
    return repr((space, replace(settings, threads=None), seed))
