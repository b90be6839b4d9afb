"""Settings of the training by which accuracy is measured, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnas_moo.objectives.settings import COUNT, POSITIVE

HOLDOUT = 0.2
"""Share of the images that is held out, where nothing else is asked for."""

EPOCHS = 8
LEAST_STEPS = 400
"""Steps that take a small network clearly beyond chance: 150 got 50 % of five classes of photographs right."""

FOLDED_IMAGES = 2000
"""A hold-out with fewer images changes from training to training; at 50 %, so many give a standard error of 1.1 %."""

AUGMENTATIONS = ("auto", "none", "shift", "photo", "randaugment", "cutmix")
"""Names of ways to augment images (``augmentation``); "auto" is what ``augmentation_of`` says."""

PHOTO_PASSES = 20
"""Passes over the images from which on they are augmented as photographs are; in few passes it costs accuracy."""


@dataclass(frozen=True)
class Training:
    """How a child is trained; ``train.TrainSettings`` checks it against this machine.

    Attributes:
        epochs: passes over the training part, instead of ``steps``.
        steps: batches that a training takes; None, without ``epochs``: ``default_steps`` of the images.
        batch_size: images a step, at least 4; the last of an epoch has half to one and a half times as many.
        learning_rate: learning rate of SGD at its peak. Of 60,000 images of CIFAR-10 two networks learnt 54 and 64 %
            with 0.05, 52 and 61 % with 0.1, 53 and 61 % with 0.025; digits and a small folder took both as well.
        weight_decay: L2 decay of the weights of convolutions and the classifier (not of norms and biases).
        label_smoothing: share of the target that is spread over all classes.
        augmentation: one of ``AUGMENTATIONS``.
        balanced: whether accuracy is the mean over the classes of the share that is right, and not over the images.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": the first of cuda, mps and cpu that is there.
        threads: CPU threads a training uses; the children of a search are so small that more hardly help.
    """

    epochs: int | None = field(default=None, metadata=COUNT)
    steps: int | None = field(default=None, metadata=COUNT)
    batch_size: int = field(default=64, metadata={"ge": 4})
    learning_rate: float = field(default=0.05, metadata=POSITIVE)
    weight_decay: float = field(default=0.01, metadata={"ge": 0, "allow_inf_nan": False})
    label_smoothing: float = field(default=0.1, metadata={"ge": 0, "lt": 1})
    augmentation: str = "auto"
    balanced: bool = False
    device: str = "auto"
    threads: int = field(default=1, metadata=COUNT)


def augmentation_of(passes: float, *, flip: bool) -> str:
    """The augmentation that "auto" stands for: "photo" where photographs are seen again and again, else "shift".

    On 240 photographs, 107 passes with "photo" gave 40.9 % and with "shift" 39.4 % (three seeds); on 40,000, less than
    two passes gave 47.0 % and 51.9 %.

    >>> augmentation_of(107, flip=True), augmentation_of(2, flip=True), augmentation_of(107, flip=False)
    ('photo', 'shift', 'shift')

    Args:
        passes: passes over the training images.
        flip: whether a mirrored image keeps its class, which is so for photographs.
    """
    return "photo" if flip and passes >= PHOTO_PASSES else "shift"


def default_steps(images: int, batch_size: int) -> int:
    """Steps of a training where nothing else is asked for: ``EPOCHS`` passes, but at least ``LEAST_STEPS``.

    >>> default_steps(40_000, 64), default_steps(240, 64)
    (5000, 400)

    Args:
        images: number of images to train on.
        batch_size: images a step.
    """
    return max(LEAST_STEPS, round(EPOCHS * images / batch_size))


@dataclass(frozen=True)
class TrainingProgress:
    """Where the measurement of one accuracy stands.

    Attributes:
        training: number of the training under way, from 1; a network may be trained several times.
        trainings: number of trainings that are expected so far.
        step: steps done of this training.
        steps: steps of one training.
        images_per_second: training images a second, so far.
        loss: training loss over the last steps; None before the first one.
        accuracy: mean accuracy of the trainings that are done; None before the first one is.
        seconds_left: expected seconds until the last of ``trainings`` is done.
    """

    training: int
    trainings: int
    step: int
    steps: int
    images_per_second: float
    loss: float | None
    accuracy: float | None
    seconds_left: float
