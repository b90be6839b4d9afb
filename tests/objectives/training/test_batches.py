from __future__ import annotations

import pytest
import torch

from mnas_moo.objectives.training.batches import Batches, Randomness
from tests.objectives.training.conftest import images

CPU = torch.device("cpu")


def test_batches_are_normalised_and_channels_last() -> None:
    data = images(6, 4)
    ((pixels, labels),) = Batches(data, CPU).holdout()
    expected = (data.images[4:].float() - data.mean) / data.std
    assert torch.allclose(pixels, expected.permute(0, 3, 1, 2), atol=1e-5)
    assert labels.tolist() == [0, 1]
    assert pixels.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("flip", [False, True])
def test_augmented_images_are_shifted_and_mirrored_only_where_that_is_right(flip: bool) -> None:
    data = images(201, 200, flip, resolution=16)
    batches = Batches(data, CPU)
    seen = set()
    for pixels, _ in batches.training([200], Randomness.of(0)):
        back = (pixels.permute(0, 2, 3, 1) * data.std + data.mean).round().byte()
        for image in back:
            # the middle tells which image it is, how far it was shifted, and whether it is mirrored
            for mirrored in (False, True):
                for down in (-1, 0, 1):
                    for right in (-1, 0, 1):
                        source = data.images[:200].flip(2) if mirrored else data.images[:200]
                        moved = source[:, 1 + down : 15 + down, 1 + right : 15 + right]
                        if (moved == image[1:15, 1:15]).all((1, 2, 3)).any():
                            seen.add((mirrored, down, right))
    shifts = {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
    assert seen == {(mirrored, *shift) for mirrored in {False, flip} for shift in shifts}


def test_shares_of_a_batch_are_all_of_it() -> None:
    data = images(30, 22)
    whole = list(Batches(data, CPU).training([8, 8, 6], Randomness.of(3)))
    shares = [list(Batches(data, CPU, share=(rank, 2)).training([8, 8, 6], Randomness.of(3))) for rank in (0, 1)]
    for step, (pixels, labels) in enumerate(whole):
        for rank in (0, 1):
            assert torch.equal(shares[rank][step][0], pixels[rank::2])
            assert torch.equal(shares[rank][step][1], labels[rank::2])
