"""What the sizes of the ladder are worth on real images: speed of training, and accuracy after some time.

    python studies/benchmarks/presets.py --data ~/.cache/mnas_moo/cifar10-images

For each size and resolution: the multiply-adds of random networks (the median, and the range), the training images a
second of one of them on one thread, and the mean accuracy of some after trainings of the same length in seconds.
"""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from mnas_moo.objectives.training.data import describe, load_data
from mnas_moo.objectives.training.speed import speed_of
from mnas_moo.objectives.training.train import TrainSettings, train
from mnas_moo.spaces import get
from mnas_moo.spaces.skeleton_settings import SIZES
from mnas_moo.studies.benchmarks import harness

HELD_OUT = 2000
"""Images that networks are judged on, of the hold-out."""


def main() -> None:
    """Prints a line a size and resolution."""
    parser = harness.options(__doc__)
    parser.add_argument("--data", required=True, type=Path, help="a folder with one subfolder of images a class")
    parser.add_argument("--sizes", nargs="+", default=["2m", "5m", "10m"], choices=SIZES, help="default: 2m 5m 10m")
    parser.add_argument("--resolutions", nargs="+", type=int, default=[32], help="in pixels (default: 32)")
    parser.add_argument("--seconds", type=float, default=30, help="length of a training (default: 30)")
    parser.add_argument("--networks", type=int, default=3, help="random networks of each size (default: 3)")
    arguments = parser.parse_args()
    info = describe(str(arguments.data))
    result: dict[str, dict[str, Any]] = {}
    print(f"{info.images} images of {len(info.classes)} classes, trainings of {arguments.seconds:g} s on one thread")
    print(f"{'preset':>7}{'pixels':>8}{'multiply-adds (M)':>22}{'images/s':>10}{'images seen':>13}{'accuracy':>10}")
    for resolution in arguments.resolutions:
        data = load_data(str(arguments.data), resolution)
        held = data.holdout[:: max(1, len(data.holdout) // HELD_OUT)]
        data = dataclasses.replace(data, holdouts=(held,))
        for size in arguments.sizes:
            settings = {"preset": size, "resolution": resolution, "channels": info.channels}
            space = get("mnasnet", classes=len(info.classes), **settings)
            rng = np.random.default_rng(0)
            specs = sorted((space.random(rng) for _ in range(15)), key=lambda spec: spec.multiply_adds)
            counts = [spec.multiply_adds / 1e6 for spec in specs]
            speed = speed_of(specs[len(specs) // 2], data, TrainSettings(device="cpu"), 1).images_per_second
            steps = max(1, round(arguments.seconds * speed / 64))
            chosen = specs[len(specs) // 2 - arguments.networks // 2 :][: arguments.networks]
            trained = TrainSettings(steps=steps, device="cpu")
            accuracies = [train(spec, data, trained, seed).accuracy for seed, spec in enumerate(chosen)]
            result[f"{size} at {resolution}"] = {
                "multiply_adds_m": counts,
                "images_per_second": speed,
                "steps": steps,
                "accuracies": accuracies,
            }
            counted = f"{statistics.median(counts):.1f} ({counts[0]:.1f} to {counts[-1]:.1f})"
            print(
                f"{size:>7}{resolution:>8}{counted:>22}{speed:>10.0f}{64 * steps:>13}"
                f"{100 * statistics.fmean(accuracies):>9.1f}%",
                flush=True,
            )
    harness.write_json(arguments.json, result)


if __name__ == "__main__":
    main()
