"""benchmark_model as it lies on a phone, at its usual place: which one it is, and how one is put there.

A program says neither whose it is nor its version: whose it is shows in the words of its summary, which stand in the
file, and the version is written beside it by whoever puts it there, with the checksum of the file that it holds for.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import Phone, TransientError, file_error
from mnas_moo.objectives.phone.benchmark_model import MAKERS, PLACE, maker

VERSION_PLACE = f"{PLACE}.version"
"""Where the version and the checksum stand."""

_ANSWER_SECONDS = 30.0  # a program of 200 MB is read twice
_PUSH_BYTES_PER_SECOND = 1e6  # slower than any USB cable, Wi-Fi included


@dataclass(frozen=True)
class Installed:
    """One program.

    Attributes:
        digest: its SHA-256, hexadecimal; empty: the phone cannot tell.
        maker: "LiteRT" or "TensorFlow Lite"; empty: unknown.
        version: its version; empty: unknown.
    """

    digest: str = ""
    maker: str = ""
    version: str = ""

    @property
    def words(self) -> str:
        """What it is called.

        >>> Installed(maker="LiteRT", version="2.2.0").words, Installed().words
        ('LiteRT benchmark_model 2.2.0', 'benchmark_model')
        """
        return " ".join(filter(None, (self.maker, "benchmark_model", self.version)))

    @property
    def runtime(self) -> str:
        """It, by its checksum."""
        return f"benchmark_model sha256:{self.digest[:12]}"


def of_content(content: bytes) -> Installed:
    """What is known of a program that is brought along."""
    return Installed(hashlib.sha256(content).hexdigest(), maker(content))


def script() -> str:
    """A fragment of shell script that says which program lies at the place."""
    tests = "".join(
        f'[ -z "$maker" ] && grep -q {shlex.quote(words.decode())} {PLACE} && maker={shlex.quote(name)}\n'
        for words, name in MAKERS
    )
    return f"""\
if [ -f {PLACE} ]; then
maker= version=
{tests}{{ read version < {VERSION_PLACE}; }} 2>/dev/null
echo "{lock.MARK} program $(sha256sum {PLACE})"
echo "{lock.MARK} maker $maker"
echo "{lock.MARK} version $version"
fi
"""


def read(output: str) -> Installed | None:
    """Reads what ``script`` printed; None: there is no program."""
    words = {line[0]: line[1:] for line in lock.marked(output)}
    if "program" not in words:
        return None
    digest = words["program"][0] if words["program"] else ""
    version = words.get("version", [])
    # It holds for the file that it was written for, not for one that somebody has put there since.
    known = version[0] if len(version) == 2 and digest and version[1] == digest else ""
    return Installed(digest, " ".join(words.get("maker", [])), known)


def put(phone: Phone, content: bytes, version: str) -> None:
    """Puts a program at the place, where measuring looks for it; it takes its name only when it is whole.

    Args:
        phone: the phone.
        content: the program.
        version: its version; empty: unknown.

    Raises:
        TransientError, UnusableError: the phone refused, or is gone.
    """
    part = f"{PLACE}.part"
    phone.push(content, part, 0o755, _ANSWER_SECONDS + len(content) / _PUSH_BYTES_PER_SECOND)
    digest = hashlib.sha256(content).hexdigest()
    noted = f"echo {shlex.quote(version)} {digest} > {VERSION_PLACE}" if version else f"rm -f {VERSION_PLACE}"
    output = phone.run(f"chmod 755 {part} && mv {part} {PLACE} && {noted} && sha256sum {PLACE}", _ANSWER_SECONDS)
    if output.exit_code:
        raise file_error(" ".join(output.stderr.split())[-150:])
    if output.stdout.split()[:1] != [digest]:
        raise TransientError(f"{PLACE} is not what was sent to it ({output.stdout.strip()[-150:] or 'no checksum'})")
