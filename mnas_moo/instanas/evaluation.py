"""What a graph with its controller does on the hold-out: how accurate and how fast, and which images go which way.

Whether the controller looks at its images is told by a shuffle: its decisions are given to other images, drawn at
random, which leaves the mean latency as it is; what accuracy that costs is what the decisions know of their images.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.instanas.inference import Runner
from mnas_moo.instanas.reward import shuffled
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.objectives.training.batches import Batches
from mnas_moo.objectives.training.data import ImageData

SHOWN = 32
"""Images of the picture from fast to slow."""
SHOWN_PIXELS = 48


@dataclass(frozen=True)
class Evaluation:
    """Figures of one graph and controller.

    Attributes:
        accuracy: share of the hold-out that is classified right.
        latency_ms: mean over its images: stem, head, controller and the modules that are on.
        shuffled_accuracy: accuracy where each image takes the path of another one.
        paths: number of different paths.
        on: share of modules that are on.
        masks: (N, L, M) decisions.
        labels: (N,) classes of the images.
    """

    accuracy: float
    latency_ms: float
    shuffled_accuracy: float
    paths: int
    on: float
    masks: Tensor
    labels: Tensor


def evaluate(runner: Runner, batches: Batches, table: ModuleTable, seed: int = 0) -> Evaluation:
    """Judges a graph and its controller on the hold-out of the batches.

    Args:
        runner: the graph and its controller.
        batches: the images.
        table: latencies of the modules.
        seed: seed of the shuffle.
    """
    right, masks, labels = 0, [], []
    for images, wanted in batches.holdout():
        answer = runner(images)
        right += int((answer.logits.argmax(1) == wanted).sum())
        masks.append(answer.masks.cpu())
        labels.append(wanted.cpu())
    decisions, classes = torch.cat(masks), torch.cat(labels)
    others = shuffled(decisions, torch.Generator().manual_seed(seed))
    still, done = 0, 0
    for images, wanted in batches.holdout():
        logits = runner.run(images, others[done : done + len(images)])
        still += int((logits.argmax(1) == wanted).sum())
        done += len(images)
    return Evaluation(
        accuracy=right / len(classes),
        latency_ms=table.rest_ms + table.controller_ms + float(table.latency(decisions).mean()),
        shuffled_accuracy=still / len(classes),
        paths=len(torch.unique(decisions, dim=0)),
        on=float(decisions.float().mean()),
        masks=decisions,
        labels=classes,
    )


def use_by_class(found: Evaluation, classes: int) -> list[list[float]]:
    """(K, L * M) share of each class's images that have each module on; 0 for a class without images."""
    flat = found.masks.flatten(1).float()
    shares = []
    for label in range(classes):
        its = flat[found.labels == label]
        shares.append([round(each, 4) for each in (its.mean(0) if len(its) else flat[0] * 0).tolist()])
    return shares


def from_fast_to_slow(found: Evaluation, data: ImageData, table: ModuleTable) -> list[dict[str, Any]]:
    """Images of the hold-out at equal steps from the least latency to the largest, with their pixels.

    Returns:
        Of each: "latency_ms", "label", and its "pixels", bytes of (H, W, C) in base64, with their "shape".
    """
    latency = table.latency(found.masks)
    order = latency.argsort(stable=True)
    chosen = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().long()]
    entries = []
    for i in chosen.tolist():
        pixels = data.images[data.holdout[i]]
        if pixels.shape[0] > SHOWN_PIXELS:
            size = (SHOWN_PIXELS, SHOWN_PIXELS)
            small = F.interpolate(pixels.permute(2, 0, 1)[None].float(), size, mode="area")[0].permute(1, 2, 0)
            pixels = small.round().to(torch.uint8)
        entries.append(
            {
                "latency_ms": table.rest_ms + table.controller_ms + float(latency[i]),
                "label": int(found.labels[i]),
                "shape": list(pixels.shape),
                "pixels": base64.b64encode(pixels.contiguous().numpy().tobytes()).decode(),
            }
        )
    return entries
