"""LiteRT's published benchmark_model: fetched once, checked, and kept on this machine for the phones of an ABI.

Its makers publish a folder for each version and platform (storage.googleapis.com/litert/binaries), and no checksums:
the SHA-256 is that of the file as it was fetched, kept beside it, and checked whenever the file is taken from there.
What was fetched must be a whole program for the ABI (the headers of ELF, System V ABI, ch. 4 and 5) before it is kept.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnas_moo.objectives.phone.benchmark_model import FOLDERS, MAX_PROGRAM_BYTES, SOURCE, VERSION, check_abi
from mnas_moo.objectives.whole_file import whole_file

_TIMEOUT_S = 60.0  # without a byte
_ELSEWHERE = "fetch it on a machine that can, and name the file: --install --benchmark-model FILE"


class FetchError(Exception):
    """A program could not be had; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Fetched:
    """A program.

    Attributes:
        content: the file.
        version: its version.
        address: where it was fetched from.
        kept: whether it was here already.
    """

    content: bytes
    version: str
    address: str
    kept: bool


def check_version(version: str) -> str:
    """A version in the form of LiteRT's.

    Raises:
        ValueError: it is none. "latest" is none either: it is another program every few weeks.
    """
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6}){1,3}", version, re.ASCII):
        raise ValueError(f"version is {version!r}; it is the number of a release of LiteRT, as {VERSION}")
    return version


def check_mirror(address: str) -> str:
    """An address whose folders are those of ``SOURCE``.

    Raises:
        ValueError: it is no plain http or https address. What was given is not repeated: it may hold a password.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or re.search(r"[\s?#\x00-\x1f\x7f]", address) or not address.isascii():
        raise ValueError(
            "mirror is no address of the form https://HOST/FOLDER, without a user's name, in place of " + SOURCE
        )
    return address.rstrip("/")


def cache_folder() -> Path:
    """Where fetched programs are kept: $XDG_CACHE_HOME/mnas_moo, else ~/.cache/mnas_moo."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "mnas_moo" / "benchmark_model"


def fetch(abis: Sequence[str], version: str = VERSION, source: str = SOURCE) -> Fetched:
    """The program for a phone, from this machine's cache or from the network.

    The usual variables of the environment name a proxy: https_proxy, http_proxy, no_proxy.

    Args:
        abis: the binary interfaces that the phone runs, best first.
        version: version of LiteRT.
        source: ``SOURCE``, or a mirror of it.

    Raises:
        FetchError: it cannot be had.
        ValueError: ``version`` or ``source`` is none.
    """
    check_version(version)
    source = check_mirror(source)
    if not (abi := next((abi for abi in abis if abi in FOLDERS), "")):
        known = ", ".join(FOLDERS)
        runs = ", ".join(abis) or "no ABI that it tells"
        raise FetchError(f"LiteRT publishes benchmark_model for {known}, and the phone runs {runs}; {_ELSEWHERE}")
    address = f"{source}/{version}/{FOLDERS[abi]}/benchmark_model"
    file = cache_folder() / version / FOLDERS[abi] / "benchmark_model"
    try:
        kept = _kept(file)
        if kept is not None:
            return Fetched(kept, version, address, kept=True)
        content = _download(address)
        check_program(content, abi, address)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as part:
            part.write_bytes(content)
        with whole_file(file.with_suffix(".sha256")) as part:
            part.write_text(f"{hashlib.sha256(content).hexdigest()}  {file.name}\n", encoding="ascii")
    except OSError as error:
        raise FetchError(f"{file} cannot be used to keep the program ({error.strerror or error})") from error
    return Fetched(content, version, address, kept=False)


def check_program(content: bytes, abi: str, address: str) -> None:
    """Checks that what was fetched is a whole program for ``abi``.

    Raises:
        FetchError: it is not.
    """
    if not content.startswith(b"\x7fELF"):
        begin = content[:40].decode(errors="replace")
        page = "a web page" if re.match(r"\s*<", begin) else "no program"
        raise FetchError(f"{address} answered with {page} (it begins with {begin!r}); {_ELSEWHERE}")
    try:
        check_abi(content, [abi])
    except ValueError as error:
        raise FetchError(f"{address}: {str(error).partition(';')[0]}; {_ELSEWHERE}") from error
    if (wanted := _size_of_elf(content)) > len(content):
        raise FetchError(
            f"{address} gave {len(content)} bytes of a program that has at least {wanted}: try again, or {_ELSEWHERE}"
        )


def _kept(file: Path) -> bytes | None:
    """The program in the cache; None: it is not there, or not what was fetched then."""
    try:
        content = file.read_bytes()
        digest = file.with_suffix(".sha256").read_text(encoding="ascii").split()[:1]
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return content if digest == [hashlib.sha256(content).hexdigest()] else None


def _download(address: str) -> bytes:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "mnas-moo"})  # noqa: S310 - see check_mirror
        # An opener of its own: urlopen's reads the proxies once in a process.
        with urllib.request.build_opener().open(request, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read(MAX_PROGRAM_BYTES + 1)
            length = answer.headers.get("Content-Length", "")
    except urllib.error.HTTPError as error:
        raise FetchError(f"{address} answered {error.code} ({error.reason}); {_ELSEWHERE}") from error
    except (http.client.HTTPException, ConnectionResetError) as error:
        raise FetchError(
            f"{address} broke off ({error or type(error).__name__}): try again, or {_ELSEWHERE}"
        ) from error
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise FetchError(f"{address} cannot be reached ({reason}): without a network, {_ELSEWHERE}") from error
    if length.isdigit() and int(length) > len(content):
        raise FetchError(f"{address} gave {len(content)} of {length} bytes: try again, or {_ELSEWHERE}")
    if len(content) > MAX_PROGRAM_BYTES:
        raise FetchError(
            f"{address} has more than {MAX_PROGRAM_BYTES} bytes, which is no benchmark_model; {_ELSEWHERE}"
        )
    return content


def _size_of_elf(content: bytes) -> int:
    """How long an ELF file is at least, by the tables and segments that its header names."""
    wide = content[4:5] == b"\x02"
    try:
        # From e_phoff on: places of both tables, flags, size of the header, sizes and numbers of their entries.
        segments, sections, _, _, segment_size, segment_count, section_size, section_count = struct.unpack_from(
            "<QQIHHHHH" if wide else "<IIIHHHHH", content, 32 if wide else 28
        )
        end = max(segments + segment_size * segment_count, sections + section_size * section_count)
        for number in range(segment_count):
            place, size = 8 if wide else 4, 32 if wide else 16
            start = segments + segment_size * number
            offset, length = (
                struct.unpack_from("<Q" if wide else "<I", content, start + at)[0] for at in (place, size)
            )
            end = max(end, offset + length)
    except struct.error:
        return len(content) + 1
    return int(end)
