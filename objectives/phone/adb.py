"""Phones by the Android Debug Bridge: one command, one file or one list at a time, each with a deadline.

adb's own protocols (AOSP packages/modules/adb: SERVICES.TXT, SYNC.TXT, shell_protocol.h), on the connections of
``adbutils``. Where we differ from adbutils: every call has one deadline for all of it (a socket's timeout begins anew
with each byte), what is sent is sent whole, exit code and error output always come with the output, and a server of
another version that is already running is never replaced. What went wrong is told apart by what it means for the
phone: it may come back (``TransientError``) or somebody has to do something first (``UnusableError``).
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mnas_moo.objectives.extras import require

_CONNECT_SECONDS = 5.0  # for `adb connect`, which waits for phones that are not there
_START_SECONDS = 20.0  # for a server to start; adbutils and adb's own tests allow as much
_SYNC_CHUNK = 64 * 1024  # SYNC_DATA_MAX
_OUTPUT_LIMIT = 1 << 20  # bytes kept of one command's output: what prints more is broken
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_BROKEN = (OSError, EOFError, struct.error, UnicodeError, ValueError)  # what a dying connection looks like in Python


class PhoneError(Exception):
    """Something is wrong with a phone; the message says what, for people, without the phone's name."""


class TransientError(PhoneError):
    """It may pass by itself: gone, offline, rebooting, the server was killed, no answer in time."""


class TroubleError(TransientError):
    """The phone answers, but cannot measure now: too hot, busy, full. It may pass, but not last for ever."""


class DiskFullError(TroubleError):
    """The phone has no room for a file."""


class UnusableError(PhoneError):
    """Somebody has to do something first: confirm a dialog, name another binary, change a permission."""


@dataclass(frozen=True)
class Output:
    """What a command on the phone gave; text that is not UTF-8 has replacement characters."""

    stdout: str
    stderr: str
    exit_code: int


def quote(words: Sequence[str]) -> str:
    """Words as a command line of the phone's shell; each arrives as itself, whatever is in it."""
    return " ".join(map(shlex.quote, words))


class Server:
    """The adb server named by ANDROID_ADB_SERVER_HOST and ANDROID_ADB_SERVER_PORT, as for every adb program.

    One that runs is used whatever its version; where none listens on this machine, one is started on that port.

    Raises:
        MissingExtraError: adbutils is not installed.
        ValueError: the port is no number.
    """

    def __init__(self) -> None:
        self.host = os.environ.get("ANDROID_ADB_SERVER_HOST") or "127.0.0.1"
        port = os.environ.get("ANDROID_ADB_SERVER_PORT") or "5037"
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"ANDROID_ADB_SERVER_PORT is {port!r}; it must be a port from 1 to 65535")
        self.port = int(port)
        self._adbutils = require("adbutils", extra="phone")  # after the port, which it reads too, less kindly

    def states(self) -> dict[str, str]:
        """Serial to state ("device", "offline", "unauthorized", "no permissions…" …) of all that the server sees.

        Raises:
            TransientError: the server does not answer and cannot be started.
        """
        with self._connection(_CONNECT_SECONDS) as link:
            link.request("host:devices")
            lines = link.text().splitlines()
        return dict(line.split("\t", 1) for line in lines if "\t" in line)

    def connect(self, serial: str) -> None:
        """Asks the server to connect to a phone in the network, whose serial is "host:port"; others are left alone.

        Whether it worked shows in ``states``. A connection that the server still believes in is given up first.

        Raises:
            TransientError: the server does not answer.
        """
        if not re.fullmatch(r".+:\d+", serial):
            return
        for service in ("host:disconnect:", "host:connect:"):
            # The answers are texts for people ("failed to connect to …"), and a disconnect may be refused.
            with contextlib.suppress(PhoneError), self._connection(_CONNECT_SECONDS) as link:
                link.request(service + serial)
                link.text()

    def phone(self, serial: str) -> Phone:
        """A handle of a phone; nothing is asked yet."""
        return Phone(self, serial)

    @contextlib.contextmanager
    def _connection(self, timeout_s: float) -> Iterator[_Link]:
        """A connection to the server; everything that goes wrong in it is one of our errors."""
        connection = None
        try:
            self._start_if_absent()
            deadline = time.monotonic() + timeout_s
            connection = self._adbutils.AdbConnection(self.host, self.port)
            yield _Link(connection.conn, deadline)
        except PhoneError:
            raise
        except TimeoutError as error:
            raise TransientError(f"no answer within {timeout_s:.0f} s") from error
        except (*_BROKEN, self._adbutils.AdbError, subprocess.SubprocessError) as error:
            raise TransientError(f"the connection broke ({error or type(error).__name__})") from error
        finally:
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.conn.close()  # not connection.close(): it waits 10 ms

    def _start_if_absent(self) -> None:
        try:
            socket.create_connection((self.host, self.port), timeout=3).close()
        except ConnectionRefusedError as error:
            if self.host not in _LOCAL_HOSTS:
                raise TransientError(f"no adb server listens at {self.host}:{self.port}") from error
            command = [self._adbutils.adb_path(), "-P", str(self.port), "start-server"]
            # Not the caller's streams: the server would keep them open for as long as it lives.
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_SECONDS)  # noqa: S603
            if done.returncode:
                raise TransientError(f"adb did not start: {done.stderr.decode(errors='replace').strip()}") from error


class Phone:
    """One phone by its serial. Every method may raise ``TransientError`` and ``UnusableError``."""

    def __init__(self, server: Server, serial: str) -> None:
        self._server = server
        self.serial = serial
        self._shell_v2 = False

    def run(self, command: str, timeout_s: float) -> Output:
        """Runs a command line in the phone's shell, without input; words in it have been through ``quote``."""
        if not self._shell_v2:
            self._need_shell_v2(timeout_s)
        with self._service(f"shell,v2,raw:{command}", timeout_s) as link:
            link.send(struct.pack("<BI", 4, 0))  # close the command's standard input
            streams = {1: bytearray(), 2: bytearray()}
            while True:
                kind, size = struct.unpack("<BI", link.read(5))
                data = link.read(size)
                if kind == 3:  # the exit code is the last thing sent
                    stdout, stderr = (bytes(streams[i]).decode(errors="replace") for i in (1, 2))
                    return Output(stdout, stderr, data[0])
                if kind in streams and len(streams[kind]) < _OUTPUT_LIMIT:
                    streams[kind] += data

    def push(self, data: bytes, path: str, mode: int, timeout_s: float) -> None:
        """Writes a file; ``mode`` is its permissions.

        Raises:
            DiskFullError: there is no room; a part of the file may be there.
        """
        with self._service("sync:", timeout_s) as link:
            name = f"{path},{0o100000 | mode}".encode()
            try:
                link.send(b"SEND" + struct.pack("<I", len(name)) + name)
                for start in range(0, len(data), _SYNC_CHUNK):
                    chunk = data[start : start + _SYNC_CHUNK]
                    link.send(b"DATA" + struct.pack("<I", len(chunk)) + chunk)
                link.send(b"DONE" + struct.pack("<I", int(time.time())))
            except (BrokenPipeError, ConnectionResetError):
                pass  # a phone that refuses says why and hangs up while we still send: the reason is in the answer
            status, size = struct.unpack("<4sI", link.read(8))
            if status != b"OKAY":
                raise file_error(link.read(size).decode(errors="replace") if status == b"FAIL" else repr(status))

    def remove(self, paths: Sequence[str], timeout_s: float) -> None:
        """Removes files and folders with all that is in them; what is not there is no error."""
        output = self.run(quote(["rm", "-rf", "--", *paths]), timeout_s)
        if output.exit_code:
            raise file_error(output.stderr.strip())

    @contextlib.contextmanager
    def _service(self, name: str, timeout_s: float) -> Iterator[_Link]:
        with self._server._connection(timeout_s) as link:
            link.request(f"host:transport:{self.serial}")
            link.request(name)
            yield link

    def _need_shell_v2(self, timeout_s: float) -> None:
        with self._server._connection(timeout_s) as link:
            link.request(f"host-serial:{self.serial}:features")
            features = link.text().split(",")
        if "shell_v2" not in features:
            raise UnusableError("its adb gives no exit codes (shell_v2); Android 7 or newer is needed")
        self._shell_v2 = True


class _Link:
    """A connected socket with one deadline for everything on it."""

    def __init__(self, connected: Any, deadline: float) -> None:
        self._socket: socket.socket = connected
        self._deadline = deadline

    def request(self, service: str) -> None:
        """Asks for a service of the server or of the phone chosen before.

        Raises:
            TransientError, UnusableError: it was refused.
        """
        encoded = service.encode()
        if len(encoded) > 0xFFFF:
            raise UnusableError(f"a command of {len(encoded)} bytes is more than adb takes (65535)")
        self.send(f"{len(encoded):04x}".encode() + encoded)
        status = self.read(4)
        if status == b"FAIL":
            raise transport_error(self.text())
        if status != b"OKAY":
            raise TransientError(f"adb's answer makes no sense ({status!r})")

    def text(self) -> str:
        """Reads a text with its length before it."""
        return self.read(int(self.read(4), 16)).decode(errors="replace")

    def send(self, data: bytes) -> None:
        self._set_timeout()
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._set_timeout()
            part = self._socket.recv(min(size - len(data), 1 << 16))
            if not part:
                raise EOFError("it ended early")
            data += part
        return bytes(data)

    def _set_timeout(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def transport_error(message: str) -> PhoneError:
    """What a refusal by the adb server means, or a state from its list other than "device".

    >>> transport_error("unauthorized")
    UnusableError('unauthorized: unlock the phone and confirm the dialog "Allow USB debugging?"')
    >>> transport_error("offline")
    TransientError('offline')
    """
    first = message.strip().splitlines()[0] if message.strip() else "refused"
    if "unauthorized" in first:
        return UnusableError('unauthorized: unlock the phone and confirm the dialog "Allow USB debugging?"')
    if "no permissions" in first or "insufficient permissions" in first:
        return UnusableError(
            f"{first.strip()}: this user may not open the USB device; install the udev rules "
            "(Debian and Ubuntu: apt install android-sdk-platform-tools-common) and plug it in anew"
        )
    return TransientError(first)


def file_error(message: str) -> PhoneError:
    """What a refused file means."""
    if "No space left" in message or "Disk quota" in message:
        return DiskFullError("no space left on the phone; free some")
    if any(words in message for words in ("Permission denied", "Read-only file system", "Operation not permitted")):
        return UnusableError(f"permission denied ({message}); adb's shell must be allowed to write there")
    return TransientError(message or "the phone refused a file without a reason")
