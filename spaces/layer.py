"""One layer of a network, as a search chooses it; ``spec`` lowers it to the operations that are run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mnas_moo.spaces import cells

OPERATIONS = ("conv", "bare", "basic", "mbconv", "cell")
"""The kinds of layers; ``spec.LAYERS`` says what each is lowered to."""

SKIPS = ("identity", "pooling", "dense", "none")


@dataclass(frozen=True)
class Layer:
    """One layer: one of ``OPERATIONS`` and its settings.

    >>> from mnas_moo.spaces.spec import Layer
    >>> Layer("mbconv", 16, 24, kernel=3, stride=2, expansion=6).effective_skip
    'none'

    Attributes:
        operation: "conv" (regular convolution), "bare" (one without norm and activation), "basic" (two, one after the
            other), "mbconv" (mobile inverted bottleneck; with expansion 1 it is the depthwise-separable convolution,
            SepConv) or "cell".
        in_channels: number of input channels.
        out_channels: number of output channels.
        kernel: height and width of the kernel; odd. Of a cell it is ``cells.kernel_of``.
        stride: step of the kernel; a cell averages its input over as many pixels first.
        expansion: width of an mbconv's depthwise part over that of its input; 1 for convolutions. Of a cell, see
            ``cells``.
        groups: groups of both 1x1 convolutions of an mbconv, and of a cell's; 1 for convolutions.
        se_ratio: squeeze-and-excite width over the layer's *input* channels, as the official code has it; 0: none.
        skip: tensor that is added to the result: the input ("identity"; only at stride 1 and equal channels), its
            3x3 average at the layer's stride ("pooling"; only at equal channels), or nothing ("none"). It is
            kept as chosen; ``effective_skip`` is what is done. "dense", for cells: the input, averaged at a stride, and
            the result side by side; out_channels are those of both.
        cell: the steps of a cell, from ``cells``; empty for other layers.
        beside: layers of the same input, channels and stride whose results are added to this one's (a cell of InstaNAS'
            meta-graph); they have none themselves.
    """

    operation: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    expansion: int = 1
    se_ratio: float = 0.0
    skip: str = "identity"
    groups: int = 1
    cell: tuple[str, ...] = ()
    beside: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation is {self.operation!r}; allowed: {', '.join(OPERATIONS)}")
        if self.skip not in SKIPS:
            raise ValueError(f"skip is {self.skip!r}; allowed: {', '.join(SKIPS)}")
        for name in ("in_channels", "out_channels", "kernel", "stride", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be odd")
        for name in ("expansion", "groups"):
            if self.operation not in ("mbconv", "cell") and getattr(self, name) != 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a {self.operation} has none (1)")
        if self.groups < 1 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"groups is {self.groups}; it must divide in_channels {self.in_channels} and out_channels "
                f"{self.out_channels}"
            )
        if not 0 <= self.se_ratio <= 1:
            raise ValueError(f"se_ratio is {self.se_ratio}; it must be between 0 and 1")
        if self.operation == "cell":
            self._check_cell()
        elif self.cell or self.skip == "dense":
            raise ValueError(f"cell is {self.cell}, skip {self.skip!r}; only a cell has steps or a dense skip")
        for other in self.beside:
            for name in ("in_channels", "out_channels", "stride"):
                if getattr(other, name) != getattr(self, name):
                    raise ValueError(
                        f"a layer beside has {name} {getattr(other, name)}; it must have {getattr(self, name)}, since "
                        "the results are added"
                    )
            if other.beside:
                raise ValueError("a layer beside another one has layers beside it; name all of them beside the first")

    def _check_cell(self) -> None:
        cells.check(self.cell)
        if self.kernel != cells.kernel_of(self.cell):
            raise ValueError(f"kernel is {self.kernel}; that of this cell is {cells.kernel_of(self.cell)}")
        if self.se_ratio or self.skip not in ("dense", "none"):
            raise ValueError(f"a cell has no se_ratio, and skip dense or none, not {self.se_ratio} and {self.skip!r}")
        if self.new_channels < 1:
            raise ValueError(
                f"out_channels is {self.out_channels}; with a dense skip it must be above in_channels, "
                f"{self.in_channels}"
            )
        if not set(self.cell) - set(cells.NORMS) and self.new_channels != self.in_channels:
            raise ValueError(f"a cell of norms gives the {self.in_channels} channels it takes, not {self.new_channels}")

    @property
    def new_channels(self) -> int:
        """Channels of the result itself, without those of the input that a dense skip puts beside them."""
        return self.out_channels - self.in_channels if self.skip == "dense" else self.out_channels

    @property
    def again(self) -> Layer:
        """The layer that follows this one in a block of equal layers."""
        return dataclasses.replace(
            self,
            in_channels=self.out_channels,
            out_channels=self.out_channels + (self.new_channels if self.skip == "dense" else 0),
            stride=1,
            beside=tuple(other.again for other in self.beside),
        )

    @property
    def modules(self) -> tuple[Layer, ...]:
        """The layers whose results are added: this one alone, and each of those beside it."""
        return dataclasses.replace(self, beside=()), *self.beside

    def canonical(self) -> Layer:
        """The same layer with ``effective_skip`` as its skip, and as that of those beside it."""
        beside = tuple(other.canonical() for other in self.beside)
        return dataclasses.replace(self, skip=self.effective_skip, beside=beside)

    @property
    def effective_skip(self) -> str:
        """The skip that is done: none where the chosen one does not fit the shapes, as in the official code."""
        if self.skip == "dense":
            return "dense"
        if self.in_channels != self.out_channels or (self.skip == "identity" and self.stride != 1):
            return "none"
        return self.skip
