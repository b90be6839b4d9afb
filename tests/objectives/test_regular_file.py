from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mnas_moo.objectives import regular_file
from mnas_moo.objectives.regular_file import UnfitFileError, check_regular, open_regular, read_regular


def test_a_regular_file_is_read_up_to_the_limit_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "a", 5) == read_regular(str(tmp_path / "link"), 5) == b"12345"
    with pytest.raises(UnfitFileError, match=r"^is too large \(5 bytes; at most 4 bytes are read\)$"):
        read_regular(tmp_path / "a", 4)
    with open_regular(tmp_path / "a", 5) as stream:
        assert (stream.read(2), stream.read()) == (b"12", b"345")


def test_a_file_without_end_of_which_the_system_says_no_size_is_read_to_the_limit(tmp_path: Path) -> None:
    assert Path("/proc/self/maps").stat().st_size == 0
    with pytest.raises(UnfitFileError, match=r"^is too large \(more; at most 10 bytes are read\)$"):
        read_regular("/proc/self/maps", 10)


def test_a_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnfitFileError, match=r"^is too large \(1099511627776 bytes; at most 9 bytes are read\)$"):
        read_regular(tmp_path / "long", 9)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fails, instead of waiting for ever, if the block does not end; ten times what it may take."""

    def stop(*_: object) -> None:
        raise AssertionError(f"still waiting after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        where = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        bound.bind(path.name)
        os.chdir(where)


def link(path: Path, make: Callable[[Path], None]) -> None:
    target = path.with_name("target")
    make(target)
    path.symlink_to(target.absolute())


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "FIFO": (os.mkfifo, "is a FIFO, no regular file"),
    "socket": (bind, "is a socket, no regular file"),
    "folder": (Path.mkdir, "is a folder, no regular file"),
    "/dev/zero": (lambda path: path.symlink_to("/dev/zero"), "is a device, no regular file"),
    "/dev/full": (lambda path: path.symlink_to("/dev/full"), "is a device, no regular file"),
    "link to a FIFO": (lambda path: link(path, os.mkfifo), "is a FIFO, no regular file"),
    "link to a folder": (lambda path: link(path, Path.mkdir), "is a folder, no regular file"),
}
"""Things that are no regular file: how one is made, and what is said of it."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_named_and_not_opened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, said = KINDS[kind]
    make(tmp_path / "x")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
    for read in (lambda: read_regular(tmp_path / "x", 9), lambda: check_regular(tmp_path / "x")):
        with within(20), pytest.raises(UnfitFileError, match=f"^{said}$"):
            read()


def test_what_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "dangling", 9)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        read_regular(tmp_path / "loop", 9)


def test_a_fifo_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.touch()

    def exchange(file: str | os.PathLike[str]) -> None:
        path.unlink()
        os.mkfifo(path)

    monkeypatch.setattr(regular_file, "check_regular", exchange)
    with within(20), pytest.raises(UnfitFileError, match="is a FIFO"):
        read_regular(path, 9)
