"""A private adb server: the real one, on a port of its own, with a home of its own, and without USB.

Nobody's own server, phones or keys are touched.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from pathlib import Path

from mnas_moo.objectives.extras import require

_START_SECONDS = 20.0


class AdbServer:
    """The server; it may be started and killed any number of times.

    Args:
        folder: becomes its home, where it keeps a key of its own.

    Raises:
        MissingExtraError: adbutils, whose wheel brings adb, is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.adb = str(require("adbutils", extra="phone").adb_path())
        self._port = Port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port.number

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to use this server, and to start one like it."""
        return {
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "ADB_USB": "0",
            "ADB_MDNS": "0",
            "ADB_EMU": "0",
        }

    @property
    def _own_environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "HOME": str(self._folder), **self.environment}

    def start(self) -> None:
        """Starts it; nothing where one listens already.

        Raises:
            RuntimeError: it does not start.
        """
        if self._listens():
            return
        self._reap()
        log = self._folder / "adb.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - adb itself
                [self.adb, "server", "nodaemon"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._own_environment,
                start_new_session=True,
            )
        end = time.monotonic() + _START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"adb's server does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """Kills it, and any other that has been started on its port since."""
        self._reap()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"0009host:kill")
            connection.recv(4)
        end = time.monotonic() + 5
        while self._listens() and time.monotonic() < end:
            time.sleep(0.01)

    def close(self) -> None:
        """Kills it, and gives its port back; it cannot be started again."""
        self.kill()
        self._port.give_back()

    def run(self, *arguments: str, timeout_seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Runs the adb client with this server, and returns what it printed, whatever its exit code."""
        return subprocess.run(  # noqa: S603 - adb itself
            [self.adb, *arguments],
            env=self._own_environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def _reap(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Port:
    """A port of this machine that nothing listens on, and that is nobody else's ``Port`` until it is given back.

    It stays free while a phone is offline or a server dead: it lies outside the range that connections get theirs
    from, and a name in Linux's abstract namespace of sockets, which ends with this process, keeps it from others.

    Attributes:
        number: the port.

    Raises:
        RuntimeError: none was found.
    """

    def __init__(self) -> None:
        for number in random.SystemRandom().sample(range(20000, 32000), 100):
            self._claim = socket.socket(socket.AF_UNIX)
            with socket.socket() as probe, contextlib.suppress(OSError):
                self._claim.bind(f"\0mnas-moo virtual phones, port {number}")
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", number))
                self.number = number
                return
            self._claim.close()
        raise RuntimeError("no free port was found between 20000 and 32000")

    def give_back(self) -> None:
        """It may be anybody's again."""
        self._claim.close()
