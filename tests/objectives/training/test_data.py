from __future__ import annotations

import pickle
import shutil
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mnas_moo.objectives.training import data, image_folder
from mnas_moo.objectives.training.data import describe, load_data, split


def write(path: Path, colour: tuple[int, ...] | int = (200, 100, 50), size: tuple[int, int] = (12, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five red cats and three blue dogs, as JPEG and PNG, with what else lies about in folders."""
    images = tmp_path / "images"
    for i in range(5):
        write(images / "cat" / f"{i}.jpg", (250, 10, 10))
    for i in range(3):
        write(images / "dog" / f"{i}.PNG", (10, 10, 250))
    (images / ".git").mkdir()
    (images / "README.txt").write_text("two classes")
    (images / "cat" / "notes.txt").write_text("red")
    (images / "dog" / ".DS_Store").write_bytes(b"")
    return images


def test_digits_are_one_channel_of_1797_images_scaled_to_the_resolution() -> None:
    digits = load_data("digits", 16)
    assert digits.images.shape == (1797, 16, 16, 1)
    assert digits.images.dtype == torch.uint8
    assert (len(digits.train), len(digits.holdout)) == (1438, 359)
    assert digits.info == describe("digits")
    assert not digits.info.flip


def test_digits_at_their_own_resolution_are_not_changed() -> None:
    assert set(load_data("digits", 8).images.unique().tolist()) == {round(shade * 255 / 16) for shade in range(17)}


def test_folder_is_described_without_what_is_no_image(folder: Path) -> None:
    assert describe(folder) == data.DataInfo(("cat", "dog"), channels=3, resolution=12, images=8, flip=True, ignored=2)


@pytest.mark.parametrize("resolution", [8, 12, 20])
def test_folder_images_have_their_colours_and_labels(folder: Path, resolution: int) -> None:
    images = load_data({"folder": folder}, resolution)
    assert images.images.shape == (8, resolution, resolution, 3)
    assert images.labels.tolist() == [0] * 5 + [1] * 3
    colours = images.images.float().mean((1, 2))
    assert torch.allclose(colours[:5], torch.tensor([250.0, 10.0, 10.0]), atol=4)
    assert torch.equal(colours[5:], torch.tensor([[10.0, 10.0, 250.0]] * 3))


def test_the_middle_of_an_oblong_image_is_kept(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(2):
            path = write(tmp_path / name / f"{i}.png", 0, size=(32, 16))
            picture = Image.open(path)
            picture.paste(255, (8, 0, 24, 16))
            picture.save(path)
    assert load_data(tmp_path, 16).images.min() == 255


def test_gray_folders_have_one_channel_and_a_colour_image_makes_three(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(2):
            write(tmp_path / name / f"{i}.png", 77)
    assert describe(tmp_path).channels == 1
    assert torch.equal(load_data(tmp_path, 12).images, torch.full((4, 12, 12, 1), 77, dtype=torch.uint8))
    write(tmp_path / "b" / "0.png", (1, 2, 3))
    assert describe(tmp_path).channels == 3


def test_sixteen_bit_images_keep_their_shades(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(2):
            path = tmp_path / name / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.full((12, 12), 100 * 256, np.uint16)).save(path)
    assert load_data(tmp_path, 12).images.unique().tolist() == [100]


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            picture = Image.new("L", (12, 12), 0)
            picture.paste(255, (0, 0, 12, 6))
            exif = Image.Exif()
            exif[0x0112] = 3  # orientation: upside down
            picture.save(tmp_path / name / f"{i}.png", exif=exif)
    upright = load_data(tmp_path, 12).images[0, :, :, 0]
    assert upright[:6].max() == 0
    assert upright[6:].min() == 255


def test_a_folder_of_parts_is_read_from_train(folder: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    folder.rename(parts / "train")
    write(parts / "test" / "cat" / "0.jpg")
    assert describe(parts).images == 8


def test_train_beside_other_classes_is_a_class(folder: Path) -> None:
    for i in range(2):
        write(folder / "train" / f"{i}.jpg")
    assert describe(folder).classes == ("cat", "dog", "train")


def test_imagenet_is_read_from_train_never_from_val(tmp_path: Path) -> None:
    for part, name in (("train", "n01440764"), ("train", "n01443537"), ("val", "n01440764")):
        for i in range(2):
            write(tmp_path / part / name / f"{i}.JPEG")
    assert describe({"imagenet": tmp_path}).classes == ("n01440764", "n01443537")
    assert describe({"imagenet": tmp_path}).images == 4


def test_cifar10_is_read_by_torchvisions_loader_which_checks_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    base = tmp_path / CIFAR10.base_folder
    base.mkdir()
    pixels = np.arange(20 * 3072, dtype=np.uint64).astype(np.uint8).reshape(20, 3072)
    files = {
        "data_batch_1": {"data": pixels, "labels": [i % 10 for i in range(20)]},
        "test_batch": {"data": 255 - pixels, "labels": [0] * 20},
        "batches.meta": {"label_names": list(data.CIFAR10_CLASSES)},
    }
    for name, content in files.items():
        (base / name).write_bytes(pickle.dumps(content))
    sums = {name: md5((base / name).read_bytes(), usedforsecurity=False).hexdigest() for name in files}
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    images = load_data({"cifar10": tmp_path}, 32)
    assert np.array_equal(images.images.numpy(), pixels.reshape(20, 3, 32, 32).transpose(0, 2, 3, 1))
    assert images.labels.tolist() == [i % 10 for i in range(20)]
    assert load_data({"cifar10": tmp_path}, 16).images.shape == (20, 16, 16, 3)

    (base / "data_batch_1").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"cifar-10-batches-py are not those of CIFAR-10 .*checksum"):
        load_data({"cifar10": tmp_path}, 32)


def test_split_is_stratified_disjoint_seeded_and_complete() -> None:
    labels = np.repeat(np.arange(3), [100, 10, 2])
    train, folds = split(labels, 0.2, seed=1)
    assert len(folds) == 2  # the class of two images has no more to hold out
    for held in folds:
        assert np.bincount(labels[held]).tolist() == [20, 2, 1]
    assert not set(folds[0]) & set(folds[1])
    assert sorted([*train, *folds[0]]) == list(range(112))
    assert np.array_equal(split(labels, 0.2, seed=1)[1], folds)
    assert not np.array_equal(split(labels, 0.2, seed=2)[1], folds)


def test_a_fold_holds_out_its_part_and_trains_on_the_rest() -> None:
    digits = load_data("digits", 8)
    assert len(digits.holdouts) == 5
    for number, held in enumerate(digits.holdouts):
        fold = digits.fold(number)
        assert torch.equal(fold.holdout, held)
        assert sorted([*fold.train.tolist(), *held.tolist()]) == list(range(1797))


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_every_class_keeps_an_image_in_each_part(share: float) -> None:
    labels = np.repeat(np.arange(3), [5, 3, 2])
    train, folds = split(labels, share, seed=0)
    for part in (train, *folds):
        assert set(labels[part]) == {0, 1, 2}


def test_statistics_are_those_of_the_training_part() -> None:
    digits = load_data("digits", 8)
    pixels = digits.images[digits.train].double() * 1.0
    assert torch.allclose(digits.mean, pixels.mean().float())
    assert torch.allclose(digits.std, pixels.std(correction=0).float())


def test_cache_is_written_once_and_mapped_afterwards(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_data(folder, 10)
    cached = load_data(folder, 10, cache=tmp_path / "cache")
    assert torch.equal(plain.images, cached.images)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npy"]
    monkeypatch.setattr(image_folder, "_decode", None)
    assert torch.equal(load_data(folder, 10, cache=tmp_path / "cache").images, plain.images)


def test_cache_follows_the_files_and_the_resolution(folder: Path, tmp_path: Path) -> None:
    load_data(folder, 10, cache=tmp_path / "cache")
    assert load_data(folder, 9, cache=tmp_path / "cache").images.shape[1] == 9
    write(folder / "dog" / "0.PNG", (0, 250, 0), size=(13, 13))
    assert load_data(folder, 10, cache=tmp_path / "cache").images[5, 0, 0].tolist() == [0, 250, 0]


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_cache_is_written_again(folder: Path, tmp_path: Path, damage: bytes | None) -> None:
    plain = load_data(folder, 10, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    before = file.read_bytes()
    file.unlink()
    file.write_bytes(before[:-100] if damage is None else damage)
    assert torch.equal(load_data(folder, 10, cache=tmp_path / "cache").images, plain.images)


def test_cache_is_never_unpickled(folder: Path, tmp_path: Path) -> None:
    load_data(folder, 10, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert load_data(folder, 10, cache=tmp_path / "cache").images.dtype == torch.uint8


def test_an_image_that_was_replaced_is_decoded_again(folder: Path, tmp_path: Path) -> None:
    file = folder / "cat" / "4.jpg"
    whole = file.read_bytes()
    file.write_bytes(b"\xff\xd8 no image")
    with pytest.raises(ValueError, match=r"4\.jpg"):
        load_data(folder, 10, cache=tmp_path / "cache")
    file.write_bytes(whole)
    assert torch.equal(load_data(folder, 10, cache=tmp_path / "cache").images, load_data(folder, 10).images)


def test_cache_without_room_says_so(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(ValueError, match=r"do not fit into .*cache"):
        load_data(folder, 10, cache=tmp_path / "cache")


def test_truncated_image_is_named(folder: Path) -> None:
    file = folder / "cat" / "3.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"3\.jpg cannot be read as an image .*; replace or remove it"):
        load_data(folder, 10)


def test_an_unreadable_first_image_is_passed_over_by_describe_unless_all_are(folder: Path) -> None:
    whole = describe(folder)
    (folder / "cat" / "0.jpg").write_bytes(b"")
    assert describe(folder) == whole
    for file in (folder / "cat").iterdir():
        file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"0\.jpg cannot be read as an image"):
        describe(folder)


@pytest.mark.parametrize("cached", [False, True])
def test_all_broken_images_are_named_at_once_or_left_out(folder: Path, tmp_path: Path, cached: bool) -> None:
    cache = tmp_path / "cache" if cached else None
    whole = load_data(folder, 10)
    names = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    broken = [folder / "cat" / "0.jpg", folder / "dog" / "2.PNG"]
    for file in broken:
        file.write_bytes(file.read_bytes()[:40])
    for _ in range(2):  # the second time from the cache, where there is one
        with pytest.raises(ValueError, match="2 images are broken; replace or remove them, or go on without") as told:
            load_data(folder, 10, cache=cache)
        assert "\n" not in str(told.value)
        for file in broken:
            assert str(file) in str(told.value)
        data = load_data(folder, 10, cache=cache, skip_broken=True)
        assert sum(data.skipped) == 2
        assert data.skipped[:2] == (1, 1)
        assert len(data.train) + len(data.holdout) == len(whole.train) + len(whole.holdout) - 2
        used = {*data.train.tolist(), *(i for held in data.holdouts for i in held.tolist())}
        assert all(data.images[i].any() for i in used)
        assert (
            data.skipped_words
            == f"2 images that cannot be read are left out: 1 of {names[0].name}, 1 of {names[1].name}"
        )


def test_a_class_of_which_too_few_are_left_is_refused(folder: Path) -> None:
    files = sorted((folder / "cat").iterdir())
    for file in files[1:]:
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="of class cat, 1 images can be read; at least 2 are needed"):
        load_data(folder, 10, skip_broken=True)


def test_a_damaged_list_of_broken_images_is_refused(folder: Path, tmp_path: Path) -> None:
    file = next(iter(sorted((folder / "cat").iterdir())))
    file.write_bytes(b"")
    load_data(folder, 10, cache=tmp_path, skip_broken=True)
    (kept,) = tmp_path.glob("*.broken.json")
    for content in ("[[0]]", "7", '[[1000000, "x"]]', "{"):
        kept.write_text(content)
        with pytest.raises(ValueError, match="remove it and"):
            load_data(folder, 10, cache=tmp_path, skip_broken=True)


def test_few_images_of_a_class_are_said(tmp_path: Path) -> None:
    for name, count in (("many", 40), ("few", 10)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (16, 16), (i, i, i)).save(tmp_path / name / f"{i}.png")
    assert load_data(tmp_path, 16).words.startswith(
        "50 images of 2 classes, from 10 (few) to 40 (many): accuracy counts"
    )
    shutil.rmtree(tmp_path / "few")
    shutil.copytree(tmp_path / "many", tmp_path / "few")
    assert load_data(tmp_path, 16).words == "80 images of 2 classes"


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data: .*/nowhere is no folder; allowed: digits, a folder"):
        describe(str(tmp_path / "nowhere"))


def test_empty_folder_has_no_subfolders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"data: {tmp_path} holds no subfolders"):
        describe(tmp_path)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "0.jpg")
    with pytest.raises(ValueError, match="holds only one subfolder, 'cat'"):
        describe(tmp_path)


@pytest.mark.parametrize("images", [0, 1])
def test_a_class_needs_two_images(folder: Path, images: int) -> None:
    (folder / "bird").mkdir()
    for i in range(images):
        write(folder / "bird" / f"{i}.jpg")
    with pytest.raises(ValueError, match=f"bird holds {images} images; at least 2"):
        describe(folder)


def test_imagenet_without_train_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no folder {tmp_path / 'train'}"):
        describe({"imagenet": tmp_path})


def test_cifar10_that_is_not_there_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cifar-10-batches-py; fetch it with"):
        describe({"cifar10": tmp_path})


def test_unknown_source_lists_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"\{'mnist': 'x'\} is no source; allowed: digits, a folder"):
        describe({"mnist": "x"})


def test_resolution_below_eight_is_refused() -> None:
    with pytest.raises(ValueError, match="resolution is 7; it must be at least 8"):
        load_data("digits", 7)


@pytest.mark.parametrize("share", [0, 1, float("nan")])
def test_hold_out_must_be_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="holdout is"):
        load_data("digits", 8, holdout=share)
