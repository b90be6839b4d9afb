"""The check of an exported point: it decides and answers as torch does, and what each image costs on this machine.

Both run on all images held out. Where a probability is 1/2 but for rounding, a decision may differ, and then the answer
too: so outputs are compared by torch's decisions, and decisions by themselves. Time is wall-clock, that of the
controller included, and is compared with the MobileNetV2-like path in the same program, and as one file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mnas_moo.instanas.export.files import Exported, whole
from mnas_moo.instanas.export.runner import Model, Runner
from mnas_moo.objectives.export.check import MOST_DIFFERENCE, Listener
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.batches import Batches
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.judging import NORMAL_95
from mnas_moo.spaces.instanas import MOBILENET

TIMED_IMAGES = 100
ROUNDS = 5
"""Each of the timed images is timed so often in each way, in turns; the least time is taken, as free of other work."""


@dataclass(frozen=True)
class Check:
    """What the files were found to do.

    Attributes:
        images: number of images.
        accuracy: of the files, by their own decisions.
        torch_accuracy: of graph and controller in torch.
        same_decisions: share of images with torch's decisions, all modules of all cells.
        agreement: share of images that are classified as torch does, by the files' own decisions.
        probability_difference: largest difference of a probability of the controller.
        difference: largest difference of an output, by torch's decisions.
        output_range: largest minus smallest output of torch, over all images.
        paths: number of different paths.
        on: share of modules that run, those included that are on by default.
    """

    images: int
    accuracy: float
    torch_accuracy: float
    same_decisions: float
    agreement: float
    probability_difference: float
    difference: float
    output_range: float
    paths: int
    on: float

    @property
    def share(self) -> float:
        """The largest difference of an output, as a share of the range of torch's outputs."""
        return self.difference / self.output_range if self.output_range else self.difference

    @property
    def failures(self) -> list[str]:
        """What must not be: files that compute something else than torch; a sentence each."""
        found = (
            ("the controller differs from torch by {:.2g} in a probability", self.probability_difference),
            ("the modules differ from torch by {:.2g} of the range of the outputs", self.share),
        )
        return [
            f"{words.format(value)}; float32 may differ by {MOST_DIFFERENCE:g}"
            for words, value in found
            if not value <= MOST_DIFFERENCE  # a NaN is no pass
        ]


@dataclass(frozen=True)
class Times:
    """Milliseconds of an image on this machine, one thread, means over the timed images.

    Attributes:
        images: number of timed images.
        per_image_ms: controller, decisions and the modules that are on.
        low_ms: 10th percentile over the images.
        high_ms: 90th percentile.
        controller_ms: the controller's part.
        mobilenet_ms: the MobileNetV2-like path, module by module in the same program, without controller.
        whole_ms: the same path as one file.
        saved: share of ``mobilenet_ms`` that is saved; below 0 where it costs more.
        saved_interval: its 95 % interval, for other images of the kind.
    """

    images: int
    per_image_ms: float
    low_ms: float
    high_ms: float
    controller_ms: float
    mobilenet_ms: float
    whole_ms: float
    saved: float
    saved_interval: tuple[float, float]


def check(
    folder: Path,
    exported: Exported,
    data: ImageData,
    *,
    threads: int = 1,
    listener: Listener = lambda done, of: None,
) -> Check:
    """Runs the files of a folder, and torch, on the images that are held out.

    Args:
        folder: has the files, which are read as they lie there.
        exported: the same in torch.
        data: the images; those of its hold-out are taken.
        threads: number of images that run at the same time, each on one core.
        listener: is told after every batch.

    Raises:
        ValueError: a file does not run.
        OSError: a file is missing.
        MissingExtraError: ai-edge-litert is not installed.
    """
    require("ai_edge_litert", extra="host")
    runners = [Runner(folder) for _ in range(threads)]
    parts = []
    with cpu_threads(1), ThreadPoolExecutor(threads) as pool:
        done = 0
        for x, wanted in Batches(data, torch.device("cpu"), "none").holdout():
            with torch.inference_mode():
                probabilities = exported.runner.controller(x).numpy()
            decisions = probabilities >= 0.5
            logits = exported.runner.run(x, torch.from_numpy(decisions)).numpy()
            images = data.images[data.holdout[done : done + len(x)]].numpy()
            own = pool.map(
                partial(_of_files, images=images, decisions=decisions), runners, np.array_split(range(len(x)), threads)
            )
            outputs, by_torch, answers = (np.concatenate(each) for each in zip(*own, strict=True))
            parts.append((wanted.numpy(), probabilities, logits, outputs, by_torch, answers))
            done += len(x)
            listener(done, len(data.holdout))
    labels, probabilities, logits, outputs, by_torch, answers = map(np.concatenate, zip(*parts, strict=True))
    own_decisions = runners[0].decided(outputs)
    with np.errstate(over="ignore"):
        own_probabilities = 1 / (1 + np.exp(-outputs))
    return Check(
        images=len(labels),
        accuracy=float((answers == labels).mean()),
        torch_accuracy=float((logits.argmax(1) == labels).mean()),
        same_decisions=float((own_decisions == (probabilities >= 0.5)).all((1, 2)).mean()),
        agreement=float((answers == logits.argmax(1)).mean()),
        probability_difference=float(np.abs(own_probabilities - probabilities).max()),
        difference=float(np.abs(by_torch - logits).max()),
        output_range=float(np.ptp(logits)),
        paths=len(np.unique(own_decisions.reshape(len(labels), -1), axis=0)),
        on=float(np.mean([runners[0].filled(each) for each in own_decisions])),
    )


def _of_files(
    runner: Runner, index: np.ndarray, images: np.ndarray, decisions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some images: the controller's outputs, the logits by given decisions, and the answers by the files' own."""
    outputs = np.zeros((len(index), *decisions.shape[1:]), np.float32)
    logits = np.zeros((len(index), len(runner.labels)), np.float32)
    answers = np.zeros(len(index), np.int64)
    for k, i in enumerate(index):
        x = runner.normalised(images[i])
        outputs[k] = runner.outputs(x)
        logits[k] = runner.run(x, decisions[i])
        own = runner.decided(outputs[k])
        answers[k] = (logits[k] if (own == decisions[i]).all() else runner.run(x, own)).argmax()
    return outputs, logits, answers


def timed(folder: Path, exported: Exported, data: ImageData) -> Times:
    """What images held out cost on this machine: by their own path, and by the MobileNetV2-like one.

    Args:
        folder: has the files.
        exported: the same in torch.
        data: the images; those timed are spread over its hold-out.
    """
    runner = Runner(folder)
    one = Model("the MobileNetV2-like path", whole(exported), 1)
    usual = np.zeros((len(runner.cells), len(runner.cells[0]["modules"])), np.bool_)
    usual[:, MOBILENET] = True
    chosen = torch.linspace(0, len(data.holdout) - 1, min(TIMED_IMAGES, len(data.holdout))).round().long()
    images = data.images[data.holdout[chosen]].numpy()
    ways: tuple[Callable[[np.ndarray], object], ...] = (
        runner,
        lambda image: runner.outputs(runner.normalised(image)),
        lambda image: runner.run(runner.normalised(image), usual),
        lambda image: one(runner.normalised(image)),
    )
    runner.warm()
    spent = np.zeros((ROUNDS, len(ways), len(images)))
    for round_ in range(ROUNDS):
        for i, image in enumerate(images):
            for k, way in enumerate(ways):
                began = time.perf_counter()
                way(image)
                spent[round_, k, i] = 1e3 * (time.perf_counter() - began)
    own, controller, mobilenet, alone = spent.min(0)
    gains = (mobilenet - own) / mobilenet.mean()
    half = NORMAL_95 * float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    saved = float(gains.mean())
    return Times(
        images=len(images),
        per_image_ms=float(own.mean()),
        low_ms=float(np.quantile(own, 0.1)),
        high_ms=float(np.quantile(own, 0.9)),
        controller_ms=float(controller.mean()),
        mobilenet_ms=float(mobilenet.mean()),
        whole_ms=float(alone.mean()),
        saved=saved,
        saved_interval=(saved - half, saved + half),
    )
