"""The phone's file service ``sync:``: push, pull, stat and list, first and second version.

Source: Android's packages/modules/adb, SYNC.TXT and file_sync_protocol.h; messages as adbd's file_sync_service.cpp
writes them. No compression, no symbolic links: the phone does not announce the one, and nobody pushes the other.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from mnas_moo.objectives.virtual_phone.connection import Stream

_CHUNK = 64 * 1024  # most bytes of file contents in one message
_REQUEST = struct.Struct("<4sI")  # what, and how many bytes of path or data follow (DONE: the time of change)
_STAT_1 = struct.Struct("<III")  # mode, size, time of change
_STAT_2 = struct.Struct("<IQQIIIIQqqq")  # error, device, inode, mode, links, user, group, size, three times
_SHELL_USER = 2000


class Watcher(Protocol):
    """Is told of what is pushed and pulled, and may let a push fail."""

    def push_starts(self, path: bytes) -> None:
        """Before the file is made; an OSError it raises is what the phone answers."""

    def push_continues(self, path: bytes) -> None:
        """Before each part is written; an OSError it raises is what the phone answers."""

    def push_ends(self, path: bytes, failure: str | None) -> None:
        """After the push, with what the phone answered where it failed."""

    def pulled(self, path: bytes, failure: str | None) -> None:
        """After a pull."""


class FileService:
    """Serves one ``sync:`` stream.

    Args:
        host_path: gives the place on this machine of a path of the phone.
        watcher: is told of pushes and pulls.
    """

    def __init__(self, host_path: Callable[[bytes], Path], watcher: Watcher) -> None:
        self._host_path = host_path
        self._watcher = watcher

    async def serve(self, stream: Stream) -> None:
        """Answers requests until QUIT or the end."""
        while True:
            what, size = _REQUEST.unpack(await stream.read_exactly(_REQUEST.size))
            if what == b"QUIT":
                return
            path = await stream.read_exactly(size)
            if what == b"STAT":
                await stream.write(what + self._stat_1(self._host_path(path)))
            elif what in (b"STA2", b"LST2"):
                await stream.write(what + self._stat_2(self._host_path(path), follow=what == b"STA2"))
            elif what == b"LIST":
                await self._list(stream, path, b"DENT", self._stat_1)
            elif what == b"LIS2":
                await self._list(stream, path, b"DNT2", self._stat_2)
            elif what == b"RECV":
                await self._send_file(stream, path)
            elif what == b"SEND":
                if not await self._receive_file(stream, path):
                    return
            else:
                await self._fail(stream, f"unknown command {what.hex()}")
                return

    def _stat_1(self, path: Path) -> bytes:
        try:
            status = path.lstat()
        except OSError:
            return _STAT_1.pack(0, 0, 0)
        return _STAT_1.pack(status.st_mode, status.st_size & 0xFFFFFFFF, int(status.st_mtime))

    def _stat_2(self, path: Path, follow: bool = False) -> bytes:
        try:
            status = path.stat() if follow else path.lstat()
        except OSError as error:
            return _STAT_2.pack(error.errno or 0, *[0] * 10)
        times = (int(status.st_atime), int(status.st_mtime), int(status.st_ctime))
        owner = (_SHELL_USER, _SHELL_USER)
        place = (status.st_dev, status.st_ino, status.st_mode, status.st_nlink)
        return _STAT_2.pack(0, *place, *owner, status.st_size, *times)

    async def _list(self, stream: Stream, path: bytes, entry: bytes, describe: Callable[[Path], bytes]) -> None:
        folder = self._host_path(path)
        for name in [".", "..", *sorted(os.listdir(folder))] if folder.is_dir() else []:  # noqa: PTH208 - plain names
            encoded = os.fsencode(name)
            await stream.write(entry + describe(folder / name) + struct.pack("<I", len(encoded)) + encoded)
        await stream.write(b"DONE" + bytes(len(describe(folder)) + 4))

    async def _send_file(self, stream: Stream, path: bytes) -> None:
        try:
            file = self._host_path(path).open("rb")
        except OSError as error:
            self._watcher.pulled(path, error.strerror)
            await self._fail(stream, f"open failed: {error.strerror}")
            return
        with file:
            while data := file.read(_CHUNK):
                await stream.write(b"DATA" + struct.pack("<I", len(data)) + data)
        self._watcher.pulled(path, None)
        await stream.write(b"DONE" + struct.pack("<I", 0))

    async def _receive_file(self, stream: Stream, request: bytes) -> bool:
        """Stores one pushed file; False where that failed: adbd ends the session then."""
        path, _, mode = request.rpartition(b",")
        target = self._host_path(path)
        file: BinaryIO | None = None
        failure: str | None = "the connection was lost"
        try:
            file, failure = self._create(path, target), None
        except OSError as error:
            failure = f"couldn't create file: {error.strerror}"
            await self._fail(stream, failure)
        try:
            # What comes after a failure is read too: some servers write all before they read the answer.
            while True:
                what, size = _REQUEST.unpack(await stream.read_exactly(_REQUEST.size))
                if what == b"DONE":
                    break
                data = await stream.read_exactly(size)
                if failure is None and file is not None:
                    try:
                        self._watcher.push_continues(path)
                        file.write(data)
                    except ConnectionError:  # the cable, not the disk
                        raise
                    except OSError as error:
                        failure = f"write failed: {error.strerror}"
                        await self._fail(stream, failure)
            if failure is None and file is not None:
                file.close()
                target.chmod(int(mode) & 0o777)
                os.utime(target, (size, size))
        except (EOFError, ConnectionError):
            failure = "the connection was lost"
            raise
        finally:
            if file is not None:
                file.close()
                if failure is not None:
                    target.unlink(missing_ok=True)
            self._watcher.push_ends(path, failure)
        if failure is None:
            await stream.write(b"OKAY" + struct.pack("<I", 0))
        return failure is None

    def _create(self, path: bytes, target: Path) -> BinaryIO:
        self._watcher.push_starts(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_dir():
            target.unlink(missing_ok=True)  # as adbd: a program that runs keeps its old contents
        return target.open("wb")

    async def _fail(self, stream: Stream, message: str) -> None:
        encoded = message.encode()
        await stream.write(b"FAIL" + struct.pack("<I", len(encoded)) + encoded)
