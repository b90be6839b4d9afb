from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.objectives.training.unseen import find_test, read_test


def write(folder: Path, classes: str, each: int, shade: int = 0) -> None:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            Image.fromarray(np.full((12, 12, 3), shade + i, np.uint8)).save(folder / name / f"{i}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "train", "ab", 5)
    write(tmp_path / "test", "ab", 3, shade=200)
    return tmp_path


def images(root: Path) -> ImageData:
    return load_data(str(root), 12)


def test_a_folder_beside_the_training_part_is_found_and_read_at_its_resolution(root: Path) -> None:
    data = images(root)
    opened = find_test({"folder": str(root)}, data)
    assert opened is not None
    test = read_test(opened, data)
    assert (test.images.shape, len(test.train), len(test.holdout)) == ((6, 12, 12, 3), 0, 6)
    assert test.images.min() == 200 and test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.mean is data.mean


def test_without_one_there_are_no_test_images(root: Path) -> None:
    assert find_test({"folder": str(root / "train")}, images(root)) is None
    assert find_test("digits", load_data("digits", 8)) is None


def test_a_folder_can_be_named(root: Path) -> None:
    opened = find_test("digits", images(root), root / "test")
    assert opened is not None and opened.info.images == 6


def test_other_classes_are_refused(root: Path, tmp_path: Path) -> None:
    data = images(root)
    write(root / "other", "abc", 2)
    with pytest.raises(ValueError, match=r"test: .*other has a class 'c', which the training has not"):
        find_test(str(root), data, root / "other")
    write(root / "fewer", "ac", 2)
    with pytest.raises(ValueError, match=r"test: .*fewer lacks class 'b'; its classes must be"):
        find_test(str(root), data, root / "fewer")


def test_a_broken_image_is_named(root: Path) -> None:
    data = images(root)
    (root / "test" / "b" / "1.png").write_bytes(b"no image")
    opened = find_test(str(root), data)
    assert opened is not None
    with pytest.raises(ValueError, match=r"test: 1 images cannot be read, the first: .*1\.png"):
        read_test(opened, data)
