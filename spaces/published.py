"""Published networks as others are compared with them: their graphs, and what was printed of them.

Times are those of a Pixel 1's big core, one thread: of Tan et al. 2019 (MnasNet, tables 1, 2 and 4), and of the README
of tensorflow/models research/slim/nets/mobilenet. Each has MobileNetV2's beside it, since the two differ by 2 %.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.nasnet import nasnet_a_mobile
from mnas_moo.spaces.networks import NETWORKS, network
from mnas_moo.spaces.resnet import resnet50
from mnas_moo.spaces.spec import NetworkSpec

YARDSTICK = "mobilenetv2"
"""The network whose time the others' are divided by."""

_MNASNET, _SLIM = "Tan et al. 2019", "tensorflow/models, slim/nets/mobilenet"
_YARDSTICK_MS = {_MNASNET: 75.0, _SLIM: 73.8}


@dataclass(frozen=True)
class Printed:
    """What was printed of a network; None where nothing was.

    Attributes:
        parameters_m: parameters, in millions.
        multiply_adds_m: multiply-adds, in millions.
        counted_by: who printed the counts.
        pixel1_ms: time on a Pixel 1, in milliseconds.
        timed_by: who printed the time, a key of the yardstick's times.
    """

    parameters_m: float | None = None
    multiply_adds_m: float | None = None
    counted_by: str | None = None
    pixel1_ms: float | None = None
    timed_by: str | None = None

    @property
    def ratio(self) -> float | None:
        """The time over that of MobileNetV2 in the same source."""
        return self.pixel1_ms / _YARDSTICK_MS[self.timed_by] if self.pixel1_ms and self.timed_by else None


@dataclass(frozen=True)
class Claim:
    """That one network takes so many times as long as another.

    Attributes:
        slower: name of the one, as ``published`` takes it.
        faster: name of the other.
        times: the ratio that was printed.
    """

    slower: str
    faster: str
    times: float


CLAIMS = (Claim("mobilenetv2-1.4", "mnasnet-a1", 1.8), Claim("nasnet-a", "mnasnet-a1", 2.3))
"""Those of Tan et al. 2019 (abstract)."""

_GRAPHS: dict[str, Callable[[], NetworkSpec | Fragment]] = {
    YARDSTICK: lambda: network(YARDSTICK),
    "mobilenetv2-1.4": lambda: network(YARDSTICK, width=1.4),
    "mobilenetv3-large": mobilenet_v3_large,
    "mobilenetv3-small": mobilenet_v3_small,
    "mnasnet-a1": lambda: network("mnasnet-a1"),
    "mnasnet-b1": lambda: network("mnasnet-b1"),
    "mnasnet-small": lambda: network("mnasnet-small"),
    "nasnet-a": nasnet_a_mobile,
    "resnet-50": resnet50,
}

COMPARED = tuple(_GRAPHS)
"""The names that are compared where none is asked for."""

_PRINTED = {
    YARDSTICK: Printed(3.4, 300, "Sandler et al. 2018", 75.0, _MNASNET),
    "mobilenetv2-1.4": Printed(6.06, 582, _SLIM, 138.0, _SLIM),
    "mobilenetv3-large": Printed(5.483032, 217, "torchvision", 51.2, _SLIM),
    "mobilenetv3-small": Printed(2.542856, 57, "torchvision", 15.8, _SLIM),
    "mnasnet-a1": Printed(3.9, 312, _MNASNET, 78.0, _MNASNET),
    "mnasnet-b1": Printed(4.38, None, "timm", 77.0, _MNASNET),
    "mnasnet-small": Printed(2.0, 68, _MNASNET, 23.2, _MNASNET),
    "nasnet-a": Printed(5.3, 564, "Zoph et al. 2018", 183.0, _MNASNET),
    "resnet-50": Printed(25.557032, 4089, "torchvision"),
}


def published(name: str) -> NetworkSpec | Fragment:
    """A published network, for images of 224 x 224 pixels and 1,000 classes unless its name says otherwise.

    >>> from mnas_moo.spaces.published import printed, published
    >>> published("ResNet-50").parameters, printed("resnet-50").parameters_m
    (25557032, 25.557032)

    Args:
        name: one of ``COMPARED`` or of ``NETWORKS``, in any case.

    Raises:
        ValueError: an unknown name.
    """
    key = name.lower()
    make = _GRAPHS.get(key) or (functools.partial(network, key) if key in NETWORKS else None)
    if make is None:
        raise unknown("network", name, dict.fromkeys((*COMPARED, *NETWORKS)))
    return make()


def printed(name: str) -> Printed:
    """What was printed of a network; of FBNets and MnasNet-d1 nothing that could be compared.

    >>> printed("nasnet-a").ratio
    2.44
    """
    return _PRINTED.get(name.lower(), Printed())
