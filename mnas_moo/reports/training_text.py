"""Final trainings as text: lines while they run, and what they came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from mnas_moo.running.trials import Observer
from mnas_moo.spaces.printable import printable

if TYPE_CHECKING:
    from mnas_moo.objectives.training.full import Point
    from mnas_moo.objectives.training.train import Step
    from mnas_moo.objectives.training.trained import TrainedNetwork

TOLD_SECONDS = 20.0
"""The progress of a training is told so often, besides every judgement."""


class FinalProgress(Observer):
    """Prints where final trainings stand.

    Args:
        out: stream to write to; None: nothing is printed.
        clock: function that returns seconds since a fixed moment.
    """

    def __init__(self, out: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self.clock = out, clock
        self._told: dict[str, float] = {}
        self._points: dict[str, int] = {}

    def preparing(self, what: str) -> None:
        """Prints what is being prepared."""
        if self.out is not None:
            print(printable(what), file=self.out, flush=True)

    def goes_on(self, label: str, step: Step, curve: Sequence[Point]) -> None:
        """Prints where a training stands, now and then."""
        now = self.clock()
        judged = len(curve) > self._points.get(label, 0)
        if not judged and now - self._told.get(label, -TOLD_SECONDS) < TOLD_SECONDS:
            return
        self._told[label], self._points[label] = now, len(curve)
        self.preparing(training_line(label, step, curve))


def training_line(label: str, step: Step, curve: Sequence[Point]) -> str:
    """Where a training stands, in one line."""
    left = round((step.steps - step.step) / max(1, step.step) * step.seconds)
    parts = [f"step {step.step:,} of {step.steps:,}", f"{step.images_per_second:.0f} images/s", f"loss {step.loss:.3f}"]
    if curve:
        parts.append(f"{curve[-1].accuracy:.2%} of the hold-out right after step {curve[-1].step:,}")
    return f"{label}: {', '.join(parts)}; {left // 60}:{left % 60:02d} min left"


def in_words(trained: TrainedNetwork) -> Iterator[str]:
    """What a training came to, by lines."""
    figures = trained.figures
    low, high = figures["interval"]
    recipe = figures["recipe"]
    yield (
        f"{figures['label']}: {figures['accuracy']:.2%} of {figures['holdout_images']:,} held-out images right "
        f"({low:.1%} to {high:.1%})"
    )
    if "test_accuracy" in figures:
        low, high = figures["test_interval"]
        yield f"  {figures['test_accuracy']:.2%} of {figures['test_images']:,} test images ({low:.1%} to {high:.1%})"
    yield (
        f"  recipe {recipe['name']}, {recipe['epochs']:.3g} epochs of {figures['data']['train_images']:,} images in "
        f"{figures['seconds'] / 60:.1f} min, first weights {figures['start']}"
    )
