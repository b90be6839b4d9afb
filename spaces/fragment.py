"""Parts of networks as graphs of their own; a lookup table has an entry for each.

A network's time on a phone is nearly the sum of the times of its layers (ProxylessNAS, Cai et al. 2019, sec. 3.3;
FBNet, Wu et al. 2019, sec. 3.2), so each distinct layer is timed alone, once. FBNet's and ProxylessNAS' layers are
whole blocks with their residual; here a skip is a part by itself, since the same layer comes with and without one.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mnas_moo.spaces.operations import Add, Shape
from mnas_moo.spaces.spec import Layer, NetworkSpec, Node


@dataclass(frozen=True)
class Fragment:
    """Some operations as a graph with one input; equal to every other that computes the same.

    Attributes:
        input_shape: (C, H, W) of the one input.
        nodes: operations in execution order; their inputs are indices into these nodes, -1 the input. They are renamed
            by position and operation ("0.conv"), independently of their network.
        name: name for messages and tables; two fragments that differ only in it are equal.

    Raises:
        ValueError: there are no nodes, or a node reads one that does not come before it or has another shape.
    """

    input_shape: Shape
    nodes: tuple[Node, ...]
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError(f"fragment {self.name!r} has no nodes; it must have at least one")
        for i, node in enumerate(self.nodes):
            for source, shape in zip(node.inputs, node.input_shapes, strict=True):
                if not -1 <= source < i:
                    raise ValueError(
                        f"fragment {self.name!r}: node {i} ({node.name}) reads node {source}; it may read -1 (the "
                        f"input) and nodes before it"
                    )
                given = self.nodes[source].shape if source >= 0 else self.input_shape
                if given != shape:
                    raise ValueError(
                        f"fragment {self.name!r}: node {i} ({node.name}) takes {shape}, but node {source} gives {given}"
                    )
        renamed = (
            dataclasses.replace(node, name=f"{i}.{type(node.operation).__name__.lower()}")
            for i, node in enumerate(self.nodes)
        )
        object.__setattr__(self, "nodes", tuple(renamed))

    @functools.cached_property
    def parameters(self) -> int:
        """Trainable numbers, counted as ``NetworkSpec.parameters``."""
        return sum(node.operation.parameters(*node.input_shapes) for node in self.nodes)

    @functools.cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds, counted as ``NetworkSpec.multiply_adds``."""
        return sum(node.operation.multiply_adds(*node.input_shapes) for node in self.nodes)

    def canonical(self) -> Fragment:
        """The fragment itself: the names of its nodes do not depend on the network."""
        return self


def fragments(spec: NetworkSpec) -> tuple[Fragment, ...]:
    """Cuts a network into the parts whose times are summed.

    >>> from mnas_moo.spaces import network
    >>> from mnas_moo.spaces.fragment import fragments
    >>> for fragment in fragments(network("mnasnet-a1"))[:4]:
    ...     print(fragment.name)
    conv k3 s2 224x224x3-112x112x32 relu
    mbconv k3 e1 s1 112x112x32-112x112x16 relu
    mbconv k3 e6 s2 112x112x16-56x56x24 relu
    mbconv k3 e6 s1 56x56x24-56x56x24 relu

    Returns:
        In execution order: the stem, each layer without its skip, each skip, each sum with a layer beside, and all
        operations after the last layer as one part. The names are readable keys: if two networks have one norm epsilon
        and dropout rate, their fragments are equal where the names are. A skip adds its input to itself, or at a stride
        the pooled input to itself: a graph with one input has no second tensor of that shape, and the time is that of
        an addition. A dense skip is a part of its cell.
    """
    return tuple(itertools.chain.from_iterable(parts_by_layer(spec)))


def parts_by_layer(spec: NetworkSpec) -> tuple[tuple[Fragment, ...], ...]:
    """The parts of ``fragments`` of the stem, of each layer, and of what follows the layers."""
    parts: list[tuple[Fragment, ...]] = []
    for place, shape, first, nodes in _sections(spec):
        layer = _layer(spec, place)
        if layer is None:
            parts.append((_cut(nodes, first, shape, _head_name(spec, shape)),))
        else:
            parts.append(tuple(_layer_parts(layer, spec, shape, first, nodes)))
    return tuple(parts)


def sections(spec: NetworkSpec) -> tuple[Fragment, ...]:
    """The stem, each layer with its skip and those beside it, and all that follows the layers; each as one graph."""
    return tuple(_cut(nodes, first, shape, place) for place, shape, first, nodes in _sections(spec))


def _sections(spec: NetworkSpec) -> Iterator[tuple[str, Shape, int, list[Node]]]:
    """Place, input's shape, index of the first node, and nodes of each section."""
    shape, first = spec.input_shape, 0
    for place, group in itertools.groupby(spec.nodes, key=_place):
        nodes = list(group)
        yield place, shape, first, nodes
        shape, first = nodes[-1].shape, first + len(nodes)


def _layer_parts(layer: Layer, spec: NetworkSpec, shape: Shape, first: int, nodes: list[Node]) -> Iterator[Fragment]:
    groups = [list(group) for _, group in itertools.groupby(nodes, key=_module)]
    for i, (module, own) in enumerate(zip(layer.modules, groups, strict=True)):
        total = own.pop() if i else None
        n_skip = {"identity": 1, "pooling": 2, "dense": 0, "none": 0}[module.effective_skip]
        body, skip = own[: len(own) - n_skip], own[len(own) - n_skip :]
        if body:
            yield _cut(body, first, shape, _layer_name(module, spec, shape, body))
        if skip:
            yield _skip(module, skip, shape)
        first += len(own)
        if total is not None:
            first += 1
            yield _sum(total)


def _place(node: Node) -> str:
    """The part of the network that a node belongs to: "stem", "layers.3", or "" after the layers."""
    path = node.name.split(".")
    return ".".join(path[:2]) if path[0] == "layers" else path[0] if path[0] == "stem" else ""


def _module(node: Node) -> str:
    """Which of the layers whose results are added a node belongs to: "" for the first, "0" for that beside it."""
    _, found, rest = node.name.partition(".beside.")
    return rest.split(".")[0] if found else ""


def _layer(spec: NetworkSpec, place: str) -> Layer | None:
    return spec.stem if place == "stem" else spec.layers[int(place.split(".")[1])] if place else None


def _cut(nodes: Sequence[Node], first: int, shape: Shape, name: str) -> Fragment:
    """Consecutive nodes as a fragment; ``first`` is the index of the first, which all from outside come before."""
    moved = (dataclasses.replace(node, inputs=tuple(max(i - first, -1) for i in node.inputs)) for node in nodes)
    return Fragment(shape, tuple(moved), name)


def _skip(layer: Layer, nodes: Sequence[Node], shape: Shape) -> Fragment:
    """The nodes of a skip, [add] or [pooling, add], as a fragment of the layer's input."""
    *pooling, add = nodes
    if not pooling:
        return _sum(add)
    assert isinstance(add.operation, Add), nodes
    other = -1 if add.shape == shape else 0
    moved = dataclasses.replace(pooling[0], inputs=(-1,)), dataclasses.replace(add, inputs=(other, 0))
    return Fragment(shape, moved, f"pooling add s{layer.stride} {_text(shape)}-{_text(add.shape)}")


def _sum(add: Node) -> Fragment:
    return Fragment(add.shape, (dataclasses.replace(add, inputs=(-1, -1)),), f"add {_text(add.shape)}")


def _layer_name(layer: Layer, spec: NetworkSpec, shape: Shape, nodes: Sequence[Node]) -> str:
    words = [layer.operation, f"k{layer.kernel}"]
    words += [f"e{layer.expansion}"] if layer.operation in ("mbconv", "cell") else []
    words += [f"g{layer.groups}"] if layer.groups > 1 else []
    words += [f"se{layer.se_ratio:g}"] if layer.se_ratio else []
    words += ["-".join(layer.cell)] if layer.cell else []
    words += ["dense"] if layer.skip == "dense" else []
    return " ".join([*words, f"s{layer.stride}", f"{_text(shape)}-{_text(nodes[-1].shape)}", spec.activation])


def _head_name(spec: NetworkSpec, shape: Shape) -> str:
    words = ["head", f"{_text(shape)}-{spec.head}-{spec.classes}" if spec.head else f"{_text(shape)}-{spec.classes}"]
    return " ".join([*words, spec.activation] if spec.head else words)


def _text(shape: Shape) -> str:
    channels, height, width = shape
    return f"{height}x{width}x{channels}"


def distinct_fragments(networks: Iterable[NetworkSpec]) -> dict[str, Fragment]:
    """The distinct parts of networks by name, in the order of their first occurrence.

    Args:
        networks: networks to cut; ``space.covering()`` for all parts of a space.

    Raises:
        ValueError: two parts of one name compute differently, so that one time cannot stand for both.
    """
    found: dict[str, Fragment] = {}
    for network in networks:
        for fragment in fragments(network):
            if found.setdefault(fragment.name, fragment) != fragment:
                raise ValueError(
                    f"networks with unlike layers called {fragment.name!r} cannot share a lookup table: they must "
                    "have one norm epsilon and one dropout rate"
                )
    return found
