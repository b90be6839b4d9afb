from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.objectives.training import train
from mnas_moo.objectives.training.batches import Randomness
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces import get
from mnas_moo.supernet import training
from mnas_moo.supernet.module import SharedWeights, Supernet
from mnas_moo.supernet.settings import SharedTraining
from mnas_moo.supernet.training import Judge, criterion, extremes, train_supernet

SPACE = get("mnasnet", preset="digits", blocks=3)
FBNET = get("fbnet", preset="digits", layers=[1, 2, 1, 1])
SETTINGS = SharedTraining(steps=40, batch_size=64, device="cpu", threads=1)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 16)


def weights(file: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(file, weights_only=True)["weights"])


@pytest.mark.parametrize("rule", [pytest.param("uniform", marks=pytest.mark.slow), "sandwich"])
def test_all_networks_learn(rule: str, digits: ImageData, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, steps=250 if rule == "uniform" else 60, batch_size=128, rule=rule)
    curve = train_supernet(FBNET, digits, settings, tmp_path / "a.pt")
    steps = [point.step for point in curve]
    assert steps[-1] == settings.steps and steps == sorted(set(steps))
    # A tenth by chance. The sandwich trains the ends of the space in every step, and what lies between comes later.
    ends = min(curve[-1].largest, curve[-1].smallest)
    assert (ends > 0.3) if rule == "sandwich" else (min(ends, curve[-1].random) > 0.2)
    assert json.loads((tmp_path / "a.json").read_text())["steps"] == settings.steps
    assert not (tmp_path / "a.part.pt").exists()


def test_a_training_that_is_killed_goes_on_to_the_same_weights(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_supernet(SPACE, digits, SETTINGS, tmp_path / "whole.pt", seed=3)
    monkeypatch.setattr(train, "TELL_SECONDS", 0.0)

    class KilledError(Exception):
        pass

    for at in (7, 25, 33):

        def kill(step: train.Step, curve: object, at: int = at) -> None:
            if step.step == at:
                raise KilledError

        with pytest.raises(KilledError):
            train_supernet(SPACE, digits, SETTINGS, tmp_path / "killed.pt", seed=3, listener=kill)
        assert not (tmp_path / "killed.pt").exists()
    train_supernet(SPACE, digits, SETTINGS, tmp_path / "killed.pt", seed=3)
    one, other = weights(tmp_path / "whole.pt"), weights(tmp_path / "killed.pt")
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_minutes_become_steps_once(digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "TELL_SECONDS", 0.0)
    settings = dataclasses.replace(SETTINGS, steps=None, minutes=0.01)

    class KilledError(Exception):
        pass

    def kill(step: train.Step, curve: object) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        train_supernet(SPACE, digits, settings, tmp_path / "a.pt", listener=kill)
    planned = json.loads((tmp_path / "a.json").read_text())["steps"]
    monkeypatch.setattr(training, "_affordable", lambda *_: planned + 100)
    assert train_supernet(SPACE, digits, settings, tmp_path / "a.pt")[-1].step == planned >= 1


def test_a_step_changes_nothing_of_networks_that_it_does_not_train(digits: ImageData, tmp_path: Path) -> None:
    train_supernet(SPACE, digits, dataclasses.replace(SETTINGS, steps=1), tmp_path / "a.pt", seed=1)
    trained = weights(tmp_path / "a.pt")
    fresh = Supernet(SPACE, Randomness.of(1).order)
    rngs = (np.random.default_rng((1, 0, number)) for number in range(training.PATHS))
    paths = [fresh.path(training.random_params(SPACE, rng)) for rng in rngs]
    used = {step.owner for path in paths for section in path for step in section if step.owner}
    assert 0 < len(used) < len(fresh.owners)
    for name, owner in fresh.owners.items():
        assert isinstance(owner, SharedWeights)
        same = torch.equal(owner.weight, trained[f"owners.{name}.weight"])
        assert same == (name not in used), name


def test_the_sandwich_has_the_largest_the_smallest_and_two_others(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet = Supernet(SPACE, torch.Generator().manual_seed(0))
    paths = []
    forward = supernet.forward
    monkeypatch.setattr(supernet, "forward", lambda x, path, dropout: paths.append(path) or forward(x, path, dropout))
    loss = criterion(supernet, dataclasses.replace(SETTINGS, rule="sandwich"), 0)
    images = torch.randn(32, 1, 16, 16)
    assert float(loss(images, torch.zeros(32, dtype=torch.long), 5)) > 0
    largest, smallest = (supernet.path(params) for params in extremes(SPACE)[:2])
    assert paths[:2] == [largest, smallest] and len(paths) == 4 and paths[2] != paths[3]
    counts = [SPACE.spec(params).multiply_adds for params in extremes(SPACE)]
    assert counts[0] > counts[2] > counts[1]


def test_a_network_is_judged_without_changing_the_weights(digits: ImageData) -> None:
    supernet = Supernet(SPACE, torch.Generator().manual_seed(0))
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    judge = Judge(supernet, digits)
    params = extremes(SPACE)[2]
    assert judge.accuracy(params) == judge.accuracy(params)
    assert judge.images == len(digits.holdout)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())


def test_what_does_not_fit_is_one_line(digits: ImageData, tmp_path: Path) -> None:
    def message(space: object = SPACE, data: ImageData = digits, **changes: object) -> str:
        with pytest.raises(ValueError, match=" ") as error:
            train_supernet(space, data, dataclasses.replace(SETTINGS, **changes), tmp_path / "a.pt")  # type: ignore[arg-type]
        return str(error.value)

    assert message(rule="sandwhich") == "shared: rule is 'sandwhich'; allowed: uniform, sandwich"
    assert message(get("mnasnet", preset="digits", resolution=8)) == (
        "supernet: the space takes images (1, 8, 8) (channels, height, width) of 10 classes, but the data has "
        "(1, 16, 16) of 10"
    )
    few = dataclasses.replace(digits, train=digits.train[:9])
    assert message(data=few) == "supernet: 9 images to train on are fewer than the 10 classes"
