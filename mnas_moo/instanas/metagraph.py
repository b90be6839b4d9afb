"""The meta-graph of InstaNAS: all modules of all cells, and the path of each image through them.

A cell's result for an image is the sum of its modules that are on for that image (Cheng et al. 2020, sec. 3.1). A
module computes only the images that use it, in training as in inference, so that what is off costs nothing; the
statistics of its norms are then those of these images. Without any module an image passes a cell as it is, and the
first cell of a stage has its pair of convolutions on.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mnas_moo.objectives.formats.torch_module import Network, build
from mnas_moo.objectives.training.train import NORM_MOMENTUM
from mnas_moo.spaces.fragment import sections
from mnas_moo.spaces.instanas import DEFAULT, NAMES, InstaNASSpace, Mask


class MetaGraph(nn.Module):
    """All networks of the space in one module.

    >>> from mnas_moo.spaces.instanas import InstaNASSpace
    >>> space = InstaNASSpace(preset="digits")
    >>> graph = MetaGraph(space, torch.Generator().manual_seed(0))
    >>> graph(torch.zeros(2, 1, 16, 16), torch.ones(2, space.cells, 5, dtype=torch.bool)).shape
    torch.Size([2, 10])

    Args:
        space: the space; it says what modules there are.
        generator: random generator of the initial weights.

    Raises:
        ValueError: the last cells see one pixel, of which a norm has no statistics.
    """

    def __init__(self, space: InstaNASSpace, generator: torch.Generator) -> None:
        super().__init__()
        self.space = space
        paths = [sections(space.only(module)) for module in range(len(NAMES))]
        height = paths[0][-1].input_shape[1]
        if height < 2:
            raise ValueError(
                f"instanas: {space.settings.resolution} pixels a side are one in the last cells, of which a norm has "
                "no statistics; give a larger resolution or fewer strides"
            )
        self.stem = build(paths[0][0], generator, norm_momentum=NORM_MOMENTUM)
        self.cells = nn.ModuleList(
            nn.ModuleList(build(path[1 + cell], generator, norm_momentum=NORM_MOMENTUM) for path in paths)
            for cell in range(space.cells)
        )
        self.rest = build(paths[0][-1], generator, norm_momentum=NORM_MOMENTUM)

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, classes) logits.

        Args:
            images: the images.
            masks: (B, L, M) booleans: which modules of which cells are on for each image.
        """
        on = filled(masks.cpu(), self.space)
        x = self.stem(images)
        for cell, modules in enumerate(self.cells):
            x = _cell(cast("nn.ModuleList", modules), x, on[:, cell])
        return cast("Tensor", self.rest(x))

    def cut(self, mask: Mask) -> Network:
        """The network of one path as a module of its own, with copies of its weights, in evaluation mode.

        Args:
            mask: (L, M).
        """
        on = filled(torch.from_numpy(mask)[None], self.space)[0]
        owned = [self.stem.state_dict()]
        owned += [
            cast("Network", cast("nn.ModuleList", self.cells[cell])[module]).state_dict()
            for cell, module in on.nonzero().tolist()
        ]
        tensors = [tensor for state in (*owned, self.rest.state_dict()) for tensor in state.values()]
        network = build(self.space.of_mask(mask))
        with torch.no_grad():
            for own, tensor in zip(network.state_dict().values(), tensors, strict=True):
                own.copy_(tensor)
        return network.eval()


def filled(masks: Tensor, space: InstaNASSpace) -> Tensor:
    """(B, L, M) the masks, with the default module of first cells of stages that have none on."""
    empty = torch.tensor(space.first_cells, device=masks.device) & ~masks.any(2)
    masks = masks.clone()
    masks[:, :, DEFAULT] |= empty
    return masks


def _cell(modules: nn.ModuleList, x: Tensor, on: Tensor) -> Tensor:
    """The sum of the modules of each image.

    Args:
        modules: the M modules.
        x: (B, C, H, W).
        on: (B, M) booleans, on the CPU.
    """
    users = on.sum(0).tolist()
    passed = ~on.any(1)
    if passed.all():
        return x
    total = x * passed.to(x)[:, None, None, None] if passed.any() else None
    for module, count, its in zip(modules, users, on.unbind(1), strict=True):
        if count == 0:
            continue
        if count == len(x):
            y = module(x)
            total = y if total is None else total + y
            continue
        index = its.nonzero().flatten().to(x.device)
        y = module(x.index_select(0, index))
        if total is None:
            total = y.new_zeros((len(x), *y.shape[1:])).contiguous(memory_format=torch.channels_last)
        total = total.index_add(0, index, y)
    assert total is not None
    return total
