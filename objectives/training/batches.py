"""The images of a training in batches, normalised on their device, and the generators that order and change them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mnas_moo.objectives.training.augmentation import Augmenter, augmenter
from mnas_moo.objectives.training.data import ImageData

EVALUATION_BATCH = 256
RESIDENT_BYTES = 2**31
"""Images up to this size are copied to the device as a whole."""


@dataclass(frozen=True)
class Randomness:
    """All that is random in a training: its seed, and the generators of order and weights, and of dropout."""

    seed: int
    order: torch.Generator
    dropout: torch.Generator

    @classmethod
    def of(cls, seed: int, device: torch.device | str = "cpu") -> Randomness:
        """Fresh generators of one seed, for a training on this device."""
        return cls(seed, torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed))

    def of_step(self, step: int) -> torch.Generator:
        """A generator for what one step draws, so that a training that goes on at this step draws the same."""
        return torch.Generator().manual_seed((self.seed << 24) + step)


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Splits ``n`` images into batches; the last takes what half a batch more or less leaves.

    So no batch has one image only, which has no statistics for batch norm, and all but one have one size, for which the
    code of the convolutions is generated once (near-equal sizes such as 63 and 62 for 64 cost a tenth more time).

    >>> from mnas_moo.objectives.training.batches import batch_sizes
    >>> batch_sizes(1438, 512), batch_sizes(1100, 512), batch_sizes(5, 64)
    ([512, 512, 414], [512, 588], [5])
    """
    full = max(1, int(n / batch_size + 0.5)) - 1
    return [batch_size] * full + [n - batch_size * full]


class Batches:
    """Normalised batches of one data set on one device, (B, C, H, W) float32 in channels-last memory.

    Images that train are augmented anew in every epoch (``augmentation``).

    Args:
        data: images and their split.
        device: where the batches are wanted.
        augmentation: name of the augmentation.
        share: (k, n): the k-th of n processes that share each batch of a training; it takes every n-th image.
    """

    def __init__(
        self, data: ImageData, device: torch.device, augmentation: str = "shift", share: tuple[int, int] = (0, 1)
    ) -> None:
        self.data = data
        self.share = share
        self.device = device
        resident = data.images.nbytes <= RESIDENT_BYTES
        self.images = data.images.to(device) if resident else data.images
        self.labels = data.labels.to(device)
        self.mean = data.mean.to(device)
        self.scale = data.std.to(device).reciprocal()
        self.augmenter: Augmenter = augmenter(augmentation, data.info.flip, len(data.info.classes))

    def training(self, sizes: list[int], random: Randomness, step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: the training part in a new order, in batches of these sizes, with their targets.

        Args:
            sizes: sizes of the batches.
            random: generators; that of the order is drawn from once.
            step: number of steps done before; an epoch of which a part is done goes on with the next batch.
        """
        n, side = len(self.data.train), self.data.images.shape[1]
        rank, processes = self.share
        order = self.data.train[torch.randperm(n, generator=random.order)]
        plan = self.augmenter.plan(n, side, random.order)
        where = self.images.device
        parts = zip(torch.split(order.to(where), sizes), self.augmenter.split(plan, sizes, where), strict=True)
        for i, (index, part) in enumerate(parts):
            if i < step % len(sizes):
                continue
            index, part = index[rank::processes], tuple(drawn[rank::processes] for drawn in part)
            pixels = self._normalised(self.augmenter.images(self.images, index, part))
            labels = self.labels[index.to(self.device)]
            yield self.augmenter.mix(pixels, labels, random.of_step(step - step % len(sizes) + i))

    def holdout(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The hold-out without augmentation, and its labels."""
        for index in torch.split(self.data.holdout, EVALUATION_BATCH):
            yield self._normalised(self.images[index.to(self.images.device)]), self.labels[index.to(self.device)]

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Bytes (B, H, W, C) as float32 (B, C, H, W) of mean 0 and deviation 1 over the training part."""
        return pixels.to(self.device).float().sub_(self.mean).mul_(self.scale).permute(0, 3, 1, 2)
