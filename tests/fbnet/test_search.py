from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.fbnet import search as module
from mnas_moo.fbnet.search import Epoch, search, split
from mnas_moo.fbnet.settings import FBNetSettings
from mnas_moo.fbnet.table import CandidateTable
from mnas_moo.objectives.training.batches import Randomness
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces import get

SPACE = get("fbnet", preset="digits", layers=[1, 2, 1, 1])
CHOICES = {name: tuple(each.choices) for name, each in SPACE.distributions.items()}  # type: ignore[attr-defined]
COSTS = np.array([0.4, 0.3, 0.9, 1.6, 0.5, 0.4, 1.0, 1.8, 0.1])
TABLE = CandidateTable(np.tile(COSTS, (len(CHOICES), 1)), 0.5, CHOICES)
SETTINGS = FBNetSettings(epochs=4, theta_from=1, batch_size=128, theta_learning_rate=0.1, device="cpu", threads=1)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 16)


def test_no_image_trains_both_and_none_is_held_out(digits: ImageData) -> None:
    weights, distributions = (set(part.tolist()) for part in split(digits.train, 0.8, 10, seed=0))
    assert weights and distributions and not weights & distributions
    assert weights | distributions == set(digits.train.tolist())
    assert not (weights | distributions) & set(digits.holdout.tolist())
    assert len(weights) == round(0.8 * len(digits.train))


def test_distributions_are_never_trained_on_the_images_of_the_weights(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[bytes]] = {"weights": set(), "theta": set()}
    monkeypatch.setattr(module, "Batches", lambda data, device, _: real(data, device, "none"))
    for name in ("weights", "theta"):
        step = getattr(module._Search, f"_{name}_step")

        def note(
            self: object, images: torch.Tensor, labels: torch.Tensor, name: str = name, step: object = step
        ) -> float:
            seen[name] |= {image.numpy().tobytes() for image in images}
            return step(self, images, labels)  # type: ignore[operator,no-any-return]

        monkeypatch.setattr(module._Search, f"_{name}_step", note)
    search(SPACE, digits, TABLE, SETTINGS, tmp_path / "a.pt")
    # some digits are drawn twice in the data itself
    assert len(seen["weights"] & seen["theta"]) <= len(digits.train) - len(
        {digits.images[i].numpy().tobytes() for i in digits.train.tolist()}
    )
    assert len(seen["weights"]) > 1000 and len(seen["theta"]) > 250


real = module.Batches


def test_distributions_stay_uniform_at_first_and_then_follow_the_latency(digits: ImageData, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    settings = dataclasses.replace(SETTINGS, beta=(0.01, 8.0))
    found = search(SPACE, digits, TABLE, settings, tmp_path / "a.pt", listener=lambda epoch, _: epochs.append(epoch))
    assert np.ptp(epochs[0].probabilities) == 0 and np.ptp(epochs[1].probabilities) > 0
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2, 3] and epochs[0].theta_loss is None
    careless, hurried = found.latency_ms
    assert hurried < careless and hurried < TABLE.rest_ms + COSTS.mean() * len(CHOICES)
    probabilities = np.array(found.probabilities)
    assert probabilities.shape == (2, len(CHOICES), 9) and np.allclose(probabilities.sum(2), 1)
    expected = TABLE.rest_ms + (probabilities * TABLE.ms).sum((1, 2))
    assert found.latency_ms == pytest.approx(expected.tolist())


@pytest.mark.parametrize("conditioned", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_goes_on_to_the_same_result(
    conditioned: bool, digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(SETTINGS, beta=(0.2, 2.0), conditioned=conditioned, epochs=3)
    whole = search(SPACE, digits, TABLE, settings, tmp_path / "whole.pt", seed=1)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)

    class KilledError(Exception):
        pass

    for kills in (3, 9, 6):
        left = [kills]
        save = module._Search._save

        def kill(self: module._Search, left: list[int] = left, save: object = save) -> None:
            save(self)  # type: ignore[operator]
            left[0] -= 1
            if left[0] == 0:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(module._Search, "_save", kill)
            with pytest.raises(KilledError):
                search(SPACE, digits, TABLE, settings, tmp_path / "killed.pt", seed=1)
    resumed = search(SPACE, digits, TABLE, settings, tmp_path / "killed.pt", seed=1)
    assert dataclasses.replace(resumed, seconds=0) == dataclasses.replace(whole, seconds=0)
    one, other = (torch.load(tmp_path / name, weights_only=True)["supernet"] for name in ("whole.pt", "killed.pt"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    epochs = json.loads((tmp_path / "killed.json").read_text())["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2]


def test_distributions_take_turns_although_an_epoch_has_one_step_of_theirs(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(SETTINGS, beta=(0.1, 1.0, 9.0))
    one = module._Search(SPACE, digits, TABLE, settings, tmp_path / "a.pt", 0)
    one.steps = [4, 1]
    turns: dict[int, list[int]] = {0: [], 1: []}
    for one.epoch in range(1, 7):
        for one.step in range(5):
            part = int(one.step == 4)
            turns[part].append(one._turn(part))
    assert turns[1] == [0, 1, 2] * 2
    assert [turns[0].count(point) for point in range(3)] == [8, 8, 8]


def test_targets_raise_and_lower_their_exponents(digits: ImageData, tmp_path: Path) -> None:
    uniform = TABLE.rest_ms + COSTS.mean() * len(CHOICES)
    settings = dataclasses.replace(SETTINGS, targets_ms=(0.5 * uniform, 2 * uniform))
    found = search(SPACE, digits, TABLE, settings, tmp_path / "a.pt")
    tight, loose = found.beta
    assert tight > settings.beta[0] > loose


def test_the_step_of_the_distributions_has_the_gradient_of_the_paper_s_loss(digits: ImageData, tmp_path: Path) -> None:
    """In shares of the images with statistics of their own, but as one loss: CE * alpha * (log LAT)^beta."""
    one = module._Search(SPACE, digits, TABLE, SETTINGS, tmp_path / "a.pt", 0)
    images, labels = next(one.parts[1].training(one.sizes[1], Randomness.of(0)))
    weights = module.relaxed_sample(one.distributions.logits(0, 0.6), 5.0, one._generator(0))
    cross_entropy = sum(loss() for loss in one._cross_entropies(images, labels, weights))
    loss = module.loss_of(cross_entropy, module.latency_of(weights, one.ms, TABLE.rest_ms), 0.2, 0.6)  # type: ignore[arg-type]
    (expected,) = torch.autograd.grad(loss, one.distributions.theta)  # type: ignore[arg-type]
    value = one._theta_step(images, labels)
    assert value == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(one.distributions.theta.grad, expected, rtol=1e-4, atol=1e-7)
    assert all(parameter.grad is None for parameter in one.supernet.parameters())


@pytest.mark.slow
def test_skips_do_not_take_over_where_latency_matters_little(digits: ImageData, tmp_path: Path) -> None:
    """The fault of reimplementations at small images: all layers that may be left out are, whatever it costs."""
    settings = dataclasses.replace(SETTINGS, beta=(0.001,), epochs=12, theta_from=4)
    found = search(SPACE, digits, TABLE, settings, tmp_path / "a.pt")
    likely = [int(np.argmax(layer)) for layer in found.probabilities[0]]
    assert sum(COSTS[i] == COSTS.min() for i in likely) <= len(likely) // 2


def test_too_few_images_are_one_line(digits: ImageData, tmp_path: Path) -> None:
    few = dataclasses.replace(digits, train=digits.train[:30])
    with pytest.raises(ValueError, match="fbnet: 6 images would train the distributions of 10 classes; give more"):
        search(SPACE, few, TABLE, SETTINGS, tmp_path / "a.pt")
