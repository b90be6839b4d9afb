from __future__ import annotations

import pytest
import torch

from mnas_moo.instanas.metagraph import MetaGraph, filled
from mnas_moo.spaces.instanas import DEFAULT, InstaNASSpace

SPACE = InstaNASSpace(preset="digits")


def graph() -> MetaGraph:
    """A graph whose norms have statistics of images, so that nothing explodes in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    made = MetaGraph(SPACE, generator)
    with torch.no_grad():
        for _ in range(30):
            made(
                torch.randn(32, 1, 16, 16, generator=generator),
                torch.rand(32, SPACE.cells, 5, generator=generator) < 0.5,
            )
    return made.eval()


def masks_of(count: int, share: float = 0.3) -> torch.Tensor:
    masks = torch.rand(count, SPACE.cells, 5, generator=torch.Generator().manual_seed(1)) < share
    masks[0], masks[1] = False, True
    return masks


def test_each_image_of_a_batch_takes_the_network_of_its_path() -> None:
    made, masks = graph(), masks_of(6)
    images = torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = made(images, masks)
        for i in range(6):
            alone = made.cut(masks[i].numpy())(images[i : i + 1])
            torch.testing.assert_close(found[i : i + 1], alone, rtol=1e-5, atol=1e-5)


def test_first_cells_without_modules_have_the_default_one() -> None:
    on = filled(torch.zeros(2, SPACE.cells, 5, dtype=torch.bool), SPACE)
    assert on[:, :, DEFAULT].tolist() == [list(SPACE.first_cells)] * 2
    assert on.sum() == 2 * len(SPACE.settings.layers)
    full = torch.ones(1, SPACE.cells, 5, dtype=torch.bool)
    full[0, 0, DEFAULT] = False
    assert filled(full, SPACE).equal(full)


def test_what_is_off_has_no_gradient_and_learns_no_statistics() -> None:
    made = MetaGraph(SPACE, torch.Generator().manual_seed(0))
    masks = torch.zeros(4, SPACE.cells, 5, dtype=torch.bool)
    masks[:, 0, 2] = True
    before = {name: tensor.clone() for name, tensor in made.cells[0][1].state_dict().items()}  # type: ignore[index]
    made(torch.randn(4, 1, 16, 16), masks).sum().backward()
    used = {m for m in range(5) if any(p.grad is not None for p in made.cells[0][m].parameters())}  # type: ignore[index]
    assert used == {2}
    assert all(torch.equal(t, before[name]) for name, t in made.cells[0][1].state_dict().items())  # type: ignore[index]


def test_one_pixel_in_the_last_cells_is_one_line() -> None:
    with pytest.raises(ValueError, match="8 pixels a side are one in the last cells"):
        MetaGraph(InstaNASSpace(preset="digits", resolution=8, strides=[2, 2, 2, 1]), torch.Generator())
