from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnas_moo.objectives.training.image_folder import ImageFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (20, 10), (50 * i, 100, 200)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_images_are_squares_with_the_labels_of_their_folders(folder: Path) -> None:
    pixels, labels, broken = ImageFolder(folder).read(8, None)
    assert pixels.shape == (6, 8, 8, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert pixels[:, 0, 0, 0].tolist() == [0, 50, 100] * 2
    assert broken == {}


def test_a_broken_image_is_black_and_told_by_its_place(folder: Path) -> None:
    (folder / "b" / "1.png").write_bytes(b"\x89PNG no more")
    pixels, _, broken = ImageFolder(folder).read(8, None)
    assert list(broken) == [4]
    assert "b/1.png cannot be read as an image" in broken[4]
    assert not pixels[4].any()
    assert np.delete(pixels, 4, axis=0).reshape(5, -1).any(axis=1).all()
