"""NetworkSpec: the immutable description of a network that everything else reads.

It has two levels, like the intermediate representations of a compiler: typed layers (what a search chooses) and the
nodes they are lowered to (what is run and counted). Layers follow the official MnasNet code (tensorflow/tpu
models/official/mnasnet, MnasBlock.call); regular convolutions and pooling skips, which the paper names but no
published network uses, are ours and described at ``_lower_conv`` and ``Layer.skip``. Cells and what joins them are
those of DPP-Net and CondenseNet (``cells``).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from mnas_moo.spaces import cells
from mnas_moo.spaces.layer import Layer as Layer
from mnas_moo.spaces.operations import (
    ACTIVATIONS,
    Add,
    AveragePool,
    ChannelShuffle,
    Concat,
    Conv,
    Dropout,
    GlobalAveragePool,
    Linear,
    Multiply,
    Operation,
    Shape,
)


@dataclass(frozen=True)
class Node:
    """One operation of a lowered network.

    Attributes:
        name: path of the operation ("layers.3.expand"); weights are named after it.
        operation: the operation with its settings.
        inputs: indices of earlier nodes; -1 is the network's input.
        input_shapes: their shapes, (C, H, W).
        shape: the output's shape, (C, H, W).
    """

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape


@dataclass(frozen=True)
class NetworkSpec:
    """A classification network, batch 1, float32.

    >>> from mnas_moo.spaces import NetworkSpec, network
    >>> spec: NetworkSpec = network("mnasnet-a1")
    >>> spec.input_shape, len(spec.layers), spec.head, spec.classes
    ((3, 224, 224), 16, 1280, 1000)
    >>> spec.parameters, spec.multiply_adds, spec.peak_memory_bytes
    (3887038, 311579072, 6021120)

    Attributes:
        input_shape: (channels, height, width) of an image.
        stem: the first convolution.
        layers: all layers between stem and head, in order.
        head: channels of the 1x1 convolution before pooling; 0: there is none.
        classes: number of outputs of the classifier.
        dropout: dropout rate before the classifier.
        activation: activation of stem, layers and head; "relu" in MnasNet, "relu6" in MobileNetV2.
        epsilon: epsilon of every batch norm; 1e-3 in MnasNet's code, 1e-5 in torchvision.
        name: name for messages and plots; two networks that differ only in it are equal.

    Raises:
        ValueError: a value is out of range, or a layer does not take what the one before it gives.
    """

    input_shape: Shape
    stem: Layer
    layers: tuple[Layer, ...]
    head: int
    classes: int
    dropout: float = 0.2
    activation: str = "relu"
    epsilon: float = 1e-3
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        channels = self.input_shape[0]
        if len(self.input_shape) != 3:
            raise ValueError(f"input_shape is {self.input_shape}; it must be (channels, height, width)")
        for place, layer in [("stem", self.stem), *((f"layer {i}", layer) for i, layer in enumerate(self.layers))]:
            if layer.in_channels != channels:
                raise ValueError(f"{place} takes {layer.in_channels} channels, but the one before it gives {channels}")
            channels = layer.out_channels
        if self.stem.operation == "cell":
            raise ValueError("stem is a cell; allowed: conv, bare, mbconv")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; allowed: {', '.join(ACTIVATIONS)}")
        if min(self.input_shape) < 1 or self.classes < 1 or self.head < 0:
            raise ValueError(f"input_shape {self.input_shape}, classes {self.classes}, head {self.head}: too small")
        if not 0 <= self.dropout < 1 or self.epsilon <= 0:
            raise ValueError(f"dropout {self.dropout} must be in [0, 1), epsilon {self.epsilon} above 0")

    @property
    def blocks(self) -> tuple[tuple[Layer, ...], ...]:
        """Runs of equal layers, the official strings' blocks; only the first may have a stride or new channels."""
        blocks: list[list[Layer]] = []
        for layer in self.layers:
            if blocks and layer == blocks[-1][-1].again:
                blocks[-1].append(layer)
            else:
                blocks.append([layer])
        return tuple(map(tuple, blocks))

    @property
    def stages(self) -> tuple[tuple[tuple[Layer, ...], ...], ...]:
        """Runs of blocks at one resolution; a block with a stride begins the next stage."""
        stages: list[list[tuple[Layer, ...]]] = []
        for block in self.blocks:
            if not stages or block[0].stride != 1:
                stages.append([])
            stages[-1].append(block)
        return tuple(map(tuple, stages))

    def canonical(self) -> NetworkSpec:
        """The same network with ``effective_skip`` as each skip; equal for networks that differ in nothing else."""
        stem, *layers = (layer.canonical() for layer in (self.stem, *self.layers))
        return dataclasses.replace(self, stem=stem, layers=tuple(layers))

    @functools.cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The network lowered to operations, in execution order; the last node gives the logits."""
        graph = _Graph(self)
        x = graph.layer("stem", self.stem, -1)
        for i, layer in enumerate(self.layers):
            x = graph.layer(f"layers.{i}", layer, x)
        if self.head:
            x = graph.add("head", Conv(self.head, 1, epsilon=self.epsilon, activation=self.activation), x)
        x = graph.add("pool", GlobalAveragePool(), x)
        if self.dropout:
            x = graph.add("dropout", Dropout(self.dropout), x)
        graph.add("classifier", Linear(self.classes), x)
        return tuple(graph.nodes)

    @functools.cached_property
    def parameters(self) -> int:
        """Trainable numbers, batch norm's gamma and beta included, its running statistics not."""
        return sum(node.operation.parameters(*node.input_shapes) for node in self.nodes)

    @functools.cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions and fully connected layers for one image, as the papers count."""
        return sum(node.operation.multiply_adds(*node.input_shapes) for node in self.nodes)

    @functools.cached_property
    def peak_memory_bytes(self) -> int:
        """Largest sum, over the execution order, of the tensors in memory at once (float32, batch 1).

        While a node runs, its inputs, its output and every earlier tensor that a later node still reads are in
        memory. Norms and activations are part of their convolution, and dropout keeps its input's tensor.
        """
        last_use = {-1: 0}
        home = {-1: -1}  # dropout's output is its input's tensor
        for i, node in enumerate(self.nodes):
            home[i] = home[node.inputs[0]] if isinstance(node.operation, Dropout) else i
            last_use[home[i]] = i
            for j in node.inputs:
                last_use[home[j]] = i
        size = {-1: _elements(self.input_shape), **{i: _elements(node.shape) for i, node in enumerate(self.nodes)}}
        return 4 * max(sum(size[j] for j, last in last_use.items() if j <= i <= last) for i in range(len(self.nodes)))


class NodeList:
    """Collects the nodes of one network, whose input is node -1.

    Args:
        input_shape: (channels, height, width) of an image.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self.nodes: list[Node] = []

    def shape(self, node: int) -> Shape:
        """(channels, height, width) of what a node gives."""
        return self.input_shape if node < 0 else self.nodes[node].shape

    def add(self, name: str, operation: Operation, *inputs: int) -> int:
        """Appends a node and returns its index."""
        shapes = tuple(map(self.shape, inputs))
        self.nodes.append(Node(name, operation, inputs, shapes, operation.output_shape(*shapes)))
        return len(self.nodes) - 1


class _Graph(NodeList):
    """Collects the nodes that a specification's layers are lowered to."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec.input_shape)
        self.spec = spec

    def layer(self, name: str, layer: Layer, x: int) -> int:
        """Appends a layer with its skip, and the sum with each of those beside it."""
        y = self._module(name, layer, x)
        for i, other in enumerate(layer.beside):
            beside = f"{name}.beside.{i}"
            y = self.add(f"{beside}.sum", Add(), y, self._module(beside, other, x))
        return y

    def _module(self, name: str, layer: Layer, x: int) -> int:
        if layer.operation == "cell" and layer.stride > 1:
            x = self.add(f"{name}.reduce", AveragePool(layer.stride, layer.stride, "same"), x)
        y = LAYERS[layer.operation](self, name, layer, x)
        if layer.effective_skip == "none":
            return y
        if layer.effective_skip == "dense":
            return self.add(f"{name}.concat", Concat(), x, y)
        if layer.effective_skip == "pooling":
            x = self.add(f"{name}.pooling", AveragePool(3, layer.stride), x)
        return self.add(f"{name}.add", Add(), y, x)

    def squeeze_excite(self, name: str, layer: Layer, x: int) -> int:
        """Appends the gate of ``layer`` on ``x``: pool, reduce to a share of the input's channels, expand."""
        if not layer.se_ratio:
            return x
        squeezed = max(1, int(layer.in_channels * layer.se_ratio))
        gate = self.add(f"{name}.se.pool", GlobalAveragePool(), x)
        gate = self.add(f"{name}.se.reduce", Conv(squeezed, 1, activation="relu"), gate)
        gate = self.add(f"{name}.se.expand", Conv(self.nodes[x].shape[0], 1, activation="sigmoid"), gate)
        return self.add(f"{name}.se.scale", Multiply(), x, gate)


def _lower_conv(graph: _Graph, name: str, layer: Layer, x: int) -> int:
    """Convolution, norm, activation, then the gate: a lone linear convolution would leave the network linear."""
    spec = graph.spec
    conv = Conv(layer.out_channels, layer.kernel, layer.stride, 1, spec.epsilon, spec.activation)
    return graph.squeeze_excite(name, layer, graph.add(f"{name}.conv", conv, x))


def _lower_basic(graph: _Graph, name: str, layer: Layer, x: int) -> int:
    """Two convolutions, each with norm and activation, the first with the stride; InstaNAS' BasicBlock."""
    spec = graph.spec
    for part, stride in (("first", layer.stride), ("second", 1)):
        conv = Conv(layer.out_channels, layer.kernel, stride, 1, spec.epsilon, spec.activation)
        x = graph.add(f"{name}.{part}", conv, x)
    return graph.squeeze_excite(name, layer, x)


def _lower_mbconv(graph: _Graph, name: str, layer: Layer, x: int) -> int:
    """Expand (not at expansion 1), depthwise, gate, linear projection (Tan et al. 2019, fig. 7; official code).

    With groups both 1x1 convolutions have them, and channels are shuffled between the two (Wu et al. 2019, sec. 3.1;
    mobile_cv's irf_block). They are also where there is no first one: else no channel would ever leave its group.
    """
    spec, width = graph.spec, layer.in_channels * layer.expansion
    if layer.expansion != 1:
        x = graph.add(f"{name}.expand", Conv(width, 1, 1, layer.groups, spec.epsilon, spec.activation), x)
    if layer.groups != 1:
        x = graph.add(f"{name}.shuffle", ChannelShuffle(layer.groups), x)
    depthwise = Conv(width, layer.kernel, layer.stride, width, spec.epsilon, spec.activation)
    x = graph.squeeze_excite(name, layer, graph.add(f"{name}.depthwise", depthwise, x))
    return graph.add(f"{name}.project", Conv(layer.out_channels, 1, 1, layer.groups, spec.epsilon), x)


def _lower_bare(graph: _Graph, name: str, layer: Layer, x: int) -> int:
    """Convolution alone: the norm comes at the beginning of each cell that reads it."""
    conv = Conv(layer.out_channels, layer.kernel, layer.stride, bias=False)
    return graph.squeeze_excite(name, layer, graph.add(f"{name}.conv", conv, x))


def _lower_cell(graph: _Graph, name: str, layer: Layer, x: int) -> int:
    """The steps of a cell, whose stride is done already."""
    sizes = layer.new_channels, layer.expansion, layer.groups
    return cells.lower(graph, name, layer.cell, x, *sizes, graph.spec.epsilon)


LAYERS: dict[str, Callable[[_Graph, str, Layer, int], int]] = {
    "conv": _lower_conv,
    "bare": _lower_bare,
    "basic": _lower_basic,
    "mbconv": _lower_mbconv,
    "cell": _lower_cell,
}


def _elements(shape: Shape) -> int:
    return shape[0] * shape[1] * shape[2]
