"""Images to answers, each by its own path: the controller decides greedily, and the graph computes what is on.

At each cell a batch is grouped by the modules that its images use (``metagraph``): a module runs once for all images
that have it on, and not at all where none has. So an image costs what its path costs, alone or in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mnas_moo.instanas.controller import Controller
from mnas_moo.instanas.metagraph import MetaGraph


@dataclass(frozen=True)
class Answer:
    """What was found for a batch.

    Attributes:
        logits: (B, classes).
        masks: (B, L, M) booleans: the modules that were on, as decided.
    """

    logits: Tensor
    masks: Tensor


class Runner:
    """A graph and its controller, in evaluation mode.

    Args:
        graph: the meta-graph.
        controller: the controller, on the same device.
    """

    def __init__(self, graph: MetaGraph, controller: Controller) -> None:
        self.graph, self.controller = graph.eval(), controller.eval()

    def decide(self, images: Tensor) -> Tensor:
        """(B, L, M) booleans: the modules of probability 1/2 or more.

        Raises:
            ValueError: the images have another shape than the controller was made for.
        """
        with torch.inference_mode():
            masks: Tensor = self.controller(images) >= 0.5
        return masks

    def __call__(self, images: Tensor) -> Answer:
        """Classifies (B, C, H, W) normalised images.

        Raises:
            ValueError: the images have another shape than the controller was made for.
        """
        masks = self.decide(images)
        return Answer(self.run(images, masks), masks)

    def run(self, images: Tensor, masks: Tensor) -> Tensor:
        """(B, classes) logits by given decisions, (B, L, M)."""
        with torch.inference_mode():
            logits: Tensor = self.graph(images, masks)
        return logits
