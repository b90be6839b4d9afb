"""Learned group convolutions: trained dense, condensed on the way (Huang et al. 2018, sec. 3 and 4).

A 1x1 convolution with G groups and condensation factor C = G begins with all its weights. At C - 1 times in the first
half of the training, 1/C of the input channels are dropped for each group of outputs: those with the smallest sums of
absolute weights. What is left is a group convolution after an index layer, and a group lasso makes the weights of a
group and an input small together. Output k of group i is channel i + k G, as in the authors' code, which a channel
shuffle restores. The features of a classifier that reads some are dropped in the same way, at the last of these times,
where the authors do it after the training.

What is dropped is zero and stays so: the weights themselves say it, also in a training that was interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mnas_moo.objectives.formats.torch_module import Network, build
from mnas_moo.spaces.operations import Linear
from mnas_moo.spaces.spec import NetworkSpec, Node

LASSO = 1e-5
"""Weight of the group lasso in the loss; published for ImageNet."""


class _Learned(NamedTuple):
    """A selection of channels by its node's name, what reads it, in how many groups, and how many channels a group."""

    select: str
    reader: str
    groups: int
    kept: int


def learns(spec: NetworkSpec) -> bool:
    """Whether training decides which channels something of the network reads."""
    return any(True for _ in _learned(spec))


def dense(spec: NetworkSpec) -> NetworkSpec:
    """The network that is trained in place of ``spec``: its learned convolutions without groups, all features read.

    The names of its weights are those of ``spec``'s.
    """
    layers = []
    for layer in spec.layers:
        cell = tuple("conv1x1" if step == "learned1x1" else step for step in layer.cell if step != "select")
        whole = layer.in_channels if "select" in layer.cell else layer.out_channels
        layers.append(dataclasses.replace(layer, cell=cell, out_channels=whole))
    return dataclasses.replace(spec, layers=tuple(layers))


def stage_of(progress: float, factor: int) -> int:
    """How many times channels have been dropped at a share of the training, of ``factor`` - 1 times in its first half.

    >>> [stage_of(progress, 4) for progress in (0.0, 0.17, 0.34, 0.5, 1.0)]
    [0, 1, 2, 3, 3]
    """
    return min(factor - 1, int(2 * progress * (factor - 1)))


class Condensing:
    """The learned convolutions of a network under training.

    Args:
        spec: the network that is wanted.
        model: the module of ``dense(spec)``.
    """

    def __init__(self, spec: NetworkSpec, model: Network) -> None:
        self.spec = spec
        self.model = model
        self._learned = list(_learned(spec))
        self._progress = 0.0
        self._dropped: dict[str, Tensor] = {}  # (G, due) dropped inputs, by the selection's name

    def lasso(self) -> Tensor:
        """Sum, over groups and inputs, of the root of the sum of squares of the weights."""
        terms = [_by_group(self._weight(each), each.groups).square().sum(1) for each in self._learned]
        return torch.stack([term.clamp(min=1e-6).sqrt().sum() for term in terms]).sum()

    def criterion(self, smoothing: float) -> Callable[[Tensor, Tensor, int], Tensor]:
        """Computes the gradients of cross-entropy and group lasso, and returns the former."""

        def gradients(images: Tensor, targets: Tensor, _step: int) -> Tensor:
            loss = F.cross_entropy(self.model(images), targets, label_smoothing=smoothing)
            torch.autograd.backward(loss + LASSO * self.lasso())
            return loss.detach()

        return gradients

    def at(self, progress: float) -> None:
        """Notes, before a step, the share of the training, in [0, 1], that the step completes."""
        self._progress = progress
        if not self._dropped:  # a training that begins, or goes on: what is zero was dropped
            for each in self._learned:
                sums = _by_group(self._weight(each).detach(), each.groups).abs().sum(1)
                zeros = int((sums == 0).sum(1).min())
                self._dropped[each.select] = sums.argsort(dim=1, stable=True)[:, :zeros]

    def drop(self) -> None:
        """Keeps at zero what was dropped, and drops what is due."""
        with torch.no_grad():
            for each in self._learned:
                weight = self._weight(each)
                parts = _by_group(weight, each.groups)
                inputs = parts.shape[2]
                if each.groups > 1:
                    due = stage_of(self._progress, each.groups) * (inputs // each.groups)
                else:
                    due = inputs - each.kept if self._progress >= 0.5 else 0
                mask = self._mask(each, parts, due)
                weight.copy_(_from_groups(parts * mask[:, None], weight.shape))

    def drop_in(self, other: Network) -> None:
        """Sets to zero in a network of the same names, as the average of weights, what was dropped in this one."""
        with torch.no_grad():
            for each in self._learned:
                weight = other.get_parameter(f"{each.reader}.weight")
                parts = _by_group(weight, each.groups)
                mask = torch.ones_like(parts[:, 0]).scatter(1, self._dropped[each.select], 0.0)
                weight.copy_(_from_groups(parts * mask[:, None], weight.shape))

    def condensed(self) -> Network:
        """The network of ``spec`` with the weights that are left, on the same device.

        Raises:
            ValueError: the training is not over: more channels are left than the network reads.
        """
        network = build(self.spec)
        state, ours = self.model.state_dict(), network.state_dict()
        for each in self._learned:
            parts = _by_group(self._weight(each).detach(), each.groups)
            left = parts.abs().sum(1) > 0
            if bool((left.sum(1) > each.kept).any()):
                raise ValueError("the network is not condensed yet: its training was not finished")
            # Of dropped channels, which are zero, the first fill up what a group has too few of.
            index = torch.stack([_first(row, each.kept) for row in left])
            picked = torch.gather(parts, 2, index[:, None].expand(-1, parts.shape[1], -1))
            ours[f"{each.select}.index"].copy_(index.flatten())
            size = ours[f"{each.reader}.weight"].shape
            state[f"{each.reader}.weight"] = picked.reshape(size)
            for part in ("gamma", "beta", "running_mean", "running_var"):
                if each.groups > 1 and f"{each.reader}.{part}" in state:
                    state[f"{each.reader}.{part}"] = _by_group(state[f"{each.reader}.{part}"], each.groups).flatten()
        with torch.no_grad():
            for name, tensor in ours.items():
                if not name.endswith(".index"):
                    tensor.copy_(state[name])
        device = next(self.model.parameters()).device
        return network.to(device).to(memory_format=torch.channels_last)

    def _weight(self, each: _Learned) -> Tensor:
        return self.model.get_parameter(f"{each.reader}.weight")

    def _mask(self, each: _Learned, parts: Tensor, due: int) -> Tensor:
        """(G, inputs) 1 for what is left, 0 for the ``due`` inputs of each group with the smallest sums."""
        if self._dropped[each.select].shape[1] != due:
            # What was dropped stays dropped, though the optimizer's momentum has moved it.
            sums = parts.abs().sum(1).scatter(1, self._dropped[each.select], -1.0)
            self._dropped[each.select] = sums.argsort(dim=1, stable=True)[:, :due]
        return torch.ones_like(parts[:, 0]).scatter(1, self._dropped[each.select], 0.0)


def _learned(spec: NetworkSpec) -> Iterator[_Learned]:
    nodes = {node.name: node for node in spec.nodes}
    for node in spec.nodes:
        path, _, last = node.name.rpartition(".")
        if last != "select":
            continue
        conv: Node | None = nodes.get(f"{path}.conv")
        if conv is not None:
            groups: int = conv.operation.groups  # type: ignore[union-attr]
            yield _Learned(node.name, conv.name, groups, node.shape[0] // groups)
        else:
            classifier = next(each for each in spec.nodes if isinstance(each.operation, Linear))
            yield _Learned(node.name, classifier.name, 1, node.shape[0])


def _by_group(weight: Tensor, groups: int) -> Tensor:
    """(out, ...) as (groups, out / groups, ...): output i + k groups is output k of group i; 1x1 kernels squeezed."""
    flat = weight.reshape(weight.shape[0], -1) if weight.ndim > 1 else weight
    return flat.reshape(-1, groups, *flat.shape[1:]).transpose(0, 1)


def _from_groups(parts: Tensor, shape: torch.Size) -> Tensor:
    return parts.transpose(0, 1).reshape(shape)


def _first(left: Tensor, kept: int) -> Tensor:
    """Indices of the true entries, filled up to ``kept`` with the first others, ascending."""
    order = torch.cat([left.nonzero().flatten(), (~left).nonzero().flatten()])
    return order[:kept].sort().values
