from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.instanas import search as module
from mnas_moo.instanas.course import Epoch
from mnas_moo.instanas.search import load, search
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces.instanas import InstaNASSpace

SPACE = InstaNASSpace(preset="digits", layers=[1, 1, 2, 1], width=0.25, head=32)
TABLE = ModuleTable(np.tile([1.0, 0.5, 1.2, 0.7, 0.9], (SPACE.cells, 1)), 0.5, 0.25, SPACE)
SETTINGS = InstaNASSettings(
    points=2,
    controller_width=0.25,
    pretrain_epochs=2,
    pretrain_batch_size=256,
    search_epochs=2,
    batch_size=256,
    controller_learning_rate=0.01,
    finetune_epochs=2,
    upper_last=1.2,
    lower=0.2,
    device="cpu",
)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 16)


def test_three_phases_give_points_that_can_be_run(digits: ImageData, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    file = tmp_path / "a.pt"
    found = search(SPACE, digits, TABLE, SETTINGS, file, listener=lambda epoch, _: epochs.append(epoch))
    phases = [epoch.phase for epoch in epochs]
    assert phases[:4] == ["pretrain"] * 2 + ["search"] * 2 and set(phases[4:]) == {"finetune"}
    assert 1 <= len(found.points) <= 2
    assert [epoch.accuracy is None for epoch in epochs[4:]] == [True, False] * len(found.points)
    first, last = epochs[2], epochs[3]
    assert first.band_ms == pytest.approx((0.2 * 3.6, 0.7 * TABLE.most_ms)) and last.band_ms is not None
    assert last.band_ms == pytest.approx((0.2 * 3.6, 1.2 * TABLE.mobilenet_ms))
    assert first.reward is not None and first.advantage is not None and 0 < (first.on or 0) < 1
    held = json.loads(file.with_suffix(".json").read_text())
    assert [point["epoch"] for point in held["points"]] == [point.epoch for point in found.points]
    assert len(held["ways"][0]["use"]) == 10 and len(held["ways"][0]["images"]) == 32
    runner = load(tmp_path / found.points[0].file, SPACE)
    judged = module.evaluate(runner, module.Batches(digits, torch.device("cpu"), "none"), TABLE)
    assert (judged.accuracy, judged.latency_ms) == pytest.approx((found.points[0].accuracy, found.points[0].latency_ms))
    again = search(SPACE, digits, TABLE, SETTINGS, file)
    assert again == found


def test_a_search_that_is_killed_goes_on_to_the_same_weights(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(SPACE, digits, TABLE, SETTINGS, tmp_path / "whole.pt", seed=1)
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.0)

    class KilledError(Exception):
        pass

    for kills in (3, 9, 12, 12, 8):
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
                search(SPACE, digits, TABLE, SETTINGS, tmp_path / "killed.pt", seed=1)
    resumed = search(SPACE, digits, TABLE, SETTINGS, tmp_path / "killed.pt", seed=1)

    def renamed(points: list[module.Point]) -> list[module.Point]:
        return [dataclasses.replace(point, file=point.file.partition("-")[2]) for point in points]

    assert renamed(resumed.points) == renamed(whole.points)
    for name in ("graph", "controller"):
        one, other = (torch.load(tmp_path / f, weights_only=True)[name] for f in ("whole.pt", "killed.pt"))
        assert all(torch.equal(one[key], other[key]) for key in one)
    one, other = (
        torch.load(tmp_path / f"{f}-{whole.points[0].epoch}-tuned.pt", weights_only=True)["graph"]
        for f in ("whole", "killed")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_minutes_shorten_epochs(digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Search, "_affordable", lambda self, seconds: 0.2 if seconds == 30 else 1.0)
    seen = []
    real = module.Learner.pretrain
    monkeypatch.setattr(module.Learner, "pretrain", lambda self, *step: seen.append(1) or real(self, *step))
    settings = dataclasses.replace(SETTINGS, minutes=0.5, search_epochs=1, finetune_epochs=0)
    search(SPACE, digits, TABLE, settings, tmp_path / "a.pt")
    assert len(seen) == 2 * max(1, round(0.2 * len(digits.train) / 256))


def test_the_affordable_share_is_of_the_time_that_steps_take(digits: ImageData, tmp_path: Path) -> None:
    one = module._Search(SPACE, digits, TABLE, SETTINGS, tmp_path / "a.pt", 0)
    before = {name: tensor.clone() for name, tensor in one.learner.graph.state_dict().items()}
    assert one._affordable(1e6) == 1.0 and 0 < one._affordable(0.1) < 1.0
    assert all(torch.equal(tensor, before[name]) for name, tensor in one.learner.graph.state_dict().items())


def test_what_cannot_be_searched_is_one_line(digits: ImageData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the band of latencies is from"):
        search(SPACE, digits, TABLE, dataclasses.replace(SETTINGS, upper_last=0.1), tmp_path / "a.pt")
    with pytest.raises(ValueError, match="the space"):
        search(InstaNASSpace(preset="cifar"), digits, TABLE, SETTINGS, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"the loss became .* try smaller learning rates"):
        search(SPACE, digits, TABLE, dataclasses.replace(SETTINGS, pretrain_learning_rate=1e30), tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"b\.pt: is no checkpoint of InstaNAS in this space"):
        load(tmp_path / "b.pt", SPACE)
