import numpy as np
import pytest
import torch

from mnas_moo import spaces
from mnas_moo.objectives import load_data
from mnas_moo.objectives.training import speed
from mnas_moo.objectives.training.condensing import dense
from mnas_moo.objectives.training.speed import speed_of
from mnas_moo.objectives.training.train import TrainSettings
from mnas_moo.spaces.spec import NetworkSpec
from tests.objectives.training.conftest import condensenet


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "TIMED_SECONDS", 0.05)


def test_images_a_second_and_the_time_of_an_evaluation_are_measured() -> None:
    data = load_data("digits", 8)
    network = spaces.get("mnasnet", preset="digits", resolution=8, blocks=1).random(np.random.default_rng(0))
    before = torch.get_rng_state()
    found = speed_of(network, data, TrainSettings(device="cpu"), at_a_time=2)
    assert found.images_per_second > 0
    assert found.evaluation_seconds > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_the_evaluation_of_a_large_hold_out_is_estimated_from_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "EVALUATED_IMAGES", 100)
    seen = []
    real = speed.evaluate

    def evaluate(model: object, batches: object) -> float:
        seen.append(len(batches.data.holdout))  # type: ignore[attr-defined]
        return real(model, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(speed, "evaluate", evaluate)
    network = spaces.get("mnasnet", preset="digits", resolution=8, blocks=1).random(np.random.default_rng(0))
    speed_of(network, load_data("digits", 8), TrainSettings(device="cpu"), at_a_time=1)
    assert seen == [120, 120]  # every third of 359; the first time is slow and not counted


def test_a_network_that_is_condensed_is_timed_dense_and_one_with_weights_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[int] = []
    real = speed.untrained

    def untrained(spec: NetworkSpec, *rest: object) -> object:
        built.append(spec.parameters)
        return real(spec, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(speed, "untrained", untrained)
    spec, settings = condensenet(), TrainSettings(device="cpu")
    for fresh in (True, False):
        assert speed_of(spec, load_data("digits", 8), settings, at_a_time=1, fresh=fresh).images_per_second > 0
    assert built == [dense(spec).parameters, spec.parameters] and built[0] > built[1]
