"""What a server, a mirror or the cache may give in place of the program, from a real server on loopback."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mnas_moo.objectives.phone.published import FetchError, cache_folder, check_mirror, check_version, fetch

Answer = Callable[[BaseHTTPRequestHandler], None]


def elf(machine: int = 183, *, body: int = 1000) -> bytes:
    """A program of 64 bits whose one segment is ``body`` bytes."""
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64 + 56 + body, 64 + 56 + body, 4096)
    return header + segment + bytes(body)


class Site:
    """A server with one answer for everything."""

    def __init__(self) -> None:
        self.content = elf()
        self.status = 200
        self.length: int | None = None
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                self.send_response(site.status)
                self.send_header("Content-Length", str(len(site.content) if site.length is None else site.length))
                self.end_headers()
                self.wfile.write(site.content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A mirror on loopback, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_program_of_the_phone_s_abi_is_fetched_once_and_kept_with_its_checksum(site: Site, tmp_path: Path) -> None:
    first = fetch(["arm64-v8a", "armeabi-v7a"], "2.1.6", site.address)
    second = fetch(["arm64-v8a"], "2.1.6", site.address)
    assert site.asked == ["/2.1.6/android_arm64/benchmark_model"]
    assert (first.content, first.version, first.kept) == (site.content, "2.1.6", False)
    assert (second.content, second.kept) == (site.content, True)
    folder = tmp_path / "mnas_moo/benchmark_model/2.1.6/android_arm64"
    digest = hashlib.sha256(site.content).hexdigest()
    assert (folder / "benchmark_model.sha256").read_text() == f"{digest}  benchmark_model\n"


def test_kept_program_that_was_changed_since_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    fetch(["arm64-v8a"], "2.1.6", site.address)
    (file,) = tmp_path.rglob("benchmark_model/2.1.6/android_arm64/benchmark_model")
    file.write_bytes(elf(body=999))
    assert fetch(["arm64-v8a"], "2.1.6", site.address).content == site.content
    assert file.read_bytes() == site.content
    assert len(site.asked) == 2


def test_other_abi_has_another_folder(site: Site) -> None:
    site.content = elf(62)
    fetch(["x86_64", "arm64-v8a"], "2.2.0", site.address + "/")
    assert site.asked == ["/2.2.0/android_x86_64/benchmark_model"]


@pytest.mark.parametrize(
    ("content", "status", "length", "message"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", 200, None, "answered with a web page"),
        (b"hello", 200, None, "answered with no program .it begins with 'hello'"),
        (b"", 200, None, "answered with no program"),
        (elf(62), 200, None, "is built for x86_64, but the phone runs arm64-v8a"),
        (elf()[:500], 200, None, "gave 500 bytes of a program that has at least 1120"),
        (elf()[:30], 200, None, "gave 30 bytes of a program"),
        (elf()[:500], 200, 1120, "gave 500 of 1120 bytes"),
        (b"", 404, None, "answered 404"),
        (b"", 503, None, "answered 503"),
    ],
)
def test_answer_that_is_no_program_for_the_phone_is_refused_and_not_kept(
    site: Site, content: bytes, status: int, length: int | None, message: str
) -> None:
    site.content, site.status, site.length = content, status, length
    with pytest.raises(FetchError, match=message) as caught:
        fetch(["arm64-v8a"], "2.2.0", site.address)
    assert "\n" not in str(caught.value)
    assert "name the file: --install --benchmark-model FILE" in str(caught.value)
    assert not list(cache_folder().rglob("benchmark_model*"))


def test_without_a_network_the_message_says_so_and_what_to_do(site: Site) -> None:
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(FetchError, match=r"cannot be reached .*: without a network, fetch it on a machine that can"):
        fetch(["arm64-v8a"], "2.2.0", site.address)


def test_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.address)
    assert fetch(["arm64-v8a"], "2.2.0", "http://mirror.example").content == site.content
    assert site.asked == ["http://mirror.example/2.2.0/android_arm64/benchmark_model"]


def test_abi_that_nothing_is_published_for_is_named(site: Site) -> None:
    with pytest.raises(FetchError, match="for arm64-v8a, x86_64, and the phone runs armeabi-v7a"):
        fetch(["armeabi-v7a"], "2.2.0", site.address)
    assert site.asked == []


def test_cache_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mnas_moo").write_text("a file")
    with pytest.raises(FetchError, match="cannot be used to keep the program"):
        fetch(["arm64-v8a"], "2.2.0", site.address)


@pytest.mark.parametrize("version", ["latest", "../2.2.0", "2", "2.2.0/x", "v2.2.0", "2.2.0\n", ""])
def test_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="it is the number of a release of LiteRT"):
        check_version(version)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc",
        "ftp://a/b",
        "https://",
        "https://me:secret@host/x",
        "http://a b",
        "http://a/x?y",
        "http://[a",
        "x",
    ],
)
def test_mirror_that_is_no_plain_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match="of the form https://HOST/FOLDER") as caught:
        check_mirror(address)
    assert "secret" not in str(caught.value)


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mnas_moo/benchmark_model"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/mnas_moo/benchmark_model")
