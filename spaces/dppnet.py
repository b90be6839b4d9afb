"""DPP-Net's search space: one cell, whose norms and convolutions alternate, at every place of a CondenseNet.

A layer of a cell is one of 3 norms or, at every second place, one of 6 convolutions; cells of 4 layers are 324, of 8
layers 104,976 (Dong et al. 2018, sec. 3.1). Each cell reads what all cells before gave, averaged where these were
larger, and adds its channels to that; between stem and classifier there is nothing else but a last norm. What the paper
leaves open is CondenseNet's (``dppnet_settings``) or said in ``cells``.

The number of layers is a parameter too, since the networks of the search grow. Layers beyond it have no effect, and
their first choice in a canonical genome; a last norm that is none is no layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mnas_moo.spaces.cells import CONVS, NORMS, SELECT, kernel_of
from mnas_moo.spaces.choice_space import ChoiceSpace
from mnas_moo.spaces.dppnet_settings import DppNetSettings
from mnas_moo.spaces.growth import Growth
from mnas_moo.spaces.spec import Layer, NetworkSpec

LENGTH = "length"
"""The parameter that says how many layers a cell has; there is none where all have the same number."""

_PARTS = ("input_shape", "stem", "head", "classes", "dropout", "activation", "epsilon", "layers")


class DppNetSpace(ChoiceSpace[DppNetSettings]):
    """The cells of a CondenseNet.

    >>> from mnas_moo.spaces.dppnet import DppNetSpace
    >>> space = DppNetSpace(preset="cifar")
    >>> list(space.distributions), space.distributions["layer1.norm"].choices
    (['length', 'layer1.norm', 'layer2.conv', 'layer3.norm', 'layer4.conv'], ('bnrelu', 'bn', 'identity'))
    >>> space.spec(space.genome(("bnrelu", "learned1x1", "bnrelu", "group3x3"))).parameters  # CondenseNet-86
    520202
    """

    settings_type = DppNetSettings

    @property
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""
        return "dppnet"

    def spec(self, params: Mapping[str, Any]) -> NetworkSpec:
        """The network of a genome.

        Raises:
            ValueError: a parameter is missing, unknown, or not one of its choices; the message names it.
        """
        return self._network(self.cell(params))

    def params(self, spec: NetworkSpec) -> dict[str, Any]:
        """The canonical genome of a network.

        Raises:
            ValueError: the network is no member of the space.
        """
        theirs = spec.canonical()
        cell = theirs.layers[0].cell if theirs.layers else ()
        try:
            genome = self.genome(cell)
        except ValueError as error:
            raise ValueError(f"the network is no member of space {self.name}: its first layer: {error}") from error
        ours = self._network(cell)
        for part in _PARTS:
            if getattr(ours, part) != getattr(theirs, part):
                raise ValueError(
                    f"the network is no member of space {self.name}: its {part} differ from the space's for this cell"
                )
        return genome

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The representative of all genomes that mean this network; choices without effect are the first ones.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        return self.genome(self.cell(params))

    def features(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Numbers that say more of a genome's network than its choices: those of ``summary``, and some of its cell.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        cell = self.cell(params)
        return {
            **super().features(params),
            "convolutions": float(sum(step in CONVS for step in cell)),
            "norms": float(sum(NORMS.get(step) is not None for step in cell)),
            "relus": float(cell.count("bnrelu")),
        }

    @property
    def growth(self) -> Growth:
        """The order of growth: the layers of the shortest cell, then a layer a step."""
        s = self.settings
        names = [name for name in self._distributions if name != LENGTH]
        steps = [names[: s.shortest], *([name] for name in names[s.shortest :])]
        if LENGTH not in self._distributions:
            return Growth.of(self._distributions, [[name] for name in names])
        return Growth(
            tuple({name: self._distributions[name] for name in step} for step in steps),
            length=(LENGTH, self._distributions[LENGTH]),
            lengths=tuple(range(s.shortest, s.longest + 1)),
            whole=True,
        )

    def covering(self) -> Iterator[NetworkSpec]:
        """A network for each cell: each gives layers of its own."""
        for length in range(self.settings.shortest, self.settings.longest + 1):
            for cell in itertools.product(*(_choices_at(i) for i in range(length))):
                if self._stripped(cell) == cell:
                    yield self._network(cell)

    def cell(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The layers of a genome's cell that have an effect.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        genome = self._genome(params)
        length, layers = (genome[0], genome[1:]) if LENGTH in self._values else (self.settings.longest, genome)
        return self._stripped(layers[:length])

    def genome(self, cell: Sequence[str]) -> dict[str, Any]:
        """The canonical genome of a cell.

        Raises:
            ValueError: it is no cell of the space.
        """
        s = self.settings
        if not s.shortest <= len(cell) <= s.longest:
            raise ValueError(f"a cell has {s.shortest} to {s.longest} layers, not {len(cell)}")
        cell = self._stripped(tuple(cell))
        layers = [cell[i] if i < len(cell) else _choices_at(i)[0] for i in range(s.longest)]
        values = [len(cell), *layers] if LENGTH in self._values else layers
        genome = dict(zip(self._values, values, strict=True))
        self._genome(genome)
        return genome

    def _stripped(self, cell: tuple[str, ...]) -> tuple[str, ...]:
        shorter = cell[-1] == "identity" and len(cell) > self.settings.shortest
        return cell[:-1] if shorter else cell

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        s = self.settings
        layers = {f"layer{i + 1}.{'conv' if i % 2 else 'norm'}": _choices_at(i) for i in range(s.longest)}
        return layers if s.shortest == s.longest else {LENGTH: tuple(range(s.shortest, s.longest + 1)), **layers}

    def _network(self, cell: tuple[str, ...]) -> NetworkSpec:
        s = self.settings
        channels = s.scaled(s.stem)
        stem = Layer("bare", s.channels, channels, 3, s.stem_stride, skip="none")
        layers: list[Layer] = []
        for stage, (cells, growth) in enumerate(zip(s.cells, s.growth, strict=True)):
            layer = Layer(
                "cell",
                channels,
                channels + s.scaled(growth),
                kernel_of(cell),
                1 if stage == 0 else 2,
                s.expansion,
                skip="dense",
                groups=s.groups,
                cell=cell,
            )
            for _ in range(cells):
                layers.append(layer)
                layer = layer.again
            channels = layers[-1].out_channels
        features = max(1, int(channels * s.features))
        last = ("bnrelu",) if features == channels else ("bnrelu", SELECT)
        layers.append(Layer("cell", channels, features, 1, skip="none", cell=last))
        return NetworkSpec(
            input_shape=(s.channels, s.resolution, s.resolution),
            stem=stem,
            layers=tuple(layers),
            head=0,
            classes=s.classes,
            dropout=float(s.dropout),
            epsilon=float(s.epsilon),
        )


def _choices_at(place: int) -> tuple[str, ...]:
    return tuple(CONVS) if place % 2 else tuple(NORMS)
