"""How graph and controller of InstaNAS learn: one step of each kind.

The controller learns by REINFORCE with the graph as it is; the graph learns from paths that the controller draws for
other images of the batch (policy shuffling), so that no path is tied to its image (official code, search/search.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mnas_moo.instanas.controller import Controller
from mnas_moo.instanas.metagraph import MetaGraph
from mnas_moo.instanas.reward import Band, explored, policy_loss, reward, shuffled
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.spaces.instanas import NAMES, InstaNASSpace

Figures = Mapping[str, Tensor]
"""Scalars of a step, detached, by the names of ``Epoch``."""


class Learner:
    """A graph and a controller that learn.

    Args:
        space: the meta-graph.
        table: latency of each module.
        settings: all numbers.
        generator: random generator of the initial weights.
        device: where they learn.
    """

    def __init__(
        self,
        space: InstaNASSpace,
        table: ModuleTable,
        settings: InstaNASSettings,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.table, self.settings, self.device = table, settings, device
        self.decisions = space.cells, len(NAMES)
        self.graph = MetaGraph(space, generator).to(device).to(memory_format=torch.channels_last)
        size = settings.controller_width, settings.controller_shrink
        self.controller = controller_of(space, generator, *size, begins=settings.keep).to(device)
        self.controller.to(memory_format=torch.channels_last)
        self.classifier = nn.Linear(self.controller.decide.in_features, space.settings.classes).to(device)
        for parameter in self.classifier.parameters():
            nn.init.zeros_(parameter)
        self.new_adam()
        self.new_sgd(settings.pretrain_weight_decay)

    def new_adam(self) -> None:
        """Begins the training of the controller, of its classes or its decisions."""
        parameters = [*self.controller.parameters(), *self.classifier.parameters()]
        self.adam = torch.optim.Adam(parameters, self.settings.controller_learning_rate)

    def new_sgd(self, weight_decay: float) -> None:
        """Begins a phase of the graph's training."""
        settings = self.settings
        self.sgd = torch.optim.SGD(
            self.graph.parameters(),
            settings.learning_rate,
            settings.momentum,
            weight_decay=weight_decay,
            nesterov=True,
        )

    def pretrain(self, images: Tensor, labels: Tensor, progress: float, seed: int) -> Figures:
        """A step of the graph with modules drawn for each image; all of them in the first half of the epochs.

        Args:
            images: (B, C, H, W).
            labels: (B,).
            progress: epochs done in the phase.
            seed: seed of what the step draws.
        """
        settings = self.settings
        self.graph.train()
        shape = len(images), *self.decisions
        masks = torch.rand(shape, generator=_generator(seed)) < settings.kept(int(progress))
        rate = settings.pretrain_learning_rate * _cosine(progress / settings.pretrain_epochs)
        figures = self._learn(images, labels, masks, rate)
        if not settings.controller_pretraining:
            return figures
        self.controller.train()
        loss = F.cross_entropy(self.classifier(self.controller.features(images)), labels)
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        self.adam.step()
        return {**figures, "controller_loss": loss.detach()}

    def teach_controller(self, images: Tensor, labels: Tensor, progress: float, seed: int, band: Band) -> Figures:
        """A step of the controller in a band of latencies; the graph only answers. Arguments as of ``pretrain``."""
        settings = self.settings
        self.graph.eval()
        self.controller.train()
        for group in self.adam.param_groups:
            group["lr"] = settings.controller_learning_rate * 0.1 ** (int(progress) // settings.decay_epochs)
        probabilities = self.controller(images)
        drawn_with = explored(probabilities, settings.exploration)
        drawn = _draw(drawn_with, seed)
        rewards, latencies = [], []
        for masks in (drawn, probabilities.detach() >= 0.5):
            with torch.no_grad():
                correct = self.graph(images, masks).argmax(1) == labels
            latencies.append(self.table.latency(masks))
            prices = settings.right, settings.wrong, settings.latency_exponent
            rewards.append(reward(correct, latencies[-1], band, *prices).float())
        advantage = rewards[0] - rewards[1]
        found = policy_loss(drawn_with, drawn, advantage, settings.entropy)
        self.adam.zero_grad()
        torch.autograd.backward(found.loss)
        self.adam.step()
        figures = {"policy_loss": found.loss.detach(), "reward": rewards[0].mean(), "advantage": advantage.mean()}
        return {**figures, "entropy": found.entropy, "drawn_ms": latencies[0].mean()}

    def teach_graph(self, images: Tensor, labels: Tensor, progress: float, seed: int) -> Figures:
        """A step of the graph with paths drawn by the controller for other images. Arguments as of ``pretrain``."""
        settings = self.settings
        self.graph.train()
        self.controller.eval()
        with torch.no_grad():
            drawn = _draw(explored(self.controller(images), settings.exploration), seed)
        masks = shuffled(drawn, _generator(seed + 1))
        return self._learn(images, labels, masks, settings.learning_rate * _cosine(progress / settings.search_epochs))

    def finetune(self, images: Tensor, labels: Tensor, progress: float, seed: int) -> Figures:
        """A step of the graph with greedy paths; draws nothing. Arguments as of ``pretrain``."""
        del seed
        settings = self.settings
        self.graph.train()
        self.controller.eval()
        with torch.no_grad():
            masks = self.controller(images) >= 0.5
        rate = settings.finetune_learning_rate * _cosine(progress / settings.finetune_epochs)
        return self._learn(images, labels, masks, rate)

    def _learn(self, images: Tensor, labels: Tensor, masks: Tensor, rate: float) -> Figures:
        for group in self.sgd.param_groups:
            group["lr"] = rate
        self.sgd.zero_grad()
        loss = F.cross_entropy(self.graph(images, masks), labels)
        torch.autograd.backward(loss)
        self.sgd.step()
        return {"loss": loss.detach()}


def controller_of(
    space: InstaNASSpace, generator: torch.Generator, width: float, shrink: int, *, begins: float = 0.5
) -> Controller:
    """A fresh controller for a space."""
    settings = space.settings
    shape = settings.channels, settings.resolution, settings.resolution
    return Controller(shape, (space.cells, len(NAMES)), generator, width, shrink, begins)


def seed_of(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draw(probabilities: Tensor, seed: int) -> Tensor:
    drawn = torch.rand(probabilities.shape, generator=_generator(seed)) < probabilities.detach().cpu()
    return drawn.to(probabilities.device)


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))
