"""What is measured of a specification: accuracy, latency, memory, counts.

The public names are loaded when first used: training needs torch, phones need adbutils.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from mnas_moo.objectives.counts import Count as Count
    from mnas_moo.objectives.front import hypervolume as hypervolume
    from mnas_moo.objectives.front import pareto_mask as pareto_mask
    from mnas_moo.objectives.host.cuda import CudaLatency as CudaLatency
    from mnas_moo.objectives.host.latency import HostLatency as HostLatency
    from mnas_moo.objectives.host.latency import OnnxLatency as OnnxLatency
    from mnas_moo.objectives.lookup.latency import LutLatency as LutLatency
    from mnas_moo.objectives.lookup.lookup_table import LookupTable as LookupTable
    from mnas_moo.objectives.objective import Latency as Latency
    from mnas_moo.objectives.objective import Measurement as Measurement
    from mnas_moo.objectives.objective import Objective as Objective
    from mnas_moo.objectives.phone.latency import AdbLatency as AdbLatency
    from mnas_moo.objectives.predictor.predictor import LatencyPredictor as LatencyPredictor
    from mnas_moo.objectives.runtime_memory import RuntimeMemory as RuntimeMemory
    from mnas_moo.objectives.tabular.problem import TabularProblem as TabularProblem
    from mnas_moo.objectives.tabular.published import bench_table as bench_table
    from mnas_moo.objectives.tabular.rows import read_table as read_table
    from mnas_moo.objectives.training.accuracy import Accuracy as Accuracy
    from mnas_moo.objectives.training.data import load_data as load_data

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "counts": ["Count"],
        "front": ["hypervolume", "pareto_mask"],
        "host.cuda": ["CudaLatency"],
        "host.latency": ["HostLatency", "OnnxLatency"],
        "lookup.latency": ["LutLatency"],
        "lookup.lookup_table": ["LookupTable"],
        "objective": ["Latency", "Measurement", "Objective"],
        "phone.latency": ["AdbLatency"],
        "predictor.predictor": ["LatencyPredictor"],
        "runtime_memory": ["RuntimeMemory"],
        "tabular.problem": ["TabularProblem"],
        "tabular.published": ["bench_table"],
        "tabular.rows": ["read_table"],
        "training.accuracy": ["Accuracy"],
        "training.data": ["load_data"],
    },
)
