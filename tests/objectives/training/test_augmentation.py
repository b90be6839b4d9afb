"""Each kind of augmentation does what it says, with the numbers of the generator it is given and with no others."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from mnas_moo.objectives.training import augmentation as module
from mnas_moo.objectives.training.augmentation import Plan, augmenter, crop, recolour

CPU = torch.device("cpu")
KINDS = ("none", "shift", "photo", "randaugment", "cutmix")
every_kind = pytest.mark.parametrize("kind", KINDS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photographs(n: int = 12, side: int = 16, channels: int = 3) -> Tensor:
    """(n, side, side, channels) uint8: random colours that change slowly over an image."""
    coarse = torch.rand(n, channels, 4, 4, generator=generator(1))
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (fine.permute(0, 2, 3, 1) * 255).byte()


def augmented(kind: str, store: Tensor, seed: int = 0, flip: bool = True) -> Tensor:
    """All images of one epoch."""
    used = augmenter(kind, flip, 10)
    plan = used.plan(len(store), store.shape[1], generator(seed))
    return used.images(store, torch.arange(len(store)), *used.split(plan, [len(store)], CPU))


@every_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_their_form_and_the_store_its_bytes(kind: str, channels: int) -> None:
    store = photographs(channels=channels)
    before = store.clone()
    found = augmented(kind, store)
    assert found.shape == store.shape
    assert found.dtype in (torch.uint8, torch.float32)
    assert 0 <= found.min() <= found.max() <= 255
    found[:] = 0
    assert torch.equal(store, before)


@every_kind
def test_one_seed_gives_one_epoch_and_another_seed_another(kind: str) -> None:
    epochs = [augmented(kind, photographs(), seed) for seed in (0, 0, 1)]
    assert torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[0], epochs[2]) == (kind == "none")


@every_kind
def test_an_epoch_is_the_same_in_batches_of_any_size(kind: str) -> None:
    store, used = photographs(), augmenter(kind, True, 10)
    plan = used.plan(len(store), 16, generator())
    parts = zip(torch.arange(12).split([5, 4, 3]), used.split(plan, [5, 4, 3], CPU), strict=True)
    found = torch.cat([used.images(store, index, part) for index, part in parts])
    torch.testing.assert_close(found.float(), augmented(kind, store).float(), rtol=0, atol=1e-3)


@every_kind
def test_torchs_global_generator_is_neither_read_nor_moved(kind: str) -> None:
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        images = augmented(kind, photographs()).float().permute(0, 3, 1, 2)
        mixed, _ = augmenter(kind, True, 10).mix(images, torch.arange(12) % 10, generator(3))
        found.append(mixed)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*found)


def test_a_shift_draws_offsets_then_mirrors_for_the_whole_epoch() -> None:
    store = photographs()
    drawn = generator(5)
    offsets = torch.randint(-1, 2, (2, 12, 1), generator=drawn)  # 16 pixels: by 1 at most
    mirrored = torch.rand(12, 1, generator=drawn) < 0.5
    assert mirrored.any() and not mirrored.all()
    found = augmented("shift", store, seed=5)
    for i, image in enumerate(store):
        rows, columns = ((torch.arange(16) + offset[i]).clamp(0, 15) for offset in offsets)
        turned = image.flip(1) if mirrored[i] else image
        assert torch.equal(found[i], turned[rows][:, columns])


def test_nothing_is_mirrored_where_that_changes_the_class() -> None:
    left = torch.zeros(40, 8, 8, 3, dtype=torch.uint8)
    left[:, :, :2] = 200
    for kind in ("shift", "photo", "cutmix"):
        found = augmented(kind, left, flip=False).float()
        assert (found[:, :, 0] >= found[:, :, -1]).all()
        found = augmented(kind, left).float()
        assert (found[:, :, 0] < found[:, :, -1]).any()


def test_the_whole_image_is_a_crop_that_changes_nothing() -> None:
    store = photographs(2)
    whole = torch.eye(2, 3).expand(2, 2, 3)
    torch.testing.assert_close(crop(store, whole), store.permute(0, 3, 1, 2).float(), rtol=0, atol=1e-2)


def test_a_crop_of_the_lower_right_quarter_shows_it_enlarged() -> None:
    store = torch.zeros(1, 4, 4, 1, dtype=torch.uint8)
    store[0, 2:, 2:, 0] = torch.tensor([[10, 20], [30, 40]])
    found = crop(store, torch.tensor([[[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]]))[0, 0]
    # each pixel is cut in four: a quarter of its value and three quarters of a neighbour's, or the other way round
    torch.testing.assert_close(found[1:3, 1:3], torch.tensor([[17.5, 22.5], [27.5, 32.5]]))
    assert found[3, 3] == 40


def test_crops_lie_within_the_image_and_keep_the_area_that_they_may() -> None:
    maps, _ = augmenter("photo", True, 10).plan(2000, 32, generator())
    sides = maps[:, [0, 1], [0, 1]].abs()
    assert (maps[:, :, 2].abs() + sides <= 1 + 1e-6).all()
    assert sides.prod(1).max() <= 1
    assert module.AREA * 0.75 < sides.prod(1).min() < module.AREA * 1.1  # a side that was too long is cut
    assert 0.45 < (maps[:, 0, 0] < 0).float().mean() < 0.55


def test_colours_follow_torchvision() -> None:
    kernels = pytest.importorskip("torchvision.transforms.v2.functional", reason="the reference")
    images = photographs(4).permute(0, 3, 1, 2).float()
    factors = torch.tensor([[0.8, 1.0, 1.0], [1.0, 0.7, 1.0], [1.0, 1.0, 0.6], [0.9, 0.8, 0.7]])
    found = recolour(images, factors)
    for image, (brightness, contrast, saturation), one in zip(images, factors.tolist(), found, strict=True):
        expected = kernels.adjust_brightness(image / 255, brightness)
        expected = kernels.adjust_saturation(kernels.adjust_contrast(expected, contrast), saturation)
        torch.testing.assert_close(one, expected.permute(1, 2, 0) * 255, rtol=0, atol=0.2)


def test_gray_images_have_no_saturation() -> None:
    images = photographs(2, channels=1).permute(0, 3, 1, 2).float()
    other = recolour(images, torch.tensor([[1.0, 1.0, 0.2], [1.0, 1.0, 1.9]]))
    torch.testing.assert_close(other, images.permute(0, 2, 3, 1))


def test_the_operations_of_randaugment_act_on_their_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_operations", lambda: (lambda x, s: x, lambda x, s: x // 2 + (1 if s > 0 else 0)))
    used, store = augmenter("randaugment", False, 10), torch.full((3, 4, 4, 3), 100, dtype=torch.uint8)
    plan: Plan = (torch.eye(2, 3).expand(3, 2, 3), torch.tensor([[0, 1], [3, 0], [2, 3]]))
    found = used.images(store, torch.arange(3), plan)
    assert found[:, 0, 0, 0].tolist() == [100, 51, 26]  # 100; 100 / 2 + 1; 100 / 2, then / 2 + 1


def test_most_operations_of_randaugment_change_a_photograph_and_none_destroys_it() -> None:
    image = photographs(1, side=32).permute(0, 3, 1, 2)
    changes = []
    for operation in module._operations():
        found = operation(image, module.MAGNITUDE)
        assert found.shape == image.shape
        assert found.dtype == torch.uint8
        changes.append((found.float() - image.float()).abs().mean().item())
    assert changes[0] == 0
    assert sum(change > 0.3 for change in changes) >= 10
    assert max(changes) < 100


def test_cutmix_gives_a_part_of_another_image_and_the_same_share_of_its_label() -> None:
    used = augmenter("cutmix", True, 3)
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 8, 8)
    labels = torch.tensor([0, 1, 2])
    mixed_batches = 0
    for seed in range(60):
        mixed, targets = used.mix(images, labels, generator(seed))
        if targets.ndim == 1:
            assert torch.equal(mixed, images)
            assert torch.equal(targets, labels)
            continue
        mixed_batches += 1
        shares = torch.stack([(mixed == k).float().mean((1, 2, 3)) for k in range(3)], dim=1)
        torch.testing.assert_close(targets, shares)  # every pixel has its image's number, which is its label
    assert 15 < mixed_batches < 45
    assert torch.equal(images[:, 0, 0, 0], torch.arange(3.0))


def test_only_cutmix_mixes() -> None:
    images, labels = torch.rand(4, 3, 8, 8, generator=generator()), torch.arange(4)
    for kind in set(KINDS) - {"cutmix"}:
        same, targets = augmenter(kind, True, 4).mix(images, labels, generator())
        assert same is images
        assert targets is labels


def test_torchvision_is_loaded_by_randaugment_alone() -> None:
    code = (
        "import sys, torch\n"
        "from mnas_moo.objectives.training.augmentation import augmenter\n"
        "store, index = torch.zeros(4, 8, 8, 3, dtype=torch.uint8), torch.arange(4)\n"
        "for kind in ('none', 'shift', 'photo', 'cutmix', 'randaugment'):\n"
        "    used = augmenter(kind, True, 4)\n"
        "    plan = used.plan(4, 8, torch.Generator())\n"
        "    used.images(store, index, *used.split(plan, [4], torch.device('cpu')))\n"
        "    print(kind, 'torchvision' in sys.modules)\n"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split("\n")
    assert lines[:5] == ["none False", "shift False", "photo False", "cutmix False", "randaugment True"]
