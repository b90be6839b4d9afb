"""What is measured of a specification: accuracy, latency, counts.

The public names are loaded when first used: training needs torch, phones need adbutils.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from mnas_moo.objectives.counts import Count as Count
    from mnas_moo.objectives.host.latency import HostLatency as HostLatency
    from mnas_moo.objectives.objective import Latency as Latency
    from mnas_moo.objectives.objective import Measurement as Measurement
    from mnas_moo.objectives.objective import Objective as Objective
    from mnas_moo.objectives.phone.latency import AdbLatency as AdbLatency
    from mnas_moo.objectives.training.accuracy import Accuracy as Accuracy
    from mnas_moo.objectives.training.data import load_data as load_data

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "counts": ["Count"],
        "host.latency": ["HostLatency"],
        "objective": ["Latency", "Measurement", "Objective"],
        "phone.latency": ["AdbLatency"],
        "training.accuracy": ["Accuracy"],
        "training.data": ["load_data"],
    },
)
