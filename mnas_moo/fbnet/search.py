"""FBNet's search: weights and distributions of architectures are trained in turn on two parts of the images.

In every epoch, 80 % of the images train the weights of the supernet under relaxed samples of the distributions, and
then the other 20 % the distributions (Wu et al. 2019, sec. 3.3 and 4; numbers: ``settings``). With several exponents
the distributions take turns, step by step, with one set of weights. Images that are held out to judge networks are in
neither part.

Ours: with ``minutes`` an epoch has as many steps as there is time for, 4 of weights for 1 of the distributions.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.fbnet.gumbel import ConditionedDistributions, Distributions, latency_of, loss_of, relaxed_sample
from mnas_moo.fbnet.settings import FBNetSettings
from mnas_moo.fbnet.table import CandidateTable
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.train import find_device
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.space import Space
from mnas_moo.supernet.mixture import Mixture
from mnas_moo.supernet.module import Supernet
from mnas_moo.supernet.parallel import Gradients
from mnas_moo.supernet.training import check_images

CHECKPOINT_SECONDS = 20.0
TIMED_STEPS = 4
WEIGHTS_STEPS = 4
"""Steps of the weights for one of the distributions, where there is not time for all images."""
SHARES = 2
"""A step's images are computed in so many shares at the same time, as on several GPUs."""
NOISES = 1
"""Purposes of random numbers before those of the shares."""
TARGET_GAIN = 0.5
"""The exponent of a target changes by this power of the ratio of latency to target, after every epoch."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        epoch: its number, from 0.
        temperature: of the Gumbel softmax.
        loss: mean cross-entropy of the weights' steps.
        theta_loss: mean loss of the distributions' steps; None while they stay uniform.
        beta: (K,) exponents.
        latency_ms: (K,) expected latencies.
        probabilities: (K, L, C) of the candidates, rounded to 4 digits.
        seconds: since the search began.
    """

    epoch: int
    temperature: float
    loss: float
    theta_loss: float | None
    beta: list[float]
    latency_ms: list[float]
    probabilities: list[list[list[float]]]
    seconds: float


@dataclass(frozen=True)
class Result:
    """What a search found.

    Attributes:
        choices: the candidates, by the name of the parameter.
        beta: (K,) exponents.
        latency_ms: (K,) expected latencies.
        probabilities: (K, L, C) of the candidates of each layer.
        seconds: time of the search.
    """

    choices: dict[str, list[str]]
    beta: list[float]
    latency_ms: list[float]
    probabilities: list[list[list[float]]]
    seconds: float


Listener = Callable[[Epoch, int], None]
"""Is told of each epoch, and of how many there are; an error that it raises ends the search, which can go on later."""


def search(
    space: Space,
    data: ImageData,
    table: CandidateTable,
    settings: FBNetSettings,
    file: Path,
    seed: int = 0,
    listener: Listener | None = None,
) -> Result:
    """Searches, or goes on with a search.

    The same seed and steps give the same result on one CPU and number of threads, also where the search was killed.

    Args:
        space: a space whose parameters each choose the candidate of one layer.
        data: images of the space's classes and resolution; only their training part is used.
        table: latency of each candidate.
        settings: all numbers.
        file: what the search needs to go on (``.pt``); the epochs stand beside it (``.json``).
        seed: seed of weights, split, order, noise and dropout.
        listener: is told of each epoch.

    Raises:
        ValueError: the space does not fit the images or has no candidates, there are too few images, or the loss
            stopped being a number.
        OSError: a file cannot be written.
    """
    check_images(space, data)
    with cpu_threads(1):
        return _Search(space, data, table, settings, file, seed).run(listener)


def split(train: Tensor, share: float, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """The images that train weights, and those that train distributions: no image is in both.

    Args:
        train: indices of the training part.
        share: share of the first.
        classes: number of classes.
        seed: seed of the split.

    Raises:
        ValueError: a part would have fewer images than there are classes.
    """
    order = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))]
    first = round(share * len(order))
    parts = order[:first].sort().values, order[first:].sort().values
    for part, what in zip(parts, ("weights", "distributions"), strict=True):
        if len(part) < max(classes, 4):
            raise ValueError(f"fbnet: {len(part)} images would train the {what} of {classes} classes; give more images")
    return parts


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class _Search:
    """One search: all that changes, and what is saved of it."""

    def __init__(
        self, space: Space, data: ImageData, table: CandidateTable, settings: FBNetSettings, file: Path, seed: int
    ) -> None:
        self._arguments = space, data, table, settings, file, seed
        self.settings, self.table, self.seed, self.file = settings, table, seed, file
        self.device = find_device(settings.device)
        random = Randomness.of(seed, self.device)
        self.supernet = Supernet(space, random.order).to(self.device).to(memory_format=torch.channels_last)
        self.mixture = Mixture(self.supernet)
        self.names = list(self.mixture.choices)
        layers, candidates = table.ms.shape
        self.distributions: Distributions | ConditionedDistributions = (
            ConditionedDistributions(layers, candidates, random.order)
            if settings.conditioned
            else Distributions(settings.points, layers, candidates)
        ).to(self.device)
        self.beta = list(settings.beta) if not settings.targets_ms else [settings.beta[0]] * settings.points
        self.ms = torch.tensor(table.ms, dtype=torch.float32, device=self.device)
        self.sgd = torch.optim.SGD(
            self.supernet.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
        )
        self.adam = torch.optim.Adam(
            self.distributions.parameters(), settings.theta_learning_rate, weight_decay=settings.theta_weight_decay
        )
        self.relaxed = torch.zeros_like(self.ms, requires_grad=True)
        self.relaxed_gradients = Gradients([self.relaxed], settings.threads)
        self.weights_gradients = Gradients(self.supernet.parameters(), settings.threads)
        parts = split(data.train, settings.weights_share, len(data.info.classes), seed)
        self.parts = [Batches(replace(data, train=part), self.device, "shift") for part in parts]
        self.sizes = [batch_sizes(len(part), min(settings.batch_size, len(part))) for part in parts]
        self.identity = repr((torch.__version__, space, replace(settings, threads=None), seed, table.ms.tolist()))
        self.steps = [len(sizes) for sizes in self.sizes]
        self.epoch = self.step = 0
        self.spent = 0.0
        self.losses: list[float] = []
        self.theta_losses: list[float] = []
        self.epochs: list[Epoch] = []

    def run(self, listener: Listener | None) -> Result:
        """All epochs, from where the file stands."""
        settings = self.settings
        if not self._resume() and settings.minutes is not None:
            self.steps = self._affordable(settings.minutes)
        began = time.perf_counter() - self.spent
        kept = time.perf_counter()
        self.supernet.train()
        while self.epoch < settings.epochs:
            learns = self.epoch >= settings.theta_from
            for part, (images, labels) in self._batches(self.epoch, self.step, learns):
                loss = self._weights_step(images, labels) if part == 0 else self._theta_step(images, labels)
                (self.losses if part == 0 else self.theta_losses).append(loss)
                self.step += 1
                if time.perf_counter() - kept > CHECKPOINT_SECONDS:
                    kept, self.spent = time.perf_counter(), time.perf_counter() - began
                    self._save()
            self._end_epoch(time.perf_counter() - began, learns)
            self._save()
            if listener is not None:
                listener(self.epochs[-1], settings.epochs)
        return Result(
            {name: list(candidates) for name, candidates in self.mixture.choices.items()},
            list(self.beta),
            self._expected_ms(),
            [self._probabilities(point).tolist() for point in range(settings.points)],
            self.spent,
        )

    def _batches(self, epoch: int, step: int, learns: bool) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
        """The batches of an epoch from a step on: those for the weights, then those for the distributions."""
        before = 0
        for part in (0, 1) if learns else (0,):
            begin = max(0, step - before)
            if begin < self.steps[part]:
                random = Randomness.of(_seed_of(self.seed, epoch, part))
                sizes = self.sizes[part]
                done = 0
                while done < self.steps[part]:  # several passes where an epoch has more steps than batches
                    skipped = min(max(begin - done, 0), len(sizes))
                    for batch in self._pass(part, random, skipped, min(len(sizes), self.steps[part] - done)):
                        yield part, batch
                    done += len(sizes)
            before += self.steps[part]

    def _pass(self, part: int, random: Randomness, first: int, end: int) -> Iterator[tuple[Tensor, Tensor]]:
        if first == len(self.sizes[part]):  # the order of a pass that is over is drawn all the same
            next(self.parts[part].training(self.sizes[part], random, first - 1), None)
            return
        batches = self.parts[part].training(self.sizes[part], random, first)
        for _, batch in zip(range(first, end), batches, strict=False):
            yield batch

    def _generator(self, purpose: int, device: torch.device | str = "cpu") -> torch.Generator:
        return torch.Generator(device).manual_seed(_seed_of(self.seed, self.epoch, self.step, purpose))

    def _cross_entropies(self, images: Tensor, labels: Tensor, weights: Tensor) -> list[Callable[[], Tensor]]:
        """The mean cross-entropy of a step's images as a sum over shares of them, each with statistics of its own."""

        def of(number: int, some: Tensor, wanted: Tensor) -> Tensor:
            dropout = self._generator(NOISES + number, self.device)
            logits = self.mixture(some, dict(zip(self.names, weights, strict=True)), dropout)
            return len(some) / len(images) * F.cross_entropy(logits, wanted)

        shares = zip(images.chunk(SHARES), labels.chunk(SHARES), strict=True)
        return [functools.partial(of, number, *share) for number, share in enumerate(shares)]

    def _turn(self, part: int) -> int:
        """The distribution whose turn it is: they take turns over all epochs, of which each may have one step only."""
        before = self.epoch if part == 0 else self.epoch - self.settings.theta_from
        return (before * self.steps[part] + self.step - part * self.steps[0]) % self.settings.points

    def _weights_step(self, images: Tensor, labels: Tensor) -> float:
        settings = self.settings
        point = self._turn(0)
        for group in self.sgd.param_groups:
            group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * self.epoch / settings.epochs))
        with torch.no_grad():
            logits = self.distributions.logits(point, self.beta[point])
            weights = relaxed_sample(logits, settings.temperature_of(self.epoch), self._generator(0))
        loss = self.weights_gradients(self._cross_entropies(images, labels, weights))
        self.sgd.step()
        return float(loss)

    def _theta_step(self, images: Tensor, labels: Tensor) -> float:
        settings = self.settings
        point = self._turn(1)
        logits = self.distributions.logits(point, self.beta[point])
        weights = relaxed_sample(logits, settings.temperature_of(self.epoch), self._generator(0))
        # The gradient of CE * f(LAT) by the weights of the candidates: that of CE, share by share, and that of f.
        with torch.no_grad():
            self.relaxed.copy_(weights)
        self.supernet.requires_grad_(requires_grad=False)
        try:
            cross_entropy = self.relaxed_gradients(self._cross_entropies(images, labels, self.relaxed))
        finally:
            self.supernet.requires_grad_(requires_grad=True)
        by_weights = self.relaxed.grad
        assert by_weights is not None
        latency = latency_of(weights, self.ms, self.table.rest_ms)
        factor = loss_of(torch.ones((), device=self.device), latency, settings.alpha, self.beta[point])
        loss = cross_entropy * factor
        self.adam.zero_grad()
        torch.autograd.backward([weights, loss], [by_weights * factor.detach(), torch.ones_like(loss)])
        self.adam.step()
        return float(loss.detach())

    def _end_epoch(self, seconds: float, learns: bool) -> None:
        loss = float(np.mean(self.losses))
        if not math.isfinite(loss) or not all(map(math.isfinite, self.theta_losses)):
            raise ValueError(f"fbnet: the loss became {loss} in epoch {self.epoch}; try a smaller learning_rate")
        expected = self._expected_ms()
        if self.settings.targets_ms and learns:
            ratios = [ms / target for ms, target in zip(expected, self.settings.targets_ms, strict=True)]
            self.beta = [beta * ratio**TARGET_GAIN for beta, ratio in zip(self.beta, ratios, strict=True)]
        rounded = [np.round(self._probabilities(point), 4).tolist() for point in range(self.settings.points)]
        self.epochs.append(
            Epoch(
                self.epoch,
                self.settings.temperature_of(self.epoch),
                loss,
                float(np.mean(self.theta_losses)) if self.theta_losses else None,
                list(self.beta),
                expected,
                rounded,
                seconds,
            )
        )
        self.epoch, self.step, self.spent, self.losses, self.theta_losses = self.epoch + 1, 0, seconds, [], []

    def _probabilities(self, point: int) -> Any:
        with torch.no_grad():
            return torch.softmax(self.distributions.logits(point, self.beta[point]), 1).cpu().numpy().astype(np.float64)

    def _expected_ms(self) -> list[float]:
        points = range(self.settings.points)
        return [float(self.table.rest_ms + (self._probabilities(point) * self.table.ms).sum()) for point in points]

    def _affordable(self, minutes: float) -> list[int]:
        """Steps of an epoch for the weights and for the distributions, by a few of a search that is thrown away."""
        probe = _Search(*self._arguments)
        probe.supernet.train()
        batch = next(probe.parts[0].training(probe.sizes[0], Randomness.of(self.seed)))
        seconds = []
        for step in (probe._weights_step, probe._theta_step):
            times = []
            for _ in range(TIMED_STEPS):
                began = time.perf_counter()
                step(*batch)
                times.append(time.perf_counter() - began)
            seconds.append(float(np.mean(times[1:])))
        settings = self.settings
        learning = (settings.epochs - settings.theta_from) / settings.epochs
        rounds = 60 * minutes / settings.epochs / (WEIGHTS_STEPS * seconds[0] + learning * seconds[1])
        return [max(1, round(WEIGHTS_STEPS * rounds)), max(1, round(rounds))]

    def _save(self) -> None:
        state = {
            "identity": self.identity,
            "steps": self.steps,
            "epoch": self.epoch,
            "step": self.step,
            "spent": self.spent,
            "beta": self.beta,
            "losses": self.losses,
            "theta_losses": self.theta_losses,
            "supernet": self.supernet.state_dict(),
            "distributions": self.distributions.state_dict(),
            "sgd": self.sgd.state_dict(),
            "adam": self.adam.state_dict(),
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.file) as part:
            torch.save(state, part)
        with whole_file(self.file.with_suffix(".json")) as part:
            held = {"choices": self.mixture.choices, "epochs": [asdict(epoch) for epoch in self.epochs]}
            part.write_text(json.dumps(held), encoding="utf-8")

    def _resume(self) -> bool:
        """Takes up what the file holds, if it is of this search."""
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            held = json.loads(self.file.with_suffix(".json").read_text(encoding="utf-8"))
        except Exception:  # none there, or torch's errors of many kinds for a broken one
            return False
        if not isinstance(state, dict) or state.get("identity") != self.identity:
            return False
        self.supernet.load_state_dict(state["supernet"])
        self.distributions.load_state_dict(state["distributions"])
        self.sgd.load_state_dict(state["sgd"])
        self.adam.load_state_dict(state["adam"])
        self.epochs = [Epoch(**epoch) for epoch in held["epochs"] if epoch["epoch"] < state["epoch"]]
        for name in ("steps", "epoch", "step", "spent", "beta", "losses", "theta_losses"):
            setattr(self, name, state[name])
        return True
