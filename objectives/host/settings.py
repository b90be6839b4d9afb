"""Settings of latency on this machine, without its runtimes."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnas_moo.objectives.settings import COUNT, POSITIVE, SHARE, DataType


@dataclass(frozen=True)
class HostSettings:
    """How ``latency.HostLatency`` measures.

    Attributes:
        threads: LiteRT's threads, each with a core; more than one is timed by the wall clock.
        data_type: "float32", or "int8": weights and activations are 8-bit integers, as quantised networks run.
        precision: largest half-width of the median's 95 % confidence interval, as a share of the median; runs are
            repeated until it is reached.
        maximum_seconds: time limit of the timed runs, in seconds; at least 10 runs are made in any case.
    """

    threads: int = field(default=1, metadata=COUNT)
    data_type: DataType = "float32"
    precision: float = field(default=0.02, metadata=SHARE)
    maximum_seconds: float = field(default=5.0, metadata=POSITIVE)


@dataclass(frozen=True)
class OnnxSettings:
    """How ``latency.OnnxLatency`` measures; see ``HostSettings``."""

    threads: int = field(default=HostSettings.threads, metadata=COUNT)
    precision: float = field(default=HostSettings.precision, metadata=SHARE)
    maximum_seconds: float = field(default=HostSettings.maximum_seconds, metadata=POSITIVE)


@dataclass(frozen=True)
class CudaSettings:
    """How ``cuda.CudaLatency`` measures; see ``HostSettings``."""

    precision: float = field(default=HostSettings.precision, metadata=SHARE)
    maximum_seconds: float = field(default=HostSettings.maximum_seconds, metadata=POSITIVE)
