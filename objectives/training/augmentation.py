"""Augmentation: every epoch trains on other versions of the images, drawn from the training's own generator.

``plan`` draws for a whole epoch, so that the order of the draws does not depend on the batches; ``images`` carries the
plan out on one batch, and ``mix`` joins images of a batch with each other. Kinds:

- "none": the images as they are.
- "shift": each image by up to 1/16 of its side, its edge repeated, and mirrored where that keeps the class.
- "photo": a random resized crop (Szegedy et al. 2015, sec. 6), mirrored, with other brightness, contrast, saturation.
- "randaugment": photo's geometry, then two operations an image, drawn from fourteen (Cubuk et al. 2020).
- "cutmix": photo; in half of the batches a rectangle of each image comes from another one, and the target is mixed in
  the ratio of the areas (Yun et al. 2019).

What it is worth depends on how often an image is seen. Accuracy on photographs of CIFAR-10, 2,000 and 2,500 held out,
for three inverted residuals of 2.9 million multiply-adds, mean of seeds 0 and 1 (* seed 0 alone):

    images to train on        steps (epochs)  none   shift  photo  cutmix  randaugment
    5 classes of 60           400 (85)        .448   .529   .554   .544    .563
    10 classes of 500         600 (8)         .522   .523   .475   .454*

Two deep networks of the space mnasnet, which do not learn the 300 images by heart in 400 steps, gain nothing: shift
.394, photo .380 (four seeds). On one thread, photo makes 30,000 images of 32 pixels a second, randaugment 7,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.objectives.extras import require

SHIFT = 1 / 16
"""Largest shift of an image, as a share of its side."""

AREA = 0.5
"""Smallest share of the image that a crop keeps; the largest is all of it."""
RATIO = 4 / 3
"""Largest ratio of a crop's sides, either way."""
JITTER = (0.2, 0.2, 0.2)
"""By how much brightness, contrast and saturation vary, as a share of what they are."""
GRAY = (0.299, 0.587, 0.114)
"""What red, green and blue add to brightness (ITU-R BT.601)."""

OPERATIONS = 2
"""Operations of RandAugment on each image."""
MAGNITUDE = 0.3
"""Strength of RandAugment's operations, as a share of the largest."""

MIXED = 0.5
"""Share of the batches that CutMix mixes."""

Plan = tuple[Tensor, ...]
"""What was drawn for N images: tensors of N rows, on the CPU until ``split``."""


class Augmenter:
    """Images as they are; the base of the others.

    Args:
        flip: whether a mirrored image keeps its class.
        classes: number of classes.
    """

    def __init__(self, flip: bool, classes: int) -> None:
        self.flip, self.classes = flip, classes

    def plan(self, n: int, side: int, generator: torch.Generator) -> Plan:
        """What happens to the images of an epoch.

        Args:
            n: number of images.
            side: their height and width in pixels.
            generator: generator on the CPU, of which everything is drawn.
        """
        return ()

    def split(self, plan: Plan, sizes: Sequence[int], device: torch.device) -> list[Plan]:
        """The plans of batches of these sizes, on the device that holds the images."""
        if not plan:
            return [()] * len(sizes)
        return list(zip(*(torch.split(drawn.to(device), list(sizes)) for drawn in plan), strict=True))

    def images(self, store: Tensor, index: Tensor, plan: Plan) -> Tensor:
        """One batch.

        Args:
            store: (N, H, W, C) uint8 images.
            index: (B,) which of them are in the batch.
            plan: part of the plan for these.

        Returns:
            (B, H, W, C) in units of a byte, uint8 or float32; a new tensor.
        """
        return store[index]

    def mix(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images of one batch joined with each other.

        Args:
            images: (B, C, H, W) float.
            labels: (B,) int64.
            generator: generator on the CPU, of which everything is drawn.

        Returns:
            Images, and their labels (B,), or where images were mixed the probabilities of the classes (B, K).
        """
        return images, labels


class Shift(Augmenter):
    """Shifted by whole pixels with the edge repeated, and mirrored: one gather of stored bytes."""

    def plan(self, n: int, side: int, generator: torch.Generator) -> Plan:
        """Rows and columns (N, side) from which each pixel comes."""
        shift = max(1, round(side * SHIFT))
        offsets = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator)
        rows, columns = (torch.arange(side) + offsets).clamp_(0, side - 1)
        if self.flip:
            mirrored = torch.rand(n, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, side - 1 - columns, columns)
        return rows, columns

    def images(self, store: Tensor, index: Tensor, plan: Plan) -> Tensor:
        """(B, H, W, C) uint8."""
        rows, columns = plan
        return store[index[:, None, None], rows[:, :, None], columns[:, None, :]]


class Photo(Augmenter):
    """A crop of random area and ratio, scaled to the image's size, mirrored, in slightly other colours."""

    def plan(self, n: int, side: int, generator: torch.Generator) -> Plan:
        """Affine maps (N, 2, 3) of the crops, as ``affine_grid`` has them, and factors of the colours (N, 3)."""
        drawn = torch.rand(n, 8, generator=generator)
        area, ratio = AREA + (1 - AREA) * drawn[:, 0], RATIO ** (2 * drawn[:, 1] - 1)
        height, width = (area / ratio).sqrt().clamp_(max=1), (area * ratio).sqrt().clamp_(max=1)
        maps = torch.zeros(n, 2, 3)
        maps[:, 0, 0] = torch.where(drawn[:, 2] < 0.5, -width, width) if self.flip else width
        maps[:, 1, 1] = height
        maps[:, :, 2] = (2 * drawn[:, 3:5] - 1) * (1 - torch.stack([width, height], dim=1))  # in [-1, 1] is the image
        return maps, 1 + torch.tensor(JITTER) * (2 * drawn[:, 5:] - 1)

    def images(self, store: Tensor, index: Tensor, plan: Plan) -> Tensor:
        """(B, H, W, C) float32."""
        maps, factors = plan
        return recolour(crop(store[index], maps), factors)


class RandAugment(Photo):
    """Photo's geometry, then two operations an image, in their order."""

    def __init__(self, flip: bool, classes: int) -> None:
        super().__init__(flip, classes)
        self.operations = _operations()

    def plan(self, n: int, side: int, generator: torch.Generator) -> Plan:
        """Affine maps (N, 2, 3), and (N, 2) twice the number of an operation, plus 1 where its strength is above 0."""
        maps, _ = super().plan(n, side, generator)
        return maps, torch.randint(2 * len(self.operations), (n, OPERATIONS), generator=generator)

    def images(self, store: Tensor, index: Tensor, plan: Plan) -> Tensor:
        """(B, H, W, C) uint8."""
        maps, drawn = plan
        pixels = crop(store[index], maps).round_().to(torch.uint8)
        for numbers in drawn.T:
            for number in numbers.unique().tolist():
                chosen = numbers == number
                strength = MAGNITUDE if number % 2 else -MAGNITUDE
                pixels[chosen] = self.operations[number // 2](pixels[chosen], strength)
        return pixels.permute(0, 2, 3, 1)


class CutMix(Photo):
    """Photo, and rectangles of other images."""

    def mix(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """In a share ``MIXED`` of the batches, one rectangle of each image from its neighbour in the batch."""
        mixed, area, *centre = torch.rand(4, generator=generator).tolist()
        if mixed >= MIXED:
            return images, labels
        # lambda ~ Beta(1, 1), sides sqrt(1 - lambda); what lies outside the image is cut off (Yun et al. 2019, eq. 2)
        box = []
        for side, middle in zip(images.shape[2:], centre, strict=True):
            half = 0.5 * side * math.sqrt(area)
            box.append(slice(max(0, round(side * middle - half)), min(side, round(side * middle + half))))
        rows, columns = box
        images = images.clone()
        images[:, :, rows, columns] = images[:, :, rows, columns].roll(1, 0)
        share = (rows.stop - rows.start) * (columns.stop - columns.start) / (images.shape[2] * images.shape[3])
        own = F.one_hot(labels, self.classes).to(images.dtype)
        return images, (1 - share) * own + share * own.roll(1, 0)


def augmenter(kind: str, flip: bool, classes: int) -> Augmenter:
    """The augmentation of a name.

    Args:
        kind: one of "none", "shift", "photo", "randaugment", "cutmix".
        flip: whether a mirrored image keeps its class.
        classes: number of classes.
    """
    kinds = {"none": Augmenter, "shift": Shift, "photo": Photo, "randaugment": RandAugment, "cutmix": CutMix}
    return kinds[kind](flip, classes)


def crop(pixels: Tensor, maps: Tensor) -> Tensor:
    """Parts of square images (B, S, S, C) uint8 by affine maps (B, 2, 3), bilinear: (B, C, S, S) float32."""
    images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    edge = 1 - 1 / images.shape[3]  # centre of the last pixel; beyond, it is repeated ("border", which MPS lacks)
    return F.grid_sample(images, grid.clamp_(-edge, edge), align_corners=False)


def recolour(images: Tensor, factors: Tensor) -> Tensor:
    """Other brightness, contrast and saturation, one after the other, as one affine map of the colours of an image.

    Args:
        images: (B, C, H, W) float32 in units of a byte; saturation is that of three channels, otherwise left alone.
        factors: (B, 3) factors b, c, s.

    Returns:
        (B, H, W, C) float32 in [0, 255].
    """
    n, channels, height, width = images.shape
    gray = torch.tensor(GRAY if channels == 3 else [1 / channels] * channels, device=images.device)
    brightness, contrast, saturation = factors[:, :, None, None].unbind(1)  # (B, 1, 1) each
    if channels != 3:
        saturation = torch.ones_like(saturation)
    # x b, then c y + (1 - c) mean of y's gray, then s z + (1 - s) z's gray, which is that mean where z is constant
    level = (images.mean((2, 3)) @ gray)[:, None, None]  # (B, 1, 1)
    colours = saturation * torch.eye(channels, device=images.device) + (1 - saturation) * gray[:, None]  # (B, C, C)
    offset = (brightness * (1 - contrast) * level).expand(n, 1, channels)
    flat = torch.baddbmm(offset, images.flatten(2).transpose(1, 2), brightness * contrast * colours)  # (B, H W, C)
    return flat.clamp_(0, 255).view(n, height, width, channels)


def _operations() -> tuple[Callable[[Tensor, float], Tensor], ...]:
    """Operations of RandAugment on images (B, C, H, W) uint8, with a strength in [-1, 1].

    Ranges are those of torchvision, which has them from the paper. An operation without a range does the same at any
    strength; posterize and solarize are as strong with one sign as with the other.
    """
    kernels: Any = require("torchvision.transforms.v2.functional", extra="data")

    def affine(
        x: Tensor, angle: float = 0, right: float = 0, down: float = 0, shear: Sequence[float] = (0, 0)
    ) -> Tensor:
        side = x.shape[-1]
        shift = [round(right * side), round(down * side)]
        slant = [math.degrees(math.atan(share)) for share in shear]
        moved: Tensor = kernels.affine(x, angle, shift, 1.0, slant, fill=[128.0] * x.shape[1])  # gray where none is
        return moved

    return (
        lambda x, s: x,
        lambda x, s: affine(x, shear=(0.3 * s, 0)),
        lambda x, s: affine(x, shear=(0, 0.3 * s)),
        lambda x, s: affine(x, right=0.45 * s),
        lambda x, s: affine(x, down=0.45 * s),
        lambda x, s: affine(x, angle=30 * s),
        lambda x, s: kernels.adjust_brightness(x, 1 + 0.9 * s),
        lambda x, s: kernels.adjust_saturation(x, 1 + 0.9 * s),
        lambda x, s: kernels.adjust_contrast(x, 1 + 0.9 * s),
        lambda x, s: kernels.adjust_sharpness(x, 1 + 0.9 * s),
        lambda x, s: kernels.posterize(x, 8 - round(4 * abs(s))),
        lambda x, s: kernels.solarize(x, 255 * (1 - abs(s))),
        lambda x, s: kernels.autocontrast(x),
        lambda x, s: kernels.equalize(x),
    )
