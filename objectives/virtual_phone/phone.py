"""One virtual phone: what adbd is on a real one, with the state of the phone around it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import posixpath
import random
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from mnas_moo.objectives.virtual_phone.benchmark_service import INTERRUPT_SECONDS, BenchmarkService
from mnas_moo.objectives.virtual_phone.connection import Connection, Service, Stream
from mnas_moo.objectives.virtual_phone.event import Event
from mnas_moo.objectives.virtual_phone.faults import Fault, Faults
from mnas_moo.objectives.virtual_phone.files import FileService
from mnas_moo.objectives.virtual_phone.image import STATE, Image, State
from mnas_moo.objectives.virtual_phone.models import MODELS
from mnas_moo.objectives.virtual_phone.protocol import EXIT, FEATURES, shell_packet
from mnas_moo.objectives.virtual_phone.server import Port
from mnas_moo.objectives.virtual_phone.shell import Command

T = TypeVar("T")

_ADDRESS = "127.0.0.1"
_BANNER = ("ro.product.name", "ro.product.model", "ro.product.device")  # what adb devices -l tells
_BATTERY_C, _CPU_C = 27.0, 34.0  # temperatures of a phone at rest
_HEAT_C = 26.0  # how much warmer the cores of a phone are that throttles as much as it can
_UPTIME_SECONDS = 7200.0
_STATE_SECONDS = 0.2  # how often the state files are written while commands run


class VirtualPhone:
    """One phone; ``VirtualPhones`` makes them. What has no underscore may be used from any thread.

    Attributes:
        serial: adb's name for it: address and port.
        log: what the phone did, in order.
        time_factor: how many times longer than on this machine an inference takes; may be set.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        port: Port,
        worker_address: Path,
        latency_ms: Callable[[bytes], float] | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.serial = f"{_ADDRESS}:{port.number}"
        self.log: list[Event] = []
        self._port = port
        self._model = self._own_model = MODELS[model]
        self.time_factor = self._model.time_factor
        self._image = Image(folder, self._model, self.serial)
        self._loop = loop
        self._faults = Faults()
        self._benchmark_service = BenchmarkService(
            folder,
            self._faults,
            self._note,
            self._factor,
            self._interrupted_soon,
            worker_address,
            latency_ms,
            random.Random(port.number),  # noqa: S311 - noise of times
        )
        self._ahead_s = 0.0  # how far its clock is ahead of this machine's
        self._started = self._now() - _UPTIME_SECONDS
        self._boot_id = str(uuid.uuid4())
        self._heat, self._heat_time, self._cooling_seconds = 0.0, 0.0, 1.0
        self._throttling_factor = 1.0
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._benchmarks: asyncio.Server | None = None
        self._return: asyncio.TimerHandle | None = None
        self._returning = asyncio.Lock()

    @property
    def model(self) -> str:
        """What it says it is."""
        return self._model.name

    @property
    def root(self) -> Path:
        """The folder that is the phone's ``/``."""
        return self._image.root

    def files(self) -> list[str]:
        """What lies in /data/local/tmp, as paths below it, in order."""
        return self._image.files()

    def fault(self, name: str, times: int | None = None, **settings: Any) -> None:
        """Switches a fault on; the package's docstring lists them.

        Args:
            name: name of the fault.
            times: number of operations it affects; None: all until it is cleared.
            settings: settings of the fault.

        Raises:
            ValueError: no such fault or setting, or a value out of range.
        """
        if name == "another_model" and settings.get("model", "Pixel 4") not in MODELS:
            raise ValueError(f"no model is called {settings['model']!r}; there are {', '.join(MODELS)}")
        self._on_loop(self._begin_fault(self._faults.add(name, times, settings)))

    def clear(self, name: str | None = None) -> None:
        """Switches a fault off, or all.

        A phone that is offline comes back, a hot one is cold, one of another model is itself again.
        """
        self._faults.remove(name)
        self._on_loop(self._mend(name))

    def pass_time(self, seconds: float) -> None:
        """Sets the phone's clock ahead, for tests of what takes time: it has run and cooled for so much longer."""
        self._ahead_s += seconds

    async def start(self) -> None:
        """Listens for adb servers and for its own benchmarks."""
        self._show_state()
        socket_path = self.root / STATE / "benchmark.socket"
        self._benchmarks = await asyncio.start_unix_server(self._benchmark_service.serve, socket_path)
        await self._come_back()

    async def stop(self) -> None:
        """Goes off and stays off; its tasks end by themselves."""
        self._go_offline(math.inf)
        if self._benchmarks:
            self._benchmarks.close()
        self._kill_processes()
        self._port.give_back()

    # Its faults.

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _begin_fault(self, fault: Fault) -> None:
        if fault.name in ("offline", "reboot") and fault["during"] is None:
            self._faults.discard(fault)
            self._interrupt(fault)
        elif fault.name == "unauthorized":
            self._drop()
        elif fault.name == "another_model":
            self._become(fault["model"])

    async def _mend(self, name: str | None) -> None:
        if name in (None, "throttling"):
            self._heat = 0.0
        if name in (None, "another_model") and self._model is not self._own_model:
            self._become(self._own_model.name)
        if name in (None, "unauthorized"):
            for connection in self._connections:
                connection.authorize()
        if name in (None, "offline", "reboot"):
            await self._come_back()

    def _become(self, model: str) -> None:
        """Another phone is plugged in under the same serial."""
        self._model = MODELS[model]
        self._image.become(self._model, self.serial)
        self._drop()

    def _interrupt(self, fault: Fault) -> None:
        if fault.name == "reboot":
            self._go_offline(fault["seconds"])
            self._kill_processes()
            self._started, self._boot_id, self._heat = self._now(), str(uuid.uuid4()), 0.0
        else:
            self._go_offline(fault["seconds"])

    def _interrupted(self, during: str) -> bool:
        for name in ("offline", "reboot"):
            if fault := self._faults.take(name, during):
                self._interrupt(fault)
                return True
        return False

    def _go_offline(self, seconds: float) -> None:
        if self._server:
            self._server.close()
            self._server = None
        self._drop()
        if self._return:
            self._return.cancel()
            self._return = None
        if seconds < math.inf:
            self._return = self._loop.call_later(seconds, lambda: self._loop.create_task(self._come_back()))

    async def _come_back(self) -> None:
        async with self._returning:
            if self._return:
                self._return.cancel()
                self._return = None
            if self._server is None:
                self._server = await asyncio.start_server(self._accept, _ADDRESS, self._port.number)

    def _drop(self) -> None:
        for connection in list(self._connections):
            connection.drop()

    def _kill_processes(self) -> None:
        """Kills all that runs on the phone, as the power does: whatever has its environment."""
        mark = f"ANDROID_DATA={self.root}/data\0".encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (folder / "environ").read_bytes():
                        os.kill(int(folder.name), signal.SIGKILL)

    def _interrupted_soon(self) -> bool:
        if any(self._faults.active(name, "run") for name in ("offline", "reboot")):
            self._loop.call_later(INTERRUPT_SECONDS, self._interrupted, "run")
            return True
        return False

    # What it tells about itself.

    def _now(self) -> float:
        return time.monotonic() + self._ahead_s

    def _heat_now(self) -> float:
        return self._heat * math.exp((self._heat_time - self._now()) / self._cooling_seconds)

    def _factor(self, mask: str | None) -> float:
        """How many times longer than on this machine a run takes that starts now."""
        factor = self.time_factor
        frequencies = self._model.core_frequencies
        if mask is not None:
            allowed = [frequency for core, frequency in enumerate(frequencies) if int(mask, 16) >> core & 1]
            factor *= max(frequencies) / max(allowed)
        if fault := self._faults.take("busy"):
            factor *= fault["factor"]
        if fault := self._faults.take("throttling"):
            self._cooling_seconds, self._throttling_factor = fault["cooling_seconds"], fault["factor"]
            self._heat, self._heat_time = min(1.0, self._heat_now() + fault["rise"]), self._now()
        return factor * (1 + self._heat_now() * (self._throttling_factor - 1))

    def _show_state(self) -> None:
        heat, stuck = self._heat_now(), self._faults.active("never_cools")
        low = self._faults.active("battery_low")
        self._image.show(
            State(
                uptime_seconds=self._now() - self._started,
                boot_id=self._boot_id,
                battery_c=stuck["temperature_c"] if stuck else _BATTERY_C + heat * _HEAT_C / 2,
                cpu_c=stuck["temperature_c"] if stuck else _CPU_C + heat * _HEAT_C,
                frequency_factor=1 / (1 + heat * (self._throttling_factor - 1)),
                busy_share=0.9 if self._faults.active("busy") else 0.03,
                screen_on=self._faults.active("screen_on") is not None,
                battery_level=low["level"] if low else 100,
            )
        )

    async def _keep_showing_state(self) -> None:
        while True:
            self._show_state()
            await asyncio.sleep(_STATE_SECONDS)

    # What adbd does.

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_port = writer.get_extra_info("peername")[1]
        if not await asyncio.to_thread(of_this_user, their_port, self._port.number):  # the system's table can be long
            writer.transport.abort()
            return
        properties = self._model.properties(self.serial)
        about = "".join(f"{name}={properties[name]};" for name in _BANNER)
        banner = f"device::{about}features={','.join(FEATURES)}"
        connection = Connection(reader, writer, banner.encode(), self._service)
        if not self._faults.take("unauthorized"):
            connection.authorize()
        self._connections[connection] = asyncio.create_task(connection.serve())
        try:
            await self._connections[connection]
        finally:
            del self._connections[connection]

    def _service(self, name: bytes) -> Service | None:
        kind, _, argument = name.partition(b":")
        words = kind.split(b",")
        if words[0] == b"shell":
            if not argument and b"pty" in words:  # a terminal of its own would be needed, with echo and line editing
                argument = b"echo 'a virtual phone has no interactive shell; use: adb shell COMMAND' >&2; exit 1"
            return lambda stream: self._shell(stream, argument, 2 if b"v2" in words else 1)
        if words[0] == b"exec":
            return lambda stream: self._shell(stream, argument, 1)
        if words[0] == b"sync":
            return FileService(self._host_path, _Watcher(self)).serve
        if words[0] == b"reboot":
            return self._reboot
        return None

    async def _reboot(self, stream: Stream) -> None:
        del stream
        self._interrupt(Faults().add("reboot", None, {}))

    def _host_path(self, path: bytes) -> Path:
        return self.root / os.fsdecode(posixpath.normpath(b"/" + path).lstrip(b"/"))

    async def _shell(self, stream: Stream, text: bytes, version: int) -> None:
        event = self._note("shell", os.fsdecode(text))
        self._show_state()
        environment, preamble, replacements = self._image.environment, b"", {}
        for fault, condition, reason in (
            (self._faults.active("disk_full"), "full", errno.ENOSPC),
            (self._faults.active("permission_denied", "push"), "forbidden", errno.EACCES),
        ):
            if fault:
                environment["PATH"] = f"{self.root}/{STATE}/{condition}:{environment['PATH']}"
                preamble = b"trap '' XFSZ; ulimit -f 0; "  # files cannot grow
                replacements = {os.strerror(errno.EFBIG).encode(): os.strerror(reason).encode()}
        command = Command(text, version, self._image.shell, self.root, environment, preamble, replacements)
        showing = asyncio.create_task(self._keep_showing_state())
        code: int | str = "killed"
        try:
            code = await command.serve(stream)
        finally:
            showing.cancel()
            event.finish(code)
        if version == 2:
            await stream.write(shell_packet(EXIT, bytes([code])))

    def _note(self, kind: str, text: str) -> Event:
        event = Event(kind, text, time.monotonic())
        self.log.append(event)
        return event


class _Watcher:
    """Notes pushes and pulls of one stream, and applies faults to them."""

    def __init__(self, phone: VirtualPhone) -> None:
        self._phone = phone
        self._event: Event | None = None
        self._full: Fault | None = None

    def push_starts(self, path: bytes) -> None:
        phone = self._phone
        self._event = phone._note("push", os.fsdecode(path))
        if phone._faults.take("permission_denied", "push"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._full = phone._faults.take("disk_full")

    def push_continues(self, path: bytes) -> None:
        del path
        if self._phone._interrupted("push"):
            raise ConnectionError("the phone is gone")
        if self._full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def push_ends(self, path: bytes, failure: str | None) -> None:
        del path
        if self._event:
            self._event.finish(failure or "")

    def pulled(self, path: bytes, failure: str | None) -> None:
        self._phone._note("pull", os.fsdecode(path)).finish(failure or "")


def of_this_user(their_port: int, our_port: int) -> bool:
    """Whether the loopback connection between two ports was made by this user (or root): others get no shell."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        return True
    address = int.from_bytes(socket.inet_aton(_ADDRESS), sys.byteorder)
    _, _, fields = table.read_text(encoding="ascii").partition(
        f": {address:08X}:{their_port:04X} {address:08X}:{our_port:04X} "
    )
    return bool(fields) and int(fields.split()[4]) in (os.getuid(), 0)
