"""The search of InstaNAS in its three phases: the meta-graph alone, graph and controller together, the graph for good.

Phases as in the official code (``settings``); each epoch of the second is one of the controller and then one of the
graph. Ours: the checkpoints on the front of accuracy and latency are kept, at most ``points``, and all of them are
fine-tuned, where there one is chosen by hand. The hold-out trains nothing, but chooses the checkpoints.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mnas_moo.instanas.course import FINETUNE, PRETRAIN, SEARCH, Epoch, Point, Result, kept
from mnas_moo.instanas.evaluation import Evaluation, evaluate, from_fast_to_slow, use_by_class
from mnas_moo.instanas.inference import Runner
from mnas_moo.instanas.learning import Figures, Learner, controller_of, seed_of
from mnas_moo.instanas.metagraph import MetaGraph
from mnas_moo.instanas.reward import Band
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.batches import Batches, Randomness, batch_sizes
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.train import find_device
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.instanas import NAMES, NONE, InstaNASSpace
from mnas_moo.spaces.space import Space
from mnas_moo.supernet.training import HOLDOUT_IMAGES, check_images

CHECKPOINT_SECONDS = 20.0
TIMED_STEPS = 3

Listener = Callable[[Epoch, InstaNASSettings], None]
"""Is told of each epoch; an error that it raises ends the search, which can go on later."""


def search(
    space: InstaNASSpace,
    data: ImageData,
    table: ModuleTable,
    settings: InstaNASSettings,
    file: Path,
    seed: int = 0,
    listener: Listener | None = None,
) -> Result:
    """Searches, or goes on with a search.

    The same seed and numbers of images give the same weights on one CPU and number of threads, also where the search
    was killed.

    Args:
        space: the meta-graph.
        data: images of the space's classes and resolution; their hold-out only judges.
        table: latency of each module.
        settings: all numbers.
        file: what the search needs to go on (``.pt``); epochs and points stand beside it (``.json``, ``-N.pt``).
        seed: seed of weights, order, augmentation and decisions.
        listener: is told of each epoch.

    Raises:
        ValueError: the space does not fit the images, a band is empty, or a loss stopped being a number.
        OSError: a file cannot be written.
    """
    check_images(cast("Space", space), data)
    table.bands(settings.upper_first, settings.upper_last, settings.lower)
    with cpu_threads(settings.threads):
        return _Search(space, data, table, settings, file, seed).run(listener)


def load(file: Path, space: InstaNASSpace) -> Runner:
    """The graph and controller of a point, by its file.

    Raises:
        ValueError: the file is no point of this space.
        OSError: there is none.
    """
    file.stat()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        graph = MetaGraph(space, torch.Generator())
        controller = controller_of(space, torch.Generator(), *state["controller_size"])
        graph.load_state_dict(state["graph"])
        controller.load_state_dict(state["controller"])
    except Exception as error:  # torch raises errors of many kinds for a broken file
        raise ValueError(f"{file}: is no checkpoint of InstaNAS in this space") from error
    return Runner(graph.to(memory_format=torch.channels_last), controller.to(memory_format=torch.channels_last))


class _Search:
    """One search: all that changes, and what is saved of it."""

    def __init__(
        self,
        space: InstaNASSpace,
        data: ImageData,
        table: ModuleTable,
        settings: InstaNASSettings,
        file: Path,
        seed: int,
    ) -> None:
        self._arguments = space, data, table, settings, file, seed
        self.space, self.data, self.table, self.settings, self.file, self.seed = self._arguments
        device = find_device(settings.device)
        self.learner = Learner(space, table, settings, torch.Generator().manual_seed(seed), device)
        self.batches = Batches(data, device, "shift")
        held = data.holdout[:: -(-len(data.holdout) // HOLDOUT_IMAGES)]
        self.judges = Batches(replace(data, holdouts=(held,)), device, "none")
        self.bands = table.bands(settings.upper_first, settings.upper_last, settings.lower)
        prices = table.ms.tolist(), table.rest_ms, table.controller_ms
        self.identity = repr((torch.__version__, space, replace(settings, threads=1), seed, len(data.train), prices))
        self.share = 1.0  # of the images, that an epoch sees
        self.stage = self.step = 0
        self.spent = 0.0
        self.sums: dict[str, list[float]] = {}
        self.kept: list[dict[str, Any]] = []
        self.epochs: list[Epoch] = []
        self.points: list[Point] = []
        self.ways: list[dict[str, Any]] = []

    def run(self, listener: Listener | None) -> Result:
        """All phases, from where the file stands."""
        if not self._resume() and self.settings.minutes is not None:
            self.share = self._affordable(60 * self.settings.minutes)
        began = time.perf_counter() - self.spent
        saved = time.perf_counter()
        while (where := self._where()) is not None:
            batch_size, take = self._stepping(*where)
            sizes = batch_sizes(len(self.data.train), min(batch_size, len(self.data.train)))
            steps = max(1, round(self.share * len(sizes)))
            if self.step == 0:
                self._begin(*where)
            random = Randomness.of(seed_of(self.seed, self.stage))
            for images, labels in self.batches.training(sizes, random, self.step):
                figures = take(images, labels, where[1] + self.step / steps, seed_of(self.seed, self.stage, self.step))
                for name, value in figures.items():
                    self.sums.setdefault(name, []).append(float(value))
                self.step += 1
                if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                    saved, self.spent = time.perf_counter(), time.perf_counter() - began
                    self._save()
                if self.step == steps:
                    break
            told = self._end(*where)
            self.stage, self.step, self.spent = self.stage + 1, 0, time.perf_counter() - began
            if told is not None:
                self.epochs.append(replace(told, seconds=self.spent))
                self.sums = {}
            self._save()
            if told is not None and listener is not None:
                listener(self.epochs[-1], self.settings)
        if not self.points:
            self._finish()
            self._save()
        return Result(self.points, self.spent)

    def _where(self) -> tuple[str, int, int] | None:
        """Phase, epoch in it, and the half of a search's epoch (0: controller) or the point; None: all is done."""
        settings, stage = self.settings, self.stage
        if stage < settings.pretrain_epochs:
            return PRETRAIN, stage, 0
        stage -= settings.pretrain_epochs
        if stage < 2 * settings.search_epochs:
            return SEARCH, stage // 2, stage % 2
        stage -= 2 * settings.search_epochs
        if stage < settings.finetune_epochs * len(self.kept):
            return FINETUNE, stage % settings.finetune_epochs, stage // settings.finetune_epochs
        return None

    def _begin(self, phase: str, epoch: int, part: int) -> None:
        """A new optimizer of the graph where a phase begins, and the weights of the point that is fine-tuned."""
        if epoch > 0 or (phase == SEARCH and part > 0):
            return
        if phase == FINETUNE:
            state = torch.load(self._file_of(self.kept[part]["epoch"]), map_location="cpu", weights_only=True)
            self.learner.graph.load_state_dict(state["graph"])
            self.learner.controller.load_state_dict(state["controller"])
        if phase == SEARCH:
            self.learner.new_adam()
        settings = self.settings
        self.learner.new_sgd(settings.finetune_weight_decay if phase == FINETUNE else settings.pretrain_weight_decay)

    def _stepping(
        self, phase: str, epoch: int, part: int
    ) -> tuple[int, Callable[[Tensor, Tensor, float, int], Figures]]:
        """Images a step, and what a step does."""
        settings, learner = self.settings, self.learner
        if phase == PRETRAIN:
            return settings.pretrain_batch_size, learner.pretrain
        if phase == FINETUNE:
            return settings.finetune_batch_size, learner.finetune
        if part == 1:
            return settings.batch_size, learner.teach_graph
        band = self._band(epoch)
        return settings.batch_size, functools.partial(learner.teach_controller, band=band)

    def _band(self, epoch: int) -> Band:
        first, last = self.bands
        return first.towards(last, epoch / max(1, self.settings.search_epochs - 1))

    def _end(self, phase: str, epoch: int, part: int) -> Epoch | None:
        """The figures of the epoch that has ended; None after the first half of one of the search."""
        means = {name: float(np.mean(values)) for name, values in self.sums.items()}
        for name, value in means.items():
            if not math.isfinite(value):
                raise ValueError(
                    f"instanas: the {name} became {value} in {phase} epoch {epoch}; try smaller learning rates"
                )
        if phase == SEARCH and part == 0:
            return None
        told = Epoch(
            phase,
            epoch,
            seconds=0.0,
            loss=means["loss"],
            controller_loss=means.get("controller_loss"),
            reward=means.get("reward"),
            advantage=means.get("advantage"),
            entropy=means.get("entropy"),
            drawn_ms=means.get("drawn_ms"),
        )
        if phase == PRETRAIN:
            return told
        if phase == FINETUNE and epoch < self.settings.finetune_epochs - 1:
            return replace(told, point=part)
        found = self._judged(self.judges)
        told = replace(
            told,
            on=found.on,
            accuracy=found.accuracy,
            latency_ms=found.latency_ms,
            shuffled_accuracy=found.shuffled_accuracy,
            paths=found.paths,
        )
        if phase == FINETUNE:
            self._write_point(self._file_of(self.kept[part]["epoch"], tuned=True))
            return replace(told, point=part)
        self._keep({"epoch": epoch, "accuracy": found.accuracy, "latency_ms": found.latency_ms})
        band = self._band(epoch)
        return replace(told, band_ms=(band.lower_ms, band.upper_ms))

    def _judged(self, batches: Batches) -> Evaluation:
        return evaluate(Runner(self.learner.graph, self.learner.controller), batches, self.table, self.seed)

    def _keep(self, new: dict[str, Any]) -> None:
        before = {each["epoch"] for each in self.kept}
        self.kept = kept([*self.kept, new], self.settings.points)
        now = {each["epoch"] for each in self.kept}
        if new["epoch"] in now:
            self._write_point(self._file_of(new["epoch"]))
        for epoch in before - now:
            self._file_of(epoch).unlink(missing_ok=True)

    def _finish(self) -> None:
        """Judges the points by the whole hold-out."""
        tuned = self.settings.finetune_epochs > 0
        found = []
        for each in self.kept:
            file = self._file_of(each["epoch"], tuned=tuned)
            runner = load(file, self.space)
            device = self.batches.device
            runner = Runner(runner.graph.to(device), runner.controller.to(device))
            judged = evaluate(runner, self.batches, self.table, self.seed)
            usual = (judged.masks.float().mean(0) > 0.5).tolist()
            point = Point(
                epoch=each["epoch"],
                file=file.name,
                accuracy=judged.accuracy,
                latency_ms=judged.latency_ms,
                shuffled_accuracy=judged.shuffled_accuracy,
                paths=judged.paths,
                on=judged.on,
                usual=["+".join(n for n, on in zip(NAMES, cell, strict=True) if on) or NONE for cell in usual],
            )
            use = use_by_class(judged, len(self.data.info.classes))
            found.append((point, {"use": use, "images": from_fast_to_slow(judged, self.data, self.table)}))
        found.sort(key=lambda each: each[0].latency_ms)
        self.points, self.ways = [point for point, _ in found], [way for _, way in found]

    def _affordable(self, seconds: float) -> float:
        """The share of the images that an epoch may see, by steps of a search that is thrown away."""
        settings, n = self.settings, len(self.data.train)
        probe = _Search(*self._arguments)
        total = 0.0  # seconds, if all epochs saw all images
        for stage, epochs in (
            (0, settings.pretrain_epochs),
            (settings.pretrain_epochs, settings.search_epochs),
            (settings.pretrain_epochs + 1, settings.search_epochs),
            (-1, settings.points * settings.finetune_epochs),
        ):
            probe.stage = stage
            where = (FINETUNE, 0, 0) if stage < 0 else probe._where()
            assert where is not None
            batch_size, take = probe._stepping(*where)
            sizes = batch_sizes(n, min(batch_size, n))
            images, labels = next(self.batches.training(sizes, Randomness.of(self.seed)))
            times = []
            for step in range(TIMED_STEPS):
                began = time.perf_counter()
                take(images, labels, 0.0, step)
                times.append(time.perf_counter() - began)
            total += epochs * len(sizes) * float(np.min(times))
        began = time.perf_counter()
        probe._judged(self.judges)
        judging = time.perf_counter() - began
        left = seconds - judging * (settings.search_epochs + 3 * settings.points)
        return min(1.0, max(left, 0.1 * seconds) / total)

    def _file_of(self, epoch: int, *, tuned: bool = False) -> Path:
        return self.file.with_name(f"{self.file.stem}-{epoch}{'-tuned' if tuned else ''}.pt")

    def _write_point(self, file: Path) -> None:
        learner = self.learner
        state = {"graph": learner.graph.state_dict(), "controller": learner.controller.state_dict()}
        size = self.settings.controller_width, self.settings.controller_shrink
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as part:
            torch.save({**state, "format": 1, "controller_size": size}, part)

    def _save(self) -> None:
        learner = self.learner
        state = {
            "identity": self.identity,
            "told": len(self.epochs),
            **{name: getattr(self, name) for name in _HELD},
            **{name: getattr(learner, name).state_dict() for name in _LEARNT},
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.file) as part:
            torch.save(state, part)
        with whole_file(self.file.with_suffix(".json")) as part:
            held = {
                "format": 1,
                "modules": list(NAMES),
                "cells": list(self.space.distributions),
                "classes": list(self.data.info.classes),
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "points": [asdict(point) for point in self.points],
                "ways": self.ways,
            }
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
        for name in _LEARNT:
            getattr(self.learner, name).load_state_dict(state[name])
        for name in _HELD:
            setattr(self, name, state[name])
        self.epochs = [Epoch(**epoch) for epoch in held["epochs"]][: state["told"]]
        self.points = [Point(**point) for point in held["points"]]
        self.ways = held["ways"]
        return True


_HELD = ("share", "stage", "step", "spent", "sums", "kept")
_LEARNT = ("graph", "controller", "classifier", "sgd", "adam")
