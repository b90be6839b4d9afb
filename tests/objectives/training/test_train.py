from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Iterator

import pytest
import torch

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training import batches
from mnas_moo.objectives.training.batches import Batches, Randomness
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.objectives.training.train import TrainSettings, evaluate, find_device, fit, schedule, train
from tests.objectives.training.conftest import images, network

CPU = torch.device("cpu")
SETTINGS = TrainSettings(epochs=2, device="cpu")


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 8)


def test_digits_are_learnt_in_a_few_epochs(digits: ImageData) -> None:
    result = train(network(), digits, TrainSettings(epochs=8, batch_size=32, device="cpu"), seed=0)
    assert result.accuracy > 0.85
    assert result.loss < 1.2
    assert result.images_per_second > 0
    assert result.device == "cpu"


def test_one_seed_gives_one_result_and_another_seed_another(digits: ImageData) -> None:
    losses = [train(network(), digits, SETTINGS, seed).loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_torch_is_as_it_was_before_a_training(digits: ImageData) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    train(network(), digits, dataclasses.replace(SETTINGS, epochs=1), seed=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()) == before[1:]


def test_global_generator_does_not_change_the_result(digits: ImageData) -> None:
    losses = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        losses.append(train(network(), digits, dataclasses.replace(SETTINGS, epochs=1), seed=0).loss)
    assert losses[0] == losses[1]


def test_two_trainings_in_threads_give_the_results_of_one_after_the_other(digits: ImageData) -> None:
    alone = [train(network(), digits, SETTINGS, seed).loss for seed in (0, 1)]
    together = [0.0, 0.0]

    def run(seed: int) -> None:
        together[seed] = train(network(), digits, SETTINGS, seed).loss

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = [schedule(i / 100) for i in range(101)]
    assert (rates[0], max(rates), rates[-1]) == (0, 1, pytest.approx(0))
    peak = rates.index(1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize("n", [2, 3, 5, 9, 65, 130])
def test_an_epoch_takes_every_training_image_once_and_no_tiny_batch(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[int]] = []
    data = dataclasses.replace(images(n + 1, n), labels=torch.arange(n + 1))

    class Spy(Batches):
        def training(
            self, sizes: list[int], random: Randomness, step: int = 0
        ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for pixels, labels in super().training(sizes, random, step):
                taken.append(labels.tolist())
                yield pixels, labels % 2

    model = build(network(channels=3, classes=2))
    fit(model, Spy(data, CPU), TrainSettings(epochs=1, batch_size=4, device="cpu"), Randomness.of(0))
    sizes = [len(batch) for batch in taken]
    assert sorted(itertools.chain.from_iterable(taken)) == list(range(n))
    assert set(sizes[:-1]) <= {4}
    assert 2 <= sizes[-1] <= 5


def test_evaluation_counts_all_of_the_hold_out_in_evaluation_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "EVALUATION_BATCH", 3)
    data = images(12, 4)
    model = build(network(channels=3, classes=2))
    statistics = model.stem.conv.running_mean.clone()  # type: ignore[union-attr,operator]
    with torch.no_grad():
        model.classifier.weight.zero_()  # type: ignore[union-attr,operator]
        model.classifier.bias.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[union-attr,operator]
    data = dataclasses.replace(data, labels=torch.tensor([0] * 4 + [1] * 5 + [0] * 3))
    assert evaluate(model, Batches(data, CPU)) == 5 / 8
    assert torch.equal(statistics, model.stem.conv.running_mean)  # type: ignore[union-attr,arg-type]


def test_images_too_many_for_the_device_give_the_same_result(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = train(network(), digits, SETTINGS, seed=0).loss
    monkeypatch.setattr(batches, "RESIDENT_BYTES", 0)
    assert train(network(), digits, SETTINGS, seed=0).loss == loss


def test_a_loss_that_is_no_number_is_an_error_that_names_the_learning_rate(digits: ImageData) -> None:
    with pytest.raises(
        ValueError, match=r"the loss became (nan|inf) by step 22 of 44; try a learning_rate below 1e\+30"
    ):
        train(network(), digits, dataclasses.replace(SETTINGS, learning_rate=1e30), seed=0)


def test_a_network_for_other_images_is_refused(digits: ImageData) -> None:
    with pytest.raises(
        ValueError, match=r"takes images \(3, 8, 8\) .* of 10 classes, but the data has \(1, 8, 8\) of 10"
    ):
        train(network(channels=3), digits, SETTINGS, seed=0)
    with pytest.raises(ValueError, match="of 9 classes"):
        train(network(classes=9), digits, SETTINGS, seed=0)


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "", "cuda:-1"])
def test_a_device_that_is_not_there_lists_those_that_are(name: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' is not there; allowed here: auto, cpu"):
        TrainSettings(device=name)


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (find_device("auto"), find_device("cuda:1")) == (torch.device("cuda:0"), torch.device("cuda:1"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("auto") == torch.device("mps")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("batch_size", 3),
        ("threads", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("label_smoothing", 1.0),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"train: {setting} is {value}; it must be"):
        TrainSettings(**{setting: value})  # type: ignore[arg-type]
