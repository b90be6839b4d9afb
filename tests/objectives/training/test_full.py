from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.objectives.formats.torch_module import Network
from mnas_moo.objectives.training import full, train
from mnas_moo.objectives.training.batches import Batches
from mnas_moo.objectives.training.condensing import Condensing
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.objectives.training.full import Point, criterion, curve_file, forget, train_fully
from mnas_moo.objectives.training.initial import begin
from mnas_moo.objectives.training.recipes import RECIPES, Recipe
from mnas_moo.objectives.training.train import Step, evaluate
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces.spec import NetworkSpec
from tests.objectives.training.conftest import condensenet, network

SGD = dataclasses.replace(RECIPES["sgd"], epochs=8)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 8)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_learns_the_digits(name: str, digits: ImageData, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPES[name], epochs=30, batch_size=32, augmentation="shift")
    # The published average of norm statistics needs thousands of steps.
    recipe = dataclasses.replace(recipe, norm_momentum=0.1)
    trained = train_fully(network(), digits, recipe, 0, tmp_path / "saved.pt", device="cpu")
    assert trained.figures["accuracy"] > 0.6  # a tenth by chance
    assert trained.figures["recipe"]["name"] == name


def test_figures_say_how_a_network_was_trained_and_its_weights_are_those_judged(
    digits: ImageData, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.pt"
    told: list[tuple[Step, list[Point]]] = []
    trained = train_fully(
        network(), digits, SGD, 3, saved, device="cpu", listener=lambda step, curve: told.append((step, list(curve)))
    )
    figures = trained.figures
    low, high = figures["interval"]
    assert 0 <= low < figures["accuracy"] < high <= 1
    assert (figures["holdout_images"], figures["seed"], figures["start"]) == (359, 3, "fresh")
    assert figures["steps"] == 8 * 22 == told[-1][0].step
    assert figures["curve"][-1]["accuracy"] == figures["accuracy"]
    assert figures["curve"][-1]["epoch"] == 8
    assert "test_accuracy" not in figures
    assert evaluate(trained.module(), Batches(digits, torch.device("cpu"), "none")) == figures["accuracy"]
    assert json.loads(curve_file(saved).read_text())["epochs"] == 8
    forget(saved)
    assert not list(tmp_path.iterdir())


def test_averaged_weights_are_those_of_the_last_steps(digits: ImageData, tmp_path: Path) -> None:
    plain = train_fully(network(), digits, dataclasses.replace(SGD, epochs=1), 0, tmp_path / "a.pt", device="cpu")
    # A share of 0 kept is no average at all: 1e-12 takes the same weights by way of the average.
    recipe = dataclasses.replace(SGD, epochs=1, averaged=1e-12)
    averaged = train_fully(network(), digits, recipe, 0, tmp_path / "b.pt", device="cpu")
    for name, weight in plain.weights.items():
        torch.testing.assert_close(averaged.weights[name], weight)
    recipe = dataclasses.replace(SGD, epochs=1, averaged=0.99)
    slow = train_fully(network(), digits, recipe, 0, tmp_path / "c.pt", device="cpu")
    assert not torch.equal(slow.weights["stem.conv.weight"], plain.weights["stem.conv.weight"])


def test_an_average_of_two_steps_is_tensorflows() -> None:
    average = full._averaging(0.9999)
    averages, values = [torch.tensor([1.0])], [torch.tensor([4.0])]
    average(averages, values, 1)  # decay = (1 + 1) / (10 + 1)
    assert averages[0].item() == pytest.approx(2 / 11 * 1 + 9 / 11 * 4)
    average(averages, values, 10**9)
    assert averages[0].item() == pytest.approx(0.9999 * (2 / 11 + 36 / 11) + 0.0001 * 4)


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from mnas_moo.objectives.training import train
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.full import train_fully
from mnas_moo.objectives.training.recipes import RECIPES
from tests.objectives.training.conftest import network
import dataclasses
train.CHECKPOINT_SECONDS = 0.02
train.TELL_SECONDS = 0.01
recipe = dataclasses.replace(RECIPES["sgd"], epochs=int(sys.argv[3]), averaged=0.99, augmentation="cutmix")
spec = dataclasses.replace(network(), dropout=0.3)
trained = train_fully(spec, load_data("digits", 8), recipe, 5, Path(sys.argv[1], "saved.pt"), device="cpu",
                      listener=lambda step, curve: print(step.step, flush=True))
trained.save(Path(sys.argv[1], "trained.pt"))
"""


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_with_the_same_weights(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[3])

    def begin(folder: Path) -> subprocess.Popen[str]:
        folder.mkdir(exist_ok=True)
        words = [sys.executable, "-c", PROGRAM, str(folder), root, "40"]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root)

    whole = begin(tmp_path / "whole")
    assert whole.communicate()[0] and whole.returncode == 0
    rng = np.random.default_rng(0)
    kills, steps = 0, [0]
    while kills < 10:
        process = begin(tmp_path / "killed")
        assert process.stdout is not None
        first = process.stdout.readline()  # the training runs
        if not first:
            break
        steps.append(int(first))
        time.sleep(float(rng.uniform(0, 0.15)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += process.returncode == -signal.SIGKILL
    assert begin(tmp_path / "killed").wait() == 0
    assert kills >= 3 and max(steps) > steps[1]  # it was killed, and had gone on
    one, other = (TrainedNetwork.load(tmp_path / name / "trained.pt") for name in ("whole", "killed"))
    for name, weight in one.weights.items():
        assert torch.equal(weight, other.weights[name]), name


@pytest.mark.parametrize(
    ("spec", "optimizer"), [(network(), "sgd"), (condensenet(), "sgd"), (condensenet(), "rmsprop")]
)
def test_a_training_stopped_at_ten_random_steps_ends_with_the_same_weights(
    spec: NetworkSpec, optimizer: str, digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "TELL_SECONDS", -1.0)  # every step
    recipe = dataclasses.replace(SGD, epochs=3, averaged=0.99, augmentation="cutmix", optimizer=optimizer)
    recipe = dataclasses.replace(recipe, learning_rate=0.02)
    spec = dataclasses.replace(spec, dropout=0.3)
    whole = train_fully(spec, digits, recipe, 5, tmp_path / "whole.pt", device="cpu")
    stops = sorted(np.random.default_rng(0).choice(np.arange(1, 66), 10, replace=False).tolist())
    for at in stops:

        def stop(step: Step, _curve: object, at: int = at) -> None:
            if step.step == at:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            train_fully(spec, digits, recipe, 5, tmp_path / "part.pt", device="cpu", listener=stop)
    part = train_fully(spec, digits, recipe, 5, tmp_path / "part.pt", device="cpu")
    for name, weight in whole.weights.items():
        assert torch.equal(weight, part.weights[name]), name


@pytest.mark.parametrize("averaged", [0.0, 0.99])
def test_a_training_condenses_and_its_network_is_the_group_form_of_what_was_trained(
    averaged: float, digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[tuple[Network, Network]] = []
    real = Condensing.condensed

    def spy(self: Condensing) -> Network:
        pairs.append((self.model, real(self)))
        return pairs[-1][1]

    monkeypatch.setattr(Condensing, "condensed", spy)
    spec = condensenet()
    recipe = dataclasses.replace(SGD, averaged=averaged)
    trained = train_fully(spec, digits, recipe, 0, tmp_path / "saved.pt", device="cpu")
    ((whole, group),) = pairs
    images = torch.randn(16, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(trained.module()(images), whole.eval()(images), rtol=0, atol=1e-5)
    assert sum(parameter.numel() for parameter in trained.module().parameters()) == spec.parameters
    assert sum(p.numel() for p in whole.parameters()) > spec.parameters
    assert all(torch.equal(weight, group.state_dict()[name]) for name, weight in trained.weights.items())
    index = trained.weights["layers.1.1.select.index"]
    assert not torch.equal(index, torch.arange(len(index)) % (index.max() + 1))  # it was learnt
    assert trained.figures["accuracy"] > 0.4  # a tenth by chance


def test_weights_of_a_condensed_network_keep_its_selection(digits: ImageData, tmp_path: Path) -> None:
    spec, recipe = condensenet(), dataclasses.replace(SGD, epochs=2)
    first = train_fully(spec, digits, recipe, 0, tmp_path / "first.pt", device="cpu")
    first.save(tmp_path / "trained.pt")
    spec, data, start = begin(spec, digits, tmp_path / "trained.pt", 1)
    second = train_fully(spec, data, recipe, 1, tmp_path / "second.pt", start=start, device="cpu")
    selections = [name for name in first.weights if name.endswith(".index")]
    assert len(selections) == 4  # three cells and the classifier
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in selections)
    assert not torch.equal(first.weights["stem.conv.weight"], second.weights["stem.conv.weight"])


def test_what_another_training_left_is_not_gone_on_with(digits: ImageData, tmp_path: Path) -> None:
    def stop(step: Step, _curve: object) -> None:
        raise InterruptedError

    saved = tmp_path / "saved.pt"
    with pytest.raises(InterruptedError):
        train_fully(network(), digits, SGD, 0, saved, device="cpu", listener=stop)
    assert saved.exists()
    other = dataclasses.replace(SGD, optimizer="adamw", epochs=2)
    again = train_fully(network(), digits, other, 0, saved, device="cpu")
    clean = train_fully(network(), digits, other, 0, tmp_path / "clean.pt", device="cpu")
    assert torch.equal(again.weights["classifier.weight"], clean.weights["classifier.weight"])


def test_minutes_become_epochs_once(digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "_affordable", lambda *_: 1.5)
    trained = train_fully(network(), digits, SGD, 0, tmp_path / "saved.pt", minutes=1, device="cpu")
    assert (trained.figures["steps"], trained.figures["recipe"]["epochs"]) == (33, 1.5)
    monkeypatch.setattr(full, "_affordable", lambda *_: 3.0)
    again = train_fully(network(), digits, SGD, 0, tmp_path / "saved.pt", minutes=1, device="cpu")
    assert again.figures["steps"] == 33


def test_the_time_given_decides_the_epochs(digits: ImageData) -> None:
    short, long = (full._affordable(network(), digits, SGD, minutes, "cpu", 1, True) for minutes in (0.5, 5.0))
    assert 0 < short < long


def test_test_images_are_judged_at_the_end_only(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = full.evaluate

    def spy(model: object, batches: Batches) -> float:
        seen.append(len(batches.data.holdout))
        return real(model, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(full, "evaluate", spy)
    test = dataclasses.replace(digits, holdouts=(torch.arange(100),))
    trained = train_fully(
        network(), digits, dataclasses.replace(SGD, epochs=1), 0, tmp_path / "saved.pt", device="cpu", test=lambda: test
    )
    assert seen.count(100) == 1 and seen[-1] == 100
    assert trained.figures["test_images"] == 100 and 0 <= trained.figures["test_accuracy"] <= 1


def test_mixed_precision_computes_the_network_in_bfloat16_and_the_loss_in_float32(digits: ImageData) -> None:
    seen: list[torch.dtype] = []
    model = full.build(network())

    def spy(images: torch.Tensor) -> torch.Tensor:
        logits = model(images)
        seen.append(logits.dtype)
        return logits

    images, labels = next(Batches(digits, torch.device("cpu"), "none").holdout())
    device = torch.device("cpu")
    losses = [
        criterion(spy, dataclasses.replace(SGD, precision=precision), device)(images, labels, 0)  # type: ignore[arg-type]
        for precision in ("float32", "bfloat16")
    ]
    assert seen == [torch.float32, torch.bfloat16]
    assert {loss.dtype for loss in losses} == {torch.float32}
    torch.testing.assert_close(*losses, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", [pytest.param("network", marks=pytest.mark.slow), "condensenet"])
def test_two_processes_share_a_training(name: str, tmp_path: Path) -> None:
    program = tmp_path / "shared.py"
    root = str(Path(__file__).resolve().parents[3])
    program.write_text(
        f"""
import sys, os, dataclasses
sys.path.insert(0, {root!r})
from pathlib import Path
import torch
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.full import Processes, train_fully
from mnas_moo.objectives.training.recipes import RECIPES
from tests.objectives.training.conftest import {name}
torch.distributed.init_process_group("gloo")
rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
recipe = dataclasses.replace(RECIPES["sgd"], epochs=8, averaged=0.9)
trained = train_fully({name}(), load_data("digits", 8), recipe, 0, Path({str(tmp_path)!r}, "saved.pt"), device="cpu",
                      processes=Processes(rank, processes))
trained.save(Path({str(tmp_path)!r}, f"trained-{{rank}}.pt"))
torch.distributed.destroy_process_group()
"""
    )
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", str(program)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = (TrainedNetwork.load(tmp_path / f"trained-{rank}.pt") for rank in (0, 1))
    for key in (key for key in one.weights if "running" not in key):  # statistics are those of each one's images
        assert torch.equal(one.weights[key], other.weights[key]), key
    assert one.figures["accuracy"] > 0.5 and one.figures["recipe"]["processes"] == 2


def test_what_cannot_be_is_refused(digits: ImageData, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SGD, batch_size=8)
    with pytest.raises(ValueError, match="batch_size is 8; 4 processes need 4 images each"):
        train_fully(network(), digits, recipe, 0, tmp_path / "a.pt", processes=full.Processes(0, 4))
    with pytest.raises(ValueError, match="train: epochs is 0; it must be above 0"):
        Recipe("sgd", "sgd", 0.1, 0.0, epochs=0)
