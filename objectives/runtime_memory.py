"""The objective ``memory_mb``: how much memory the runtime takes for a network, measured on a device.

It comes with the latency of the same device: who times a network loads and runs it, and says what that took. So a
network is run once for both. The counted ``peak_memory_mb`` knows only activations, as the papers count them; here is
what a process really grows by: the weights, mapped and packed, the runtime's own code and buffers as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from mnas_moo.objectives.objective import JSON, DeviceError, Direction, Latency, Measurement
from mnas_moo.spaces.spec import NetworkSpec

MEMORY = "memory_mb"
"""The detail of a latency that is the value."""
_DETAILS = ("memory_init_mb", "memory_allocated_mb", "invocations", "backend", "cpu", "serial", "model", "runtime")
_DEVICE = ("program", "threads", "cores", "virtual")


class RuntimeMemory:
    """The objective ``memory_mb``: the most memory that a process takes to load and run a network, in 10^6 bytes.

    >>> import contextlib
    >>> from mnas_moo.objectives import HostLatency, RuntimeMemory
    >>> from mnas_moo.spaces import network
    >>> with contextlib.closing(HostLatency(maximum_seconds=0.1, memory=True)) as latency:
    ...     memory = RuntimeMemory(latency)
    ...     small, large = (memory.measure(network("mnasnet-small", resolution=96, width=w), 0) for w in (1, 2))
    >>> small.value < large.value
    True

    The details of a measurement: ``memory_init_mb`` (the same before the first run), ``memory_allocated_mb`` (without
    what is mapped from files; on this machine only), and of the device what the latency's details say.

    Args:
        latency: what measures: a ``HostLatency`` with ``memory``, or an ``AdbLatency``.
    """

    name = MEMORY
    direction: Direction = "minimize"

    def __init__(self, latency: Latency) -> None:
        self.latency = latency

    @property
    def device(self) -> Mapping[str, JSON]:
        """What networks are measured on; see ``Latency.device``."""
        return self.latency.device

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """The memory for ``spec``, of the measurement that its latency has too.

        Raises:
            ValueError: the device cannot run this network.
            DeviceError: the device does not say how much memory it took, hence for no other network either.
        """
        details = self.latency.measure(spec, seed).details
        value = details.get(MEMORY)
        if not isinstance(value, int | float):
            program = details.get("program") or self.latency.device.get("runtime")
            raise DeviceError(
                f"{self.latency.device.get('model')}: {program} does not say how much memory it takes; builds of "
                "benchmark_model since 2020 do: `mnas-moo devices --install` brings one"
            )
        return Measurement(float(value), {key: details[key] for key in (*_DETAILS, *_DEVICE) if key in details})

    def close(self) -> None:
        """Closes what measures, as its latency does: more than once does no harm."""
        self.latency.close()
