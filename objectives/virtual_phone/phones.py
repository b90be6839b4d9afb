"""Several virtual phones with an adb server of their own: for tests, and for trying things out without a phone."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.virtual_phone import benchmark_worker
from mnas_moo.objectives.virtual_phone.benchmark import PROGRAMS, Program
from mnas_moo.objectives.virtual_phone.image import missing_tools, stand_in
from mnas_moo.objectives.virtual_phone.models import MODELS
from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from mnas_moo.objectives.virtual_phone.server import AdbServer, Port

_START_SECONDS = 30.0

# Cleans up when this process ends, in whatever way: its standard input ends then.
_GUARD = """\
read -r _
"$1" kill-server
for process in /proc/[0-9]*; do
    if grep -q "ANDROID_DATA=$2/" "$process/environ"; then kill -KILL "${process#/proc/}"; fi
done
rm -rf "$2"
"""


class VirtualPhones:
    """Phones, connected to a private adb server, for as long as a ``with`` statement lasts.

    Args:
        count: number of phones.
        models: their models, one name each (default: all "Pixel 6").
        latency_ms: gives the milliseconds of one inference of a model file, in place of running it in LiteRT: for
            tests with known answers. ``time_factor`` and faults apply to it as to a real time.
        program: whose benchmark_model ``benchmark_model`` is: "litert" (LiteRT's own) or "tflite" (TensorFlow Lite's).

    Attributes:
        server: the adb server.
        programs: the stand-in for each of the two programs, a file on this machine; every phone can run both.

    Raises:
        ValueError: an argument is out of range.
        RuntimeError: this is not Linux; or, on entering, something does not start.
        MissingExtraError: adbutils is not installed; or ai-edge-litert, where models are to be run.
    """

    def __init__(
        self,
        count: int = 1,
        models: Sequence[str] | None = None,
        latency_ms: Callable[[bytes], float] | None = None,
        program: Program = "litert",
    ) -> None:
        models = ["Pixel 6"] * count if models is None else list(models)
        if not 1 <= count <= 16 or len(models) != count:
            raise ValueError(f"count is {count} with {len(models)} models; it is from 1 to 16, with a model each")
        if unknown := [model for model in models if model not in MODELS]:
            raise ValueError(f"no model is called {unknown[0]!r}; there are {', '.join(MODELS)}")
        if program not in PROGRAMS:
            raise ValueError(f"program is {program!r}; allowed: {', '.join(PROGRAMS)}")
        if not sys.platform.startswith("linux"):
            raise RuntimeError(
                f"virtual phones need Linux, whose programs are nearly Android's; this is {sys.platform}"
            )
        require("adbutils", extra="phone")
        if latency_ms is None:
            require("ai_edge_litert", extra="host")
        self._models = models
        self._latency_ms = latency_ms
        self._program: Program = program
        self.programs: dict[Program, Path] = {}
        self._phones: list[VirtualPhone] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    @property
    def benchmark_model(self) -> Path:
        """The stand-in for the phones' benchmark_model, to be pushed like the real one."""
        return self.programs[self._program]

    @property
    def port(self) -> int:
        """The adb server's port."""
        return self.server.port

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to use the adb server, and to start another like it."""
        return self.server.environment

    def __len__(self) -> int:
        return len(self._phones)

    def __getitem__(self, index: int) -> VirtualPhone:
        return self._phones[index]

    def __iter__(self) -> Iterator[VirtualPhone]:
        return iter(self._phones)

    def __enter__(self) -> VirtualPhones:
        self._folder = _new_folder()
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            # Under nohup. Programs on a phone would inherit that, but no handler: and this one ignores it, too.
            signal.signal(signal.SIGHUP, lambda *_: None)
        (self._folder / "home").mkdir()
        self.server = AdbServer(self._folder / "home")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual phones", daemon=True)
        self._thread.start()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def connect(self) -> None:
        """Has the adb server connect to all phones, and waits until it says that they are there.

        Raises:
            RuntimeError: one does not get there.
        """
        end = time.monotonic() + _START_SECONDS
        for phone in self._phones:
            # Not `get-state`: for a moment the server takes a phone for connected that is gone.
            while self.server.run("-s", phone.serial, "shell", "true").returncode != 0:
                self.server.run("disconnect", phone.serial)  # else the server waits before it tries again
                answer = self.server.run("connect", phone.serial).stdout.strip()
                if time.monotonic() > end:
                    raise RuntimeError(f"the virtual phone {phone.serial} does not get connected: {answer}")
                time.sleep(0.01)

    def _start(self) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - our own script
            ["/bin/sh", "-c", _GUARD, "guard of virtual phones", self.server.adb, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "HOME": str(self._folder), **self.server.environment},
            start_new_session=True,
        )
        self.server.start()
        for program in PROGRAMS:
            file = self.programs[program] = self._folder / program / "benchmark_model"
            file.parent.mkdir()
            file.write_text(stand_in(program), encoding="utf-8")
            file.chmod(0o755)
        worker_address = self._folder / "worker.socket"
        if self._latency_ms is None:
            with (self._folder / "worker.log").open("wb") as log:
                self._worker = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", benchmark_worker.__name__, str(worker_address)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
                    start_new_session=True,
                )
        for number, model in enumerate(self._models):
            folder = self._folder / f"phone{number}"
            phone = VirtualPhone(folder, model, Port(), worker_address, self._latency_ms, self._loop)
            self._phones.append(phone)
            asyncio.run_coroutine_threadsafe(phone.start(), self._loop).result(_START_SECONDS)
        self.connect()
        end = time.monotonic() + _START_SECONDS
        while self._worker and not worker_address.exists():
            if self._worker.poll() is not None or time.monotonic() > end:
                log_text = (self._folder / "worker.log").read_text(errors="replace")[-500:]
                raise RuntimeError(f"the process that runs models for virtual phones does not start: {log_text}")
            time.sleep(0.01)

    def _stop(self) -> None:
        self.server.close()
        asyncio.run_coroutine_threadsafe(self._stop_phones(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for process in (self._worker, self._guard):
            if process and process.stdin:
                process.stdin.close()
                process.wait()

    async def _stop_phones(self) -> None:
        for phone in self._phones:
            await phone.stop()
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            _, late = await asyncio.wait(tasks, timeout=1)  # what ran on the phones has been killed
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def main(count: int = 1, models: Sequence[str] | None = None, program: Program = "litert") -> None:
    """Starts phones, says how to use them, and keeps them until Ctrl-C or SIGTERM; then nothing of them is left.

    Args:
        count: number of phones.
        models: their models, one name each (default: all "Pixel 6").
        program: whose benchmark_model lies on them.

    Raises:
        ValueError, RuntimeError, MissingExtraError: as ``VirtualPhones``.
    """
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with VirtualPhones(count, models, program=program) as phones:
            if missing := missing_tools():
                print(
                    f"# this machine has no {' and no '.join(missing)}, which Android's commands are run by: bash and "
                    f"coreutils stand in for them (Debian and Ubuntu: apt install {' '.join(missing)})",
                    file=sys.stderr,
                )
            for phone in phones:
                print(f"# {phone.model} at {phone.serial}")
                shutil.copy(phones.benchmark_model, phone.root / "data/local/tmp/benchmark_model")
            print("# Ctrl-C ends them. In another terminal, before `mnas-moo devices`:")
            print(f"export ANDROID_ADB_SERVER_PORT={phones.port}", flush=True)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _new_folder() -> Path:
    """A new folder with a name that needs no quoting and is short enough for sockets."""
    parent = tempfile.gettempdir()
    if not re.fullmatch(r"[\w./-]{1,40}", parent, re.ASCII):
        parent = "/tmp"  # noqa: S108 - the folder itself gets a new name and is for its owner alone
    return Path(tempfile.mkdtemp(prefix="virtual-phones-", dir=parent)).resolve()
