from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torchvision

from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.data import DataInfo, ImageData
from mnas_moo.objectives.training.initial import begin
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces import network
from mnas_moo.spaces.text import to_text
from tests.objectives.training.conftest import condensenet

SIDE = 32


def images(classes: int, channels: int = 3) -> ImageData:
    pixels = torch.zeros(2 * classes, SIDE, SIDE, channels, dtype=torch.uint8)
    order = torch.arange(2 * classes)
    info = DataInfo(tuple(map(str, range(classes))), channels, SIDE, 2 * classes, flip=True)
    mean, std = torch.full((channels,), 100.0), torch.full((channels,), 50.0)
    return ImageData(pixels, order % classes, order[:classes], (order[classes:],), mean, std, info)


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.1, generator=generator)
    return module.eval()


@pytest.mark.parametrize(
    ("name", "width", "published"),
    [
        ("mnasnet-b1", 0.5, "mnasnet0_5"),
        ("mnasnet-b1", 0.75, "mnasnet0_75"),
        ("mnasnet-b1", 1.0, "mnasnet1_0"),
        ("mnasnet-b1", 1.3, "mnasnet1_3"),
        ("mobilenetv2", 1.0, "mobilenet_v2"),
    ],
)
def test_torchvisions_weights_give_torchvisions_logits(name: str, width: float, published: str, tmp_path: Path) -> None:
    theirs = randomised(getattr(torchvision.models, published)(weights=None))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    spec, data, start = begin(network(name, width=width, resolution=SIDE), images(1000), tmp_path / "theirs.pth", 0)
    ours = build(spec).eval()
    assert start.weights is not None and start.words == "torchvision (theirs.pth)"
    ours.load_state_dict(dict(start.weights))
    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    assert data.mean.tolist() == pytest.approx([123.675, 116.28, 103.53])


def test_a_classifier_for_other_classes_begins_fresh(tmp_path: Path) -> None:
    theirs = randomised(torchvision.models.mobilenet_v2(weights=None))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    wanted = network("mobilenetv2", resolution=SIDE, classes=10)
    spec, _, start = begin(wanted, images(10), tmp_path / "theirs.pth", seed=5)
    fresh = build(wanted, torch.Generator().manual_seed(5)).state_dict()
    assert start.weights is not None
    assert torch.equal(start.weights["classifier.weight"], fresh["classifier.weight"])
    assert torch.equal(start.weights["stem.conv.weight"], theirs.state_dict()["features.0.0.weight"])
    build(spec).load_state_dict(dict(start.weights))


def test_networks_of_ours_go_on_with_their_normalisation(tmp_path: Path) -> None:
    spec = network("mnasnet-small", resolution=SIDE, classes=7)
    weights = build(spec, torch.Generator().manual_seed(1)).state_dict()
    TrainedNetwork(spec, weights, tuple("abcdefg"), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), {}).save(tmp_path / "a.pt")
    taken, data, start = begin(spec, images(7), tmp_path / "a.pt", 0)
    assert taken is spec and start.weights is not None
    assert all(torch.equal(start.weights[name], weight) for name, weight in weights.items())
    assert (data.mean.tolist(), data.std.tolist()) == ([1, 2, 3], [4, 5, 6])
    gray = dataclasses.replace(images(7, channels=1))
    with pytest.raises(ValueError, match="images of other channels than the 1 of the data"):
        begin(spec, gray, tmp_path / "a.pt", 0)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.mnasnet0_5(weights=None).state_dict(), tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a.pth: .* they are not the same network"):
        begin(network("mnasnet-b1", resolution=SIDE), images(1000), tmp_path / "a.pth", 0)
    small = network("mnasnet-small", resolution=SIDE, classes=10)
    TrainedNetwork(small, build(small).state_dict(), tuple("0123456789"), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), {}).save(
        tmp_path / "b.pt"
    )
    with pytest.raises(ValueError, match="has weights of another network: it lacks"):
        begin(network("mnasnet-a1", resolution=SIDE, classes=10), images(10), tmp_path / "b.pt", 0)
    half = network("mnasnet-small", width=0.5, resolution=SIDE, classes=10)
    with pytest.raises(ValueError, match=r"network: layers.1.project.weight is \(16, 24, 1, 1\); \(8, 24, 1, 1\)"):
        begin(half, images(10), tmp_path / "b.pt", 0)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x02."])
def test_files_of_other_kinds_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ValueError, match="no weights that can be read without executing"):
        begin(network("mnasnet-small", resolution=SIDE), images(1000), tmp_path / "a.pth", 0)
    torch.save([1, 2], tmp_path / "b.pth")
    with pytest.raises(ValueError, match="holds no weights by name"):
        begin(network("mnasnet-small", resolution=SIDE), images(1000), tmp_path / "b.pth", 0)
    torch.save({"a": 1}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match="neither a network of `mnas-moo train` nor weights of torchvision"):
        begin(network("mnasnet-small", resolution=SIDE), images(1000), tmp_path / "b.pth", 0)


@pytest.mark.parametrize("index", [[99], [-1], [0.5]])
def test_a_selection_of_channels_that_are_not_there_is_refused(index: list[float], tmp_path: Path) -> None:
    spec = condensenet()
    weights = dict(build(spec).state_dict())
    name = "layers.0.1.select.index"
    weights[name] = torch.tensor(index * len(weights[name]))
    state = {"network": to_text(spec), "weights": weights, "mean": [0.0], "std": [1.0]}
    torch.save(state, tmp_path / "broken.pt")
    with pytest.raises(ValueError, match=f"broken.pt: {name} is no selection of channels: these are 0 to 15"):
        begin(spec, images(10, channels=1), tmp_path / "broken.pt", 0)
