"""All candidates of every layer at once, weighted: FBNet's supernet (Wu et al. 2019, sec. 3.1 and 3.2, eq. 6).

x_{l+1} = sum_i m_{l,i} b_{l,i}(x_l). The weight m of a candidate is multiplied into its last norm's scale and offset,
and those of all identities are summed before they multiply the input: the same sum, without a pass over the results of
each of the nine candidates.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mnas_moo.spaces.space import Space
from mnas_moo.supernet.module import Section, Supernet, ends_with_identity


class Mixture(nn.Module):
    """A supernet of a space whose parameters each choose the candidate of one place, all candidates at once.

    Args:
        supernet: the shared weights.

    Attributes:
        choices: the names of the candidates of each parameter, in the order of decision.
        candidates: the candidates themselves; None: the identity, which computes nothing.
        first: what comes before the layers.
        last: what comes after them.

    Raises:
        ValueError: a parameter of the space does not choose one layer's candidate.
    """

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        self.supernet = supernet
        space: Space = supernet.space
        self.choices = {name: tuple(each.choices) for name, each in space.distributions.items()}  # type: ignore[attr-defined]
        lists = list(self.choices.values())
        if any(each != lists[0] for each in lists):
            raise ValueError(f"space {space.name}: its parameters do not choose among the same candidates of a layer")
        self.candidates: dict[str, list[Section | None]] = {name: [] for name in self.choices}
        for choice in lists[0]:  # a candidate's layer does not depend on those of other places
            params = dict.fromkeys(self.choices, choice)
            sections = dict(zip(supernet.space.places(params), supernet.path(params)[1:-1], strict=True))
            for name, candidates in self.candidates.items():
                candidates.append(sections.get(name))
            self.first, self.last = (supernet.path(params)[end] for end in (0, -1))

    def forward(self, x: Tensor, masks: Mapping[str, Tensor], dropout: torch.Generator | None = None) -> Tensor:
        """(B, C, H, W) images to (B, classes) logits, by the statistics of this batch.

        Args:
            x: images.
            dropout: see ``Supernet.forward``.
            masks: for each parameter the weights of its candidates, (choices,), from 0 on; those of 0 are not computed.
        """
        x = self.supernet.run(self.first, x)
        for name, candidates in self.candidates.items():
            x = self._layer(x, candidates, masks[name])
        return self.supernet.run(self.last, x, dropout)

    def _layer(self, x: Tensor, candidates: list[Section | None], masks: Tensor) -> Tensor:
        total: Tensor | None = None
        kept: Tensor | None = None
        used = (masks.detach() > 0).tolist()
        for candidate, mask, is_used in zip(candidates, masks, used, strict=True):
            if not is_used:
                continue
            if candidate is None or ends_with_identity(candidate):
                kept = mask if kept is None else kept + mask
            if candidate is not None:
                y = self._scaled(candidate, x, mask)
                total = y if total is None else total + y
        if kept is not None:
            total = kept * x if total is None else torch.addcmul(total, kept, x)
        assert total is not None, "a layer has a candidate of positive weight"
        return total

    def _scaled(self, section: Section, x: Tensor, mask: Tensor) -> Tensor:
        """The candidate's result times its weight, without its identity."""
        steps = section[:-1] if ends_with_identity(section) else section
        values = [x]
        for i, step in enumerate(steps):
            inputs = [values[j + 1] for j in step.node.inputs]
            values.append(self.supernet.operate(step, inputs, scale=mask if i == len(steps) - 1 else None))
        return values[-1]
