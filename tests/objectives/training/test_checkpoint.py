import numpy as np
import pytest
import torch

from mnas_moo import spaces
from mnas_moo.objectives import load_data
from mnas_moo.objectives.training import train as module
from mnas_moo.objectives.training.train import TrainSettings, train


class InterruptedTrainingError(Exception):
    pass


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", resolution=8)


@pytest.fixture(scope="module")
def network():
    return spaces.get("mnasnet", preset="digits", resolution=8, blocks=2).random(np.random.default_rng(0))


@pytest.fixture(autouse=True)
def told_of_every_step(monkeypatch):
    monkeypatch.setattr(module, "TELL_SECONDS", 0.0)


def interrupted(network, data, settings, path, at):
    def stop(step):
        if step.step == at:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        train(network, data, settings, 5, listener=stop, saved=path)


# Within the first epoch of 22 steps, at its end, at the begin of the second, and before the last step.
@pytest.mark.parametrize("at", [7, 22, 23, 49])
@pytest.mark.parametrize("augmentation", ["shift", "cutmix"])
def test_an_interrupted_training_ends_as_one_that_was_not(digits, network, tmp_path, at, augmentation):
    settings = TrainSettings(steps=50, augmentation=augmentation, device="cpu")
    whole = train(network, digits, settings, 5)
    interrupted(network, digits, settings, tmp_path / "saved.pt", at)
    steps = []
    rest = train(network, digits, settings, 5, listener=steps.append, saved=tmp_path / "saved.pt")
    assert steps[0].step == at + 1
    assert (rest.accuracy, rest.loss) == (whole.accuracy, whole.loss)


def test_a_file_of_another_training_or_a_broken_one_is_not_used(digits, network, tmp_path):
    path = tmp_path / "saved.pt"
    settings = TrainSettings(steps=30, device="cpu")
    interrupted(network, digits, settings, path, 20)
    first = []
    train(network, digits, TrainSettings(steps=25, device="cpu"), 5, listener=first.append, saved=path)
    assert first[0].step == 1
    for content in (b"", b"nonsense", path.read_bytes()[:-100]):
        path.write_bytes(content)
        first.clear()
        train(network, digits, settings, 5, listener=first.append, saved=path)
        assert first[0].step == 1


def test_what_is_read_executes_nothing(digits, network, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").write_text, ("yes",))

    path = tmp_path / "saved.pt"
    torch.save({"identity": Evil()}, path)
    train(network, digits, TrainSettings(steps=2, device="cpu"), 5, saved=path)
    assert not (tmp_path / "executed").exists()


def test_a_folder_that_cannot_be_written_costs_the_checkpoint_only(digits, network, tmp_path):
    (tmp_path / "file").write_text("")
    settings = TrainSettings(steps=10, device="cpu")
    interrupted(network, digits, settings, tmp_path / "file" / "saved.pt", 5)
