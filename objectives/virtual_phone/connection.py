"""The phone's end of one connection with an adb server: many streams over it, each with its flow control.

Source: Android's packages/modules/adb, protocol.txt: who writes to a stream waits for OKAY before writing again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Awaitable, Callable

from mnas_moo.objectives.virtual_phone.protocol import (
    AUTH_TOKEN,
    AUTHENTICATE,
    CLOSE,
    CONNECT,
    MAXIMUM_DATA,
    OKAY,
    OPEN,
    VERSION,
    WRITE,
    Packet,
    read_packet,
)

Service = Callable[["Stream"], Awaitable[None]]
"""Serves one stream until it returns; the stream is closed then."""


class Stream:
    """One stream, as a service of the phone sees it."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self._connection = connection
        self._local, self._remote = local, remote
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._buffer = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False

    async def read(self) -> bytes:
        """Some bytes; none at all once the other side has closed the stream or the connection is gone."""
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        if self._ended and self._received.empty():
            return b""
        data = await self._received.get()
        if data:
            self._connection.send(Packet(OKAY, self._local, self._remote))
        return data

    async def read_exactly(self, size: int) -> bytes:
        """That many bytes.

        Raises:
            EOFError: the stream ends before.
        """
        while len(self._buffer) < size:
            taken = bytes(self._buffer)
            self._buffer.clear()
            data = await self.read()
            self._buffer += taken + data
            if not data:
                raise EOFError("the stream was closed")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def write(self, data: bytes) -> None:
        """Writes all of ``data``.

        Raises:
            ConnectionError: the other side has closed the stream, or the connection is gone.
        """
        for start in range(0, len(data), self._connection.maximum_data):
            await self._writable.wait()
            if self._ended:
                raise ConnectionError("the stream was closed")
            self._writable.clear()
            part = data[start : start + self._connection.maximum_data]
            self._connection.send(Packet(WRITE, self._local, self._remote, part))
            await self._connection.drain()

    async def close(self) -> None:
        """Ends the stream once all that was written is taken."""
        await self._writable.wait()
        self._connection.forget(self._local)
        if not self._ended:
            self._connection.send(Packet(CLOSE, self._local, self._remote))
            self.end()

    def received(self, data: bytes) -> None:
        """A packet came in."""
        self._received.put_nowait(data)

    def acknowledged(self) -> None:
        """The other side took what was written."""
        self._writable.set()

    def end(self) -> None:
        """The other side has closed the stream, or the connection is gone."""
        self._ended = True
        self._writable.set()
        self._received.put_nowait(b"")


class Connection:
    """One connection, from the first packet to the last.

    Args:
        reader: what the server sends.
        writer: what the server gets.
        banner: text that says what the phone is, and its features.
        open_service: gives the service of a name, or None where there is none of that name.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        banner: bytes,
        open_service: Callable[[bytes], Service | None],
    ) -> None:
        self.maximum_data = MAXIMUM_DATA
        self._reader, self._writer = reader, writer
        self._banner = banner
        self._open_service = open_service
        self._streams: dict[int, Stream] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._authorized = asyncio.Event()

    def authorize(self) -> None:
        """Lets the server in: the person at the phone has tapped "Allow"."""
        self._authorized.set()

    async def serve(self) -> None:
        """Answers until the connection ends; then all streams end, and with them their services."""
        welcome: asyncio.Task[None] | None = None
        try:
            while True:
                packet = await read_packet(self._reader)
                if packet.command == CONNECT:
                    self.maximum_data = min(MAXIMUM_DATA, packet.arg1)
                    if not self._authorized.is_set():
                        self.send(Packet(AUTHENTICATE, AUTH_TOKEN, 0, secrets.token_bytes(20)))
                    welcome = asyncio.create_task(self._welcome())
                elif packet.command == AUTHENTICATE:
                    if packet.arg0 != 3:  # a signature of a key that is unknown here: 3 is the key itself, to be shown
                        self.send(Packet(AUTHENTICATE, AUTH_TOKEN, 0, secrets.token_bytes(20)))
                elif self._authorized.is_set():
                    self._answer(packet)
                await self.drain()
        except (EOFError, ConnectionError):
            pass
        finally:
            if welcome:
                welcome.cancel()
            self.drop()

    def drop(self) -> None:
        """Cuts the connection, as when a cable is pulled."""
        self._writer.transport.abort()
        for stream in list(self._streams.values()):
            stream.end()
        self._streams.clear()

    def send(self, packet: Packet) -> None:
        """Sends a packet, or nothing where the connection is gone."""
        if not self._writer.is_closing():
            self._writer.write(packet.pack())

    async def drain(self) -> None:
        """Waits until the server has taken most of what was sent.

        Raises:
            ConnectionError: the connection is gone.
        """
        await self._writer.drain()

    def forget(self, local: int) -> None:
        """The stream of this number is over."""
        self._streams.pop(local, None)

    async def _welcome(self) -> None:
        await self._authorized.wait()
        self.send(Packet(CONNECT, VERSION, MAXIMUM_DATA, self._banner))

    def _answer(self, packet: Packet) -> None:
        if packet.command == OPEN:
            service = self._open_service(packet.data.rstrip(b"\0"))
            if service is None:
                self.send(Packet(CLOSE, 0, packet.arg0))
                return
            local = next(self._numbers)
            stream = self._streams[local] = Stream(self, local, packet.arg0)
            self.send(Packet(OKAY, local, packet.arg0))
            task = asyncio.create_task(self._run(service, stream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        known = self._streams.get(packet.arg1)
        if known is None:
            if packet.command == WRITE:
                self.send(Packet(CLOSE, 0, packet.arg0))
        elif packet.command == OKAY:
            known.acknowledged()
        elif packet.command == WRITE:
            known.received(packet.data)
        elif packet.command == CLOSE:
            self.forget(packet.arg1)
            known.end()
            self.send(Packet(CLOSE, packet.arg1, packet.arg0))

    async def _run(self, service: Service, stream: Stream) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            await service(stream)
        with contextlib.suppress(ConnectionError):
            await stream.close()
