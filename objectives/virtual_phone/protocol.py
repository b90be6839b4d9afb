"""What adb says over its TCP connection to a phone: packets, and the shell's packets within them. No I/O but reading.

Source: Android's packages/modules/adb, protocol.txt and SHELL_PROTOCOL in shell_protocol.h. No A_STLS, no compression
and no delayed acknowledgements: the phone announces none of them, and the server asks for none.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

CONNECT, AUTHENTICATE, OPEN, OKAY, WRITE, CLOSE = b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE"
AUTH_TOKEN = 1  # arg0 of AUTH: twenty bytes which the server signs with a key the phone should know
VERSION = 0x01000001  # from this one on, packets carry no checksum
MAXIMUM_DATA = 1 << 20  # bytes in a packet
FEATURES = ("shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "fixed_push_symlink_timestamp")

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)  # shell v2: what a packet of the shell's is

_HEADER = struct.Struct("<4sIIIII")  # command, two arguments, length, checksum, command inverted
_SHELL_HEADER = struct.Struct("<BI")  # kind, length


@dataclass(frozen=True)
class Packet:
    """One packet.

    Attributes:
        command: one of the six.
        arg0: most often the sender's number of the stream.
        arg1: most often the receiver's.
        data: at most ``MAXIMUM_DATA`` bytes.
    """

    command: bytes
    arg0: int
    arg1: int
    data: bytes = b""

    def pack(self) -> bytes:
        """As it goes over the wire."""
        inverted = int.from_bytes(self.command, "little") ^ 0xFFFFFFFF
        # The first packet still needs its checksum: only it tells that the others have none.
        checksum = sum(self.data) if self.command == CONNECT else 0
        return _HEADER.pack(self.command, self.arg0, self.arg1, len(self.data), checksum, inverted) + self.data


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """The next packet.

    Raises:
        EOFError: the connection has ended.
        ConnectionError: the connection was cut, or what came is no packet.
    """
    command, arg0, arg1, size, _, inverted = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if inverted != int.from_bytes(command, "little") ^ 0xFFFFFFFF or size > MAXIMUM_DATA:
        raise ConnectionError(f"not adb's protocol: {command!r}")
    return Packet(command, arg0, arg1, await reader.readexactly(size) if size else b"")


def shell_packet(kind: int, data: bytes) -> bytes:
    """A packet of shell v2."""
    return _SHELL_HEADER.pack(kind, len(data)) + data


def split_shell_packets(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Takes whole packets of shell v2 from the front of ``buffer``, as (kind, data)."""
    packets = []
    while len(buffer) >= _SHELL_HEADER.size:
        kind, size = _SHELL_HEADER.unpack_from(buffer)
        end = _SHELL_HEADER.size + size
        if len(buffer) < end:
            break
        packets.append((kind, bytes(buffer[_SHELL_HEADER.size : end])))
        del buffer[:end]
    return packets
