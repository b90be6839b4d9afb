"""Where latency comes from, by the names that study files and the command line use.

Every source is a ``Latency`` of ``mnas_moo.objectives.objective``: devices that measure (this machine, a GPU, phones)
and the lookup tables that were measured on one. Each is imported only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mnas_moo.study_file.measuring import Measured

if TYPE_CHECKING:
    from mnas_moo.objectives.objective import Latency


def in_visits(settings: Measured) -> Measured:
    """The same source with short measurements, as a lookup table takes them: many short visits vary less."""
    from mnas_moo.objectives.lookup.build import VISIT_SECONDS

    kind, chosen = settings.chosen
    if kind == "adb" or "maximum_seconds" in chosen.model_fields_set:
        return settings
    return settings.model_copy(update={kind: chosen.model_copy(update={"maximum_seconds": VISIT_SECONDS})})


def make(settings: Measured, report: Callable[[str], None], *, memory: bool = False) -> Latency:
    """The source of latency that a study file describes.

    Args:
        settings: name and settings of the source; not a predictor, which needs a study (see ``network_trials``).
        report: function that is called with one line about what is waited for.
        memory: whether this machine is to measure the memory of the runtime too; phones do in any case.

    Raises:
        ValueError: a setting, or a table's file, cannot be used.
        MissingExtraError: a package is not installed.
    """
    kind, chosen = settings.chosen
    arguments = chosen.model_dump()
    if kind == "adb":
        from mnas_moo.objectives.phone.latency import AdbLatency

        return AdbLatency(**arguments, report=report)
    if kind == "lut":
        from mnas_moo.objectives.lookup.latency import LutLatency

        return LutLatency(arguments["file"])
    if kind == "cuda":
        from mnas_moo.objectives.host.cuda import CudaLatency

        return CudaLatency(**arguments)
    from mnas_moo.objectives.host.latency import HostLatency, OnnxLatency

    return OnnxLatency(**arguments) if kind == "onnxruntime" else HostLatency(**arguments, memory=memory)
