from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.trained import TrainedNetwork, figures_file
from tests.objectives.training.conftest import network


def trained(**changes: Any) -> TrainedNetwork:
    spec = network()
    weights = build(spec, torch.Generator().manual_seed(1)).state_dict()
    fields: dict[str, Any] = {
        "spec": spec,
        "weights": weights,
        "classes": tuple("0123456789"),
        "mean": (100.0,),
        "std": (50.0,),
        "figures": {"label": "trial-3", "accuracy": 0.5},
    }
    return TrainedNetwork(**{**fields, **changes})


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "trial-3.pt"
    trained().save(file)
    read = TrainedNetwork.load(file)
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(read.module()(images), trained().module()(images))
    assert (read.classes, read.mean, read.std) == (tuple("0123456789"), (100.0,), (50.0,))
    assert read.figures == {"label": "trial-3", "accuracy": 0.5}
    beside = json.loads(figures_file(file).read_text())
    assert beside["accuracy"] == 0.5 and beside["network"].startswith("in")
    assert len(list(file.parent.iterdir())) == 2


def test_what_is_no_trained_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    file.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="is no trained network, or a broken file"):
        TrainedNetwork.load(file)
    torch.save({"format": 1}, file)
    with pytest.raises(ValueError, match="is no trained network"):
        TrainedNetwork.load(file)
    with pytest.raises(OSError, match="No such file"):
        TrainedNetwork.load(tmp_path / "b.pt")
    with pytest.raises(ValueError, match="is a folder"):
        TrainedNetwork.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a", "b")}, "classes or a normalisation that do not fit"),
        ({"mean": (1.0, 2.0)}, "classes or a normalisation that do not fit"),
        ({"weights": {"stem.conv.weight": torch.zeros(3)}}, "weights that do not fit its network"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    trained(**change).save(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=message):
        TrainedNetwork.load(tmp_path / "a.pt")


def test_another_version_is_said(tmp_path: Path) -> None:
    trained().save(tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    torch.save({**state, "format": 2}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="written by another version"):
        TrainedNetwork.load(tmp_path / "a.pt")


def test_nothing_of_a_file_is_executed(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "harm").touch, ())

    torch.save({"format": 1, "weights": Harm()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="is no trained network"):
        TrainedNetwork.load(tmp_path / "a.pt")
    assert not (tmp_path / "harm").exists()
