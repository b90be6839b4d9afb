"""Streams over one connection, with the server's end of it played by the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from mnas_moo.objectives.virtual_phone.connection import Connection, Service, Stream
from mnas_moo.objectives.virtual_phone.protocol import (
    AUTH_TOKEN,
    AUTHENTICATE,
    CLOSE,
    CONNECT,
    OKAY,
    OPEN,
    VERSION,
    WRITE,
    Packet,
    read_packet,
)


class Server:
    """The server's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *packets: Packet) -> None:
        for packet in packets:
            self.writer.write(packet.pack())

    async def receive(self) -> Packet:
        return await asyncio.wait_for(read_packet(self.reader), 5)

    async def nothing_comes(self) -> bool:
        """Whether the phone has sent nothing by the time it answers something else: a stream that is not there."""
        self.send(Packet(WRITE, 99, 99))
        return await self.receive() == Packet(CLOSE, 0, 99)


async def echo(stream: Stream) -> None:
    """Sends back all that comes, then "end"."""
    while data := await stream.read():
        await stream.write(data)
    await stream.write(b"never sent")


async def three(stream: Stream) -> None:
    """Reads three bytes at a time, and sends each three back."""
    while True:
        await stream.write(await stream.read_exactly(3))


async def speak(stream: Stream) -> None:
    """Says something, and is done."""
    await stream.write(b"abcdefgh")


SERVICES: dict[bytes, Service] = {b"echo:": echo, b"three:": three, b"speak:": speak}


def play(
    part: Callable[[Server, Connection], Awaitable[None]], *, authorized: bool = True, connected: bool = True
) -> None:
    """Connects a server to a phone with ``SERVICES`` and lets the test play its part."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        connection = Connection(*await asyncio.open_connection(sock=theirs), b"device::x", SERVICES.get)
        server = Server(*await asyncio.open_connection(sock=ours))
        serving = asyncio.create_task(connection.serve())
        if authorized:
            connection.authorize()
        if connected:
            server.send(Packet(CONNECT, VERSION, 4096, b"host::"))
            assert await server.receive() == Packet(CONNECT, VERSION, 1 << 20, b"device::x")
        await part(server, connection)
        server.writer.close()
        await asyncio.wait_for(serving, 5)

    asyncio.run(run())


def test_what_is_written_to_a_stream_is_acknowledged_and_answered() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"echo:\0"))
        assert await server.receive() == Packet(OKAY, 1, 7)
        server.send(Packet(WRITE, 7, 1, b"hello"))
        assert [await server.receive(), await server.receive()] == [Packet(OKAY, 1, 7), Packet(WRITE, 1, 7, b"hello")]

    play(part)


def test_service_that_is_not_there_is_closed_at_once() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"jdwp:\0"))
        assert await server.receive() == Packet(CLOSE, 0, 7)

    play(part)


def test_streams_do_not_mix() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"echo:"), Packet(OPEN, 8, 0, b"echo:"))
        assert [await server.receive(), await server.receive()] == [Packet(OKAY, 1, 7), Packet(OKAY, 2, 8)]
        server.send(Packet(WRITE, 8, 2, b"b"), Packet(WRITE, 7, 1, b"a"))
        answers = [await server.receive() for _ in range(4)]
        assert Packet(WRITE, 2, 8, b"b") in answers
        assert Packet(WRITE, 1, 7, b"a") in answers

    play(part)


def test_phone_waits_for_okay_before_it_writes_again() -> None:
    async def part(server: Server, connection: Connection) -> None:
        connection.maximum_data = 4
        server.send(Packet(OPEN, 7, 0, b"speak:"))
        assert await server.receive() == Packet(OKAY, 1, 7)
        assert await server.receive() == Packet(WRITE, 1, 7, b"abcd")
        assert await server.nothing_comes()
        server.send(Packet(OKAY, 7, 1))
        assert await server.receive() == Packet(WRITE, 1, 7, b"efgh")
        assert await server.nothing_comes()
        server.send(Packet(OKAY, 7, 1))
        assert await server.receive() == Packet(CLOSE, 1, 7)

    play(part)


def test_packets_are_no_longer_than_the_server_takes() -> None:
    async def part(server: Server, connection: Connection) -> None:
        assert connection.maximum_data == 4096

    play(part)


def test_bytes_are_read_in_the_sizes_asked_for() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"three:"), Packet(WRITE, 7, 1, b"ab"), Packet(WRITE, 7, 1, b"cdef"))
        answers = [await server.receive() for _ in range(4)]
        assert answers[-1] == Packet(WRITE, 1, 7, b"abc")
        server.send(Packet(OKAY, 7, 1))
        assert await server.receive() == Packet(WRITE, 1, 7, b"def")

    play(part)


def test_stream_that_the_server_closes_ends_its_service_and_is_closed_once() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"echo:"))
        assert await server.receive() == Packet(OKAY, 1, 7)
        server.send(Packet(CLOSE, 7, 1))
        assert await server.receive() == Packet(CLOSE, 1, 7)
        assert await server.nothing_comes()

    play(part)


def test_nothing_is_served_before_the_dialog_is_confirmed() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(CONNECT, VERSION, 4096, b"host::"))
        asked = await server.receive()
        assert (asked.command, asked.arg0, len(asked.data)) == (AUTHENTICATE, AUTH_TOKEN, 20)
        server.send(Packet(OPEN, 7, 0, b"speak:"), Packet(AUTHENTICATE, 2, 0, b"signature"))
        again = await server.receive()  # and no answer to OPEN
        assert (again.command, again.arg0) == (AUTHENTICATE, AUTH_TOKEN)
        assert again.data != asked.data
        server.send(Packet(AUTHENTICATE, 3, 0, b"key"))
        connection.authorize()
        assert (await server.receive()).command == CONNECT

    play(part, authorized=False, connected=False)


def test_cut_connection_ends_what_waits_on_it() -> None:
    async def part(server: Server, connection: Connection) -> None:
        server.send(Packet(OPEN, 7, 0, b"echo:"))
        assert await server.receive() == Packet(OKAY, 1, 7)
        connection.drop()
        assert await server.reader.read() == b""

    play(part)
