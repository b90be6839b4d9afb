"""The phone's shell service: commands run by a real shell in the phone's folder, which they take for the whole phone.

A chroot or a namespace of its own would need rights that a test has not. So the paths that only phones have are
replaced by their places in the phone's folder, in the text of the command, and back in what it prints; quoting is
left to the real shell, whose errors of quoting show as on a real phone. What a program puts together from parts at
run time ("/da" + "ta"), and what comes by standard input, is not replaced.

Source: Android's packages/modules/adb, daemon/shell_service.cpp: a program whose stream is closed gets SIGHUP and
loses its standard streams, no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mnas_moo.objectives.virtual_phone.connection import Stream
from mnas_moo.objectives.virtual_phone.protocol import (
    CLOSE_STDIN,
    STDERR,
    STDIN,
    STDOUT,
    shell_packet,
    split_shell_packets,
)

_PROC = b"cmdline|cpuinfo|loadavg|meminfo|stat|sys|uptime|version"  # the rest of /proc is the processes themselves
# What stands before a path that begins there: no part of a word, of a path, or of an expansion.
_PATHS = re.compile(rb"(?<![\w.~})\]*?/])/(?=(?:data|sys|system|vendor|proc/(?:" + _PROC + rb"))(?![\w.-]))")
_CHUNK = 32 * 1024


def to_host(command: bytes, root: bytes) -> bytes:
    """A command of the phone with its paths replaced by those in ``root``.

    >>> to_host(b"cat '/data/local/tmp/a b' $X/data </proc/uptime /proc/self", b"/tmp/p")
    b"cat '/tmp/p/data/local/tmp/a b' $X/data </tmp/p/proc/uptime /proc/self"
    """
    return _PATHS.sub(lambda match: root + match[0], command)


class ToPhone:
    """The other way, for output that comes in parts: takes ``root`` out of it.

    >>> output = ToPhone(b"/tmp/p")
    >>> output.feed(b"x /tm"), output.feed(b"p/p/data /tmp/p"), output.end()
    (b'x ', b'/data ', b'/')
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on."""
        data = self._held + data
        # The end may be the beginning of the root's path; and whether more follows on a whole one is yet to be seen.
        # Its slash is held with it: alone it would be taken for the beginning of the next, and the root for a "/".
        whole = self._root + b"/"
        keep = next((n for n in range(len(whole), 0, -1) if data.endswith(whole[:n])), 0)
        self._held = data[len(data) - keep :]
        return self._replace(data[: len(data) - keep])

    def end(self) -> bytes:
        """What is left at the end."""
        return self._replace(self._held)

    def _replace(self, data: bytes) -> bytes:
        return re.sub(re.escape(self._root) + b"/?", b"/", data)


class ErrorsToPhone(ToPhone):
    """Takes ``root`` out of error output, line by line, with bash's messages as Android's shell would put them.

    Args:
        root: the phone's folder, to be taken out.
        replacements: further words to be replaced.
    """

    def __init__(self, root: bytes, replacements: Mapping[bytes, bytes]) -> None:
        super().__init__(root)
        self._replacements = replacements
        self._line = b""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on: whole lines."""
        lines = (self._line + super().feed(data)).split(b"\n")
        self._line = lines.pop()
        return b"".join(self._android(line) + b"\n" for line in lines)

    def end(self) -> bytes:
        """What is left at the end."""
        return self._android(self._line + super().end())

    def _android(self, line: bytes) -> bytes:
        line = re.sub(rb"^((?:/system/bin/)?sh): line \d+: ", rb"\1: ", line)
        line = re.sub(rb": command not found$", b": inaccessible or not found", line)
        for old, new in self._replacements.items():
            line = line.replace(old, new)
        return line


class Command:
    """One command that runs on the phone.

    Args:
        text: command for the shell, as it came; empty: it reads commands from its input.
        version: version of the shell protocol: 1 (all output in one) or 2.
        shell: program that runs it.
        root: the phone's folder.
        environment: its whole environment.
        preamble: shell text to be run before.
        replacements: words to be replaced in its error output.
    """

    def __init__(
        self,
        text: bytes,
        version: int,
        shell: str,
        root: Path,
        environment: Mapping[str, str],
        preamble: bytes = b"",
        replacements: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._root = os.fsencode(root)
        self._replacements = replacements or {}
        self._version = version
        self._ours, theirs = socket.socketpair()  # adbd too uses one for standard input and output
        self._our_errors, their_errors = socket.socketpair()
        what = [b"-c", preamble + to_host(text, self._root)] if text else [b"-s"]
        with theirs, their_errors:
            self._process = subprocess.Popen(  # noqa: S603 - running commands is what a phone's shell is for
                [b"/system/bin/sh", *what],
                executable=shell,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=(their_errors if version == 2 else theirs).fileno(),
                cwd=root,
                env=dict(environment),
                start_new_session=True,
            )

    async def serve(self, stream: Stream) -> int:
        """Passes input and output on until the command has ended, though its stream may be gone before.

        Returns:
            The exit code.
        """
        reader, writer = await asyncio.open_connection(sock=self._ours)
        error_reader, error_writer = await asyncio.open_connection(sock=self._our_errors)
        outputs = asyncio.gather(
            self._output(reader, ToPhone(self._root), stream, STDOUT),
            self._output(error_reader, ErrorsToPhone(self._root, self._replacements), stream, STDERR),
        )
        ended = asyncio.create_task(self._input(stream, writer))
        try:
            await asyncio.wait((outputs, ended), return_when=asyncio.FIRST_COMPLETED)
            if not outputs.done() or outputs.exception():  # the stream was closed, or the connection lost
                self._process.send_signal(signal.SIGHUP)
        finally:
            ended.cancel()
            outputs.cancel()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await outputs
            writer.transport.abort()
            error_writer.transport.abort()
        return await self._exit_code()

    async def _output(self, reader: asyncio.StreamReader, to_phone: ToPhone, stream: Stream, kind: int) -> None:
        while True:
            data = b""
            with contextlib.suppress(ConnectionError):  # a program that ends with input unread resets the connection
                data = await reader.read(_CHUNK)
            passed = to_phone.feed(data) if data else to_phone.end()
            if passed:
                await stream.write(shell_packet(kind, passed) if self._version == 2 else passed)
            if not data:
                return

    async def _input(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        """Returns when the stream has ended."""
        buffer = bytearray()
        while data := await stream.read():
            buffer += data if self._version == 2 else shell_packet(STDIN, data)
            for kind, content in split_shell_packets(buffer):
                with contextlib.suppress(ConnectionError, RuntimeError):  # a program need not read what it is sent
                    if kind == STDIN and not writer.is_closing():
                        writer.write(content)
                        await writer.drain()
                    elif kind == CLOSE_STDIN and writer.can_write_eof():
                        writer.write_eof()

    async def _exit_code(self) -> int:
        """Waits for the process; a signal is 128 and its number, as adbd tells it."""
        if self._process.poll() is None:
            ended = asyncio.Event()
            loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(self._process.pid)
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        code: int = self._process.wait()
        return code if code >= 0 else 128 - code
