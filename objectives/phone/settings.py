"""Settings of latency on phones, without adb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mnas_moo.objectives.settings import COUNT, POSITIVE, SHARE, DataType

Accelerator = Literal["cpu", "gpu", "npu"]
"""What a phone runs networks on."""


@dataclass(frozen=True)
class AdbSettings:
    """Which phones ``latency.AdbLatency`` uses, and how it measures.

    Attributes:
        threads: LiteRT's threads, each on a core of its own, the fastest first.
        data_type: "float32" or "int8".
        accelerator: "cpu", "gpu" or "npu".
        require_full_delegation: whether a network of which the accelerator runs only a part fails.
        model: name of the phones' model, as the phone says it ("Pixel 6"); None: there must be one model only.
        serials: names of the phones, as `adb devices` has them; "host:port" ones are connected to. None: all phones.
        benchmark_model: path of the program for the phone; None: the phone has it in /data/local/tmp.
        precision: largest half-width of the median's 95 % confidence interval, as a share of the median; invocations
            are repeated until it is reached.
        maximum_seconds: time limit of the invocations of one network, in seconds; 5 are made in any case.
        maximum_temperature_c: highest temperature of the battery; a warmer phone cools down first.
        drift: largest change of the reference network's time, as a share; what lies between is measured again.
        time_limit_s: time after which an invocation hangs. The lock of a process that was killed lasts for this
            and 5 s.
        patience_minutes: how long a phone that is there may be too hot, busy, full or failing before it is given up.
    """

    threads: int = field(default=1, metadata=COUNT)
    data_type: DataType = "float32"
    accelerator: Accelerator = "cpu"
    require_full_delegation: bool = False
    model: str | None = None
    serials: list[str] | None = None
    benchmark_model: str | None = None
    precision: float = field(default=0.02, metadata=SHARE)
    maximum_seconds: float = field(default=10.0, metadata=POSITIVE)
    maximum_temperature_c: float = field(default=40.0, metadata=POSITIVE)
    drift: float = field(default=0.05, metadata=SHARE)
    time_limit_s: float = field(default=60.0, metadata=POSITIVE)
    patience_minutes: float = field(default=30.0, metadata=POSITIVE)
