from __future__ import annotations

import io

import torch

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.full import Point
from mnas_moo.objectives.training.train import Step
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.reports.training_text import FinalProgress, in_words, training_line
from mnas_moo.spaces import network

STEP = Step(step=250, steps=1000, loss=1.25, images_per_second=512.0, seconds=30.0)
POINT = Point(step=200, epoch=2.0, seconds=25.0, loss=1.5, accuracy=0.4567)


def test_a_line_says_where_a_training_stands() -> None:
    assert training_line("trial-3", STEP, []) == ("trial-3: step 250 of 1,000, 512 images/s, loss 1.250; 1:30 min left")
    assert training_line("trial-3", STEP, [POINT]) == (
        "trial-3: step 250 of 1,000, 512 images/s, loss 1.250, 45.67% of the hold-out right after step 200; "
        "1:30 min left"
    )


def test_every_judgement_is_told_and_steps_now_and_then() -> None:
    out, times = io.StringIO(), iter([0.0, 1.0, 2.0, 30.0])
    progress = FinalProgress(out, lambda: next(times))
    for curve in ([], [], [POINT], [POINT]):
        progress.goes_on("trial-3", STEP, curve)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and "right" not in lines[0] and "right" in lines[1]
    silent = FinalProgress(None)
    silent.preparing("images")


def test_words_give_hold_out_test_and_recipe() -> None:
    spec = network("mnasnet-small", resolution=32, classes=2)
    figures = {
        "label": "trial-3",
        "accuracy": 0.75,
        "interval": [0.7, 0.8],
        "holdout_images": 1000,
        "recipe": {"name": "sgd", "epochs": 12.345},
        "data": {"train_images": 4000},
        "seconds": 90.0,
        "start": "fresh",
    }
    trained = TrainedNetwork(
        spec, build(spec, torch.Generator()).state_dict(), ("a", "b"), (1.0,) * 3, (1.0,) * 3, figures
    )
    assert list(in_words(trained)) == [
        "trial-3: 75.00% of 1,000 held-out images right (70.0% to 80.0%)",
        "  recipe sgd, 12.3 epochs of 4,000 images in 1.5 min, first weights fresh",
    ]
    tested = {**figures, "test_accuracy": 0.5, "test_interval": [0.4, 0.6], "test_images": 20}
    trained = TrainedNetwork(spec, trained.weights, trained.classes, trained.mean, trained.std, tested)
    assert list(in_words(trained))[1] == "  50.00% of 20 test images (40.0% to 60.0%)"
