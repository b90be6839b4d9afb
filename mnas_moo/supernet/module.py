"""All networks of a space as paths through one module, which holds every weight once.

A weight belongs to a place in the skeleton ("block2.layer3") and to a kind of layer; ``SHARING`` says what a kind is.
"slices" follows once-for-all (Cai et al. 2020, sec. 3.2) and BigNAS (Yu et al. 2020, sec. 3): a weight is as large as
the largest network needs it, narrower filters and lower expansions are its first channels, smaller kernels its middle,
fewer layers the first ones. Differences: kernels are cut out as in BigNAS and AttentiveNAS, without once-for-all's
matrices between sizes; layers with and without a first 1x1 convolution, and gates of squeeze-and-excite, share nothing.
"separate" follows FBNet (Wu et al. 2019, sec. 3.1): each candidate of a layer has weights of its own.

A path is trained with the statistics of its batch; running ones would mix those of many networks. A network that is
judged is cut out as a module of its own and gets statistics of its own (``calibrate``), as in BigNAS, sec. 3.4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mnas_moo.objectives.formats import torch_module
from mnas_moo.objectives.formats.torch_module import ACTIVATION_FUNCTIONS, MODULES, DropoutModule, Network, build
from mnas_moo.spaces.operations import Add, Conv, Dropout, Linear
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import Layer, NetworkSpec, Node

SHARING: Mapping[str, str] = {"mnasnet": "slices", "mnasnet-flat": "slices", "fbnet": "separate"}
"""How the networks of a space share weights, by the space's name."""


LAST = ("conv", "project")
"""The last convolution of a layer, which is not shared by layers with a skip and those without."""


class PlacedSpace(Space, Protocol):
    """A space that says where in its skeleton the layers of a network stand."""

    def places(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The place of each layer of ``spec(params)``."""
        ...


@dataclass(frozen=True)
class Step:
    """One operation of a section.

    Attributes:
        node: the operation, with its shapes; its inputs count from the section's first node, -1 is the section's input.
        owner: name of the weights that it reads a part of; empty where it has none.
        module: what computes an operation without weights; None for those that have some.
    """

    node: Node
    owner: str
    module: nn.Module | None


Section = tuple[Step, ...]
"""Operations with one input, the last of which gives the output: the stem, a layer, or what follows the layers."""


class SharedWeights(nn.Module):
    """One owner of weights: a convolution with its norm or bias, or the classifier, at its largest."""

    def __init__(self, shape: Sequence[int], normed: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*shape))
        if normed:
            self.gamma = nn.Parameter(torch.ones(shape[0]))
            self.beta = nn.Parameter(torch.zeros(shape[0]))
        else:
            self.bias = nn.Parameter(torch.zeros(shape[0]))

    def part(self, node: Node) -> dict[str, Tensor]:
        """Views of what one operation uses, by the names of ``torch_module``: first channels, middle of the kernel."""
        operation = node.operation
        outputs = node.shape[0]
        if isinstance(operation, Linear):
            return {"weight": self.weight[:, : math.prod(node.input_shapes[0])], "bias": self.bias}
        assert isinstance(operation, Conv)
        margin = (self.weight.shape[2] - operation.kernel) // 2
        middle = slice(margin, margin + operation.kernel)
        inputs = node.input_shapes[0][0] // operation.groups
        parts = {"weight": self.weight[:outputs, :inputs, middle, middle]}
        names = ("bias",) if operation.epsilon is None else ("gamma", "beta")
        return parts | {name: getattr(self, name)[:outputs] for name in names}


class Supernet(nn.Module):
    """The networks of a space in one module.

    >>> import numpy as np
    >>> import torch
    >>> from mnas_moo.spaces import get
    >>> space = get("mnasnet", preset="digits")
    >>> supernet = Supernet(space, torch.Generator().manual_seed(0))
    >>> params = space.params(space.random(np.random.default_rng(0)))
    >>> supernet(torch.zeros(4, 1, 16, 16), supernet.path(params)).shape
    torch.Size([4, 10])

    Args:
        space: one of the spaces of ``SHARING``.
        generator: random generator of the initial weights.

    Raises:
        ValueError: it is not known how the networks of the space share weights.
    """

    def __init__(self, space: Space, generator: torch.Generator) -> None:
        super().__init__()
        if space.name not in SHARING or not hasattr(space, "places"):
            raise ValueError(f"networks of space {space.name!r} share no weights; allowed: {', '.join(SHARING)}")
        self.space = cast("PlacedSpace", space)
        self.sharing = SHARING[space.name]
        self._sections: dict[tuple[str, Layer | None, tuple[int, ...]], Section] = {}
        self.owners = nn.ModuleDict()
        for owner, (shape, normed, depthwise) in self._largest().items():
            weights = SharedWeights(shape, normed)
            with torch.no_grad():
                if len(shape) == 2:
                    bound = 1 / math.sqrt(shape[0])
                    weights.weight.uniform_(-bound, bound, generator=generator)
                else:  # as torch_module: variance 2 / fan-out, of a depthwise convolution 2 / kernel²
                    fan_out = shape[2] ** 2 * (1 if depthwise else shape[0])
                    weights.weight.normal_(0, math.sqrt(2 / fan_out), generator=generator)
            self.owners[owner] = weights

    def _largest(self) -> dict[str, tuple[list[int], bool, bool]]:
        """Shape of each owner's weight, whether a norm follows, and whether it is depthwise."""
        found: dict[str, tuple[list[int], bool, bool]] = {}
        for params in _alike(self.space):
            for step in (step for section in self.path(params) for step in section if step.owner):
                operation, channels = step.node.operation, step.node.input_shapes[0][0]
                if isinstance(operation, Linear):
                    shape, normed, depthwise = (
                        [operation.out_features, math.prod(step.node.input_shapes[0])],
                        False,
                        False,
                    )
                else:
                    assert isinstance(operation, Conv)
                    depthwise = operation.groups == channels
                    shape = [operation.out_channels, channels // operation.groups, operation.kernel, operation.kernel]
                    normed = operation.epsilon is not None
                before = found.get(step.owner, (shape, normed, depthwise))[0]
                found[step.owner] = [max(pair) for pair in zip(shape, before, strict=True)], normed, depthwise
        return found

    def path(self, params: Mapping[str, Any]) -> tuple[Section, ...]:
        """The sections that a genome's network runs through, each layer at the place that the genome gives it.

        Raises:
            ValueError: for the reasons that ``Space.spec`` has.
        """
        spec = self.space.spec(params)
        places = ("stem", *self.space.places(params), "")
        layers = (spec.stem, *spec.layers, None)
        groups = _by_section(spec)
        return tuple(
            self._section(place, layer, nodes) for place, layer, nodes in zip(places, layers, groups, strict=True)
        )

    def _section(self, place: str, layer: Layer | None, nodes: Sequence[Node]) -> Section:
        key = place, layer, nodes[0].input_shapes[0]
        if key not in self._sections:
            self._sections[key] = tuple(self._step(place, layer, node) for node in nodes)
        return self._sections[key]

    def _step(self, place: str, layer: Layer | None, node: Node) -> Step:
        if isinstance(node.operation, Conv | Linear):
            kind = "" if layer is None else self._kind(layer)
            path = node.name.split(".")
            part = path if layer is None else path[2:] if path[0] == "layers" else path[1:]
            if layer is not None and part[-1] in LAST and layer.effective_skip != "none":
                kind += "_skipped"
            return Step(node, "_".join([*place.split("."), kind, *part]).strip("_"), None)
        module = MODULES[type(node.operation)](node.operation, node, torch.Generator(), 0.1)
        return Step(node, "", module)

    def _kind(self, layer: Layer) -> str:
        groups = f"_g{layer.groups}" if layer.groups > 1 else ""
        if self.sharing == "separate":
            gate = "_se" if layer.se_ratio else ""
            return f"{layer.operation}_k{layer.kernel}_e{layer.expansion}{groups}{gate}"
        if layer.operation == "conv":
            return "conv"
        return f"mbconv_{'wide' if layer.expansion > 1 else 'slim'}{groups}"

    def forward(self, x: Tensor, path: Iterable[Section], dropout: torch.Generator | None = None) -> Tensor:
        """(B, C, H, W) images to (B, classes) logits of one path, by the statistics of this batch.

        Args:
            x: images.
            path: sections of ``path``.
            dropout: generator of dropout, on the device of the weights; None: there is no dropout.
        """
        for section in path:
            x = self.run(section, x, dropout)
        return x

    def run(self, section: Section, x: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        """One section of a path."""
        values = [x]
        for step in section:
            inputs = [values[i + 1] for i in step.node.inputs]
            values.append(self.operate(step, inputs, dropout))
        return values[-1]

    def operate(
        self,
        step: Step,
        inputs: Sequence[Tensor],
        dropout: torch.Generator | None = None,
        scale: Tensor | None = None,
    ) -> Tensor:
        """One operation; the result of a convolution with a norm is multiplied by ``scale``, which is above 0."""
        operation = step.node.operation
        if isinstance(operation, Dropout):
            return inputs[0] if dropout is None else torch_module.dropout(inputs[0], operation.rate, dropout)
        if step.module is not None:
            return step.module(*inputs)  # type: ignore[no-any-return]
        (x,) = inputs
        owner = self.owners[step.owner]
        assert isinstance(owner, SharedWeights)
        part = owner.part(step.node)
        if isinstance(operation, Linear):
            return F.linear(x.flatten(1), part["weight"], part["bias"])
        assert isinstance(operation, Conv)
        stride, padding = operation.stride, operation.kernel // 2
        x = F.conv2d(x, part["weight"], part.get("bias"), stride, padding, 1, operation.groups)
        if operation.epsilon is not None:
            gamma, beta = part["gamma"], part["beta"]
            if scale is not None:
                gamma, beta = scale * gamma, scale * beta
            x = F.batch_norm(x, None, None, gamma, beta, True, 0.0, operation.epsilon)
        activation = ACTIVATION_FUNCTIONS[operation.activation]
        return x if activation is None else activation(x)

    def cut(self, params: Mapping[str, Any]) -> Network:
        """A genome's network as a module of its own with copies of its weights, on the same device.

        Its running statistics are those of a fresh module until ``calibrate`` sets them.
        """
        spec, path = self.space.spec(params), self.path(params)
        network = build(spec)
        steps = [step for section in path for step in section]
        with torch.no_grad():
            for node, step in zip(spec.nodes, steps, strict=True):
                if step.owner:
                    owner = self.owners[step.owner]
                    assert isinstance(owner, SharedWeights)
                    for name, tensor in owner.part(step.node).items():
                        network.get_parameter(f"{node.name}.{name}").copy_(tensor)
        device = next(self.parameters()).device
        return network.to(device).to(memory_format=torch.channels_last)


def calibrate(network: Network, batches: Iterable[Tensor]) -> None:
    """Sets the running statistics of a network's norms to the mean of those of some batches, and evaluation mode.

    Args:
        network: the network.
        batches: images (B, C, H, W), as for training but without augmentation.
    """
    norms = [module for module in network.modules() if hasattr(module, "running_mean")]
    before = [module.norm_momentum for module in norms]
    network.train()
    for module in network.modules():
        if isinstance(module, DropoutModule):
            module.eval()
    with torch.no_grad():
        for count, images in enumerate(batches, start=1):
            for module in norms:
                module.norm_momentum = 1 / count  # type: ignore[assignment]
            network(images)
    for module, momentum in zip(norms, before, strict=True):
        module.norm_momentum = momentum
    network.eval()


def _alike(space: Space) -> Iterator[dict[str, Any]]:
    """Genomes that hold, together, the largest part of each owner.

    All parameters that choose from the same choices choose alike, but numbers at every second place another one: a skip
    needs equal channels before and after a layer, which the widths of its block and of the one before decide.
    """
    choices = {name: tuple(each.choices) for name, each in space.distributions.items()}  # type: ignore[attr-defined]
    places = list(dict.fromkeys(name.rpartition(".")[0] for name in choices))
    odd = {place for place in places if places.index(place) % 2}
    kinds = list(dict.fromkeys(choices.values()))
    widths = [kind for kind in kinds if all(isinstance(value, float) and value > 0 for value in kind)]
    for values in itertools.product(*kinds, *widths):
        of_kind = dict(zip(kinds, values, strict=False))
        other = of_kind | dict(zip(widths, values[len(kinds) :], strict=True))
        yield {name: (other if name.rpartition(".")[0] in odd else of_kind)[each] for name, each in choices.items()}


def _by_section(spec: NetworkSpec) -> list[list[Node]]:
    """The nodes of stem, each layer, and the rest, their inputs counted from the first of each (-1: what comes in)."""
    groups: list[list[Node]] = [[] for _ in range(len(spec.layers) + 2)]
    firsts: list[int | None] = [None] * len(groups)
    for i, node in enumerate(spec.nodes):
        path = node.name.split(".")
        place = 0 if path[0] == "stem" else int(path[1]) + 1 if path[0] == "layers" else len(spec.layers) + 1
        first = firsts[place] = i if firsts[place] is None else firsts[place]
        assert first is not None
        groups[place].append(replace(node, inputs=tuple(max(j - first, -1) for j in node.inputs)))
    return groups


def ends_with_identity(section: Section) -> bool:
    """Whether the last operation of a section adds its input to the result before."""
    node = section[-1].node
    return isinstance(node.operation, Add) and node.inputs == (len(section) - 2, -1)
