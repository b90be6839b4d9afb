"""Packets, byte by byte as protocol.txt and shell_protocol.h have them."""

from __future__ import annotations

import asyncio

import pytest

from mnas_moo.objectives.virtual_phone.protocol import (
    CONNECT,
    EXIT,
    OKAY,
    STDOUT,
    VERSION,
    WRITE,
    Packet,
    read_packet,
    shell_packet,
    split_shell_packets,
)


def read(data: bytes, count: int = 1) -> list[Packet]:
    async def packets() -> list[Packet]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return [await read_packet(reader) for _ in range(count)]

    return asyncio.run(packets())


def test_packet_is_as_published() -> None:
    assert Packet(OKAY, 1, 0x0203).pack() == (
        b"OKAY" + bytes([1, 0, 0, 0, 3, 2, 0, 0]) + bytes(8) + bytes([0xB0, 0xB4, 0xBE, 0xA6])
    )


def test_only_the_first_packet_has_a_checksum() -> None:
    assert Packet(CONNECT, VERSION, 0, b"\x01\x02\xff").pack()[16:20] == (0x102).to_bytes(4, "little")
    assert Packet(WRITE, 0, 0, b"\x01\x02\xff").pack()[16:20] == bytes(4)


def test_packets_are_read_as_they_were_packed() -> None:
    packets = [Packet(CONNECT, VERSION, 1 << 20, b"host::"), Packet(WRITE, 3, 4, bytes(70_000)), Packet(OKAY, 4, 3)]
    assert read(b"".join(packet.pack() for packet in packets), 3) == packets


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EOFError),
        (Packet(WRITE, 1, 2, b"data").pack()[:-1], EOFError),
        (b"GET / HTTP/1.1\r\nHost: phone\r\n\r\n", ConnectionError),
        (
            b"WRTE" + bytes(8) + (1 << 21).to_bytes(4, "little") + bytes(4) + bytes([0xA8, 0xAD, 0xAB, 0xBA]),
            ConnectionError,
        ),
    ],
)
def test_what_is_no_whole_packet_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(data)


def test_shell_packets_are_split_wherever_the_bytes_are_cut() -> None:
    data = shell_packet(STDOUT, b"out") + shell_packet(STDOUT, b"") + shell_packet(EXIT, b"\x07")
    assert data[:8] == b"\x01\x03\x00\x00\x00out"
    for size in range(1, len(data) + 1):
        buffer, found = bytearray(), []
        for start in range(0, len(data), size):
            buffer += data[start : start + size]
            found += split_shell_packets(buffer)
        assert found == [(STDOUT, b"out"), (STDOUT, b""), (EXIT, b"\x07")]
        assert buffer == b""
