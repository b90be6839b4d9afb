"""Commands and files through the real adb server: words and names arrive as themselves, and deadlines hold."""

from __future__ import annotations

import time

import pytest

from mnas_moo.objectives.phone.adb import DiskFullError, Phone, Server, TransientError, UnusableError, quote
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

FOLDER = "/data/local/tmp/test"
AWKWARD = [
    "a b",
    "it's",
    'say "x"',
    "a;b",
    "$(touch pwned)",
    "`touch pwned`",
    "line\nline",
    "*",
    "--",
    "\\",
    "é$HOME",
    "",
]


@pytest.fixture
def phone(phones: VirtualPhones) -> Phone:
    return Server().phone(phones[0].serial)


@pytest.mark.parametrize("word", AWKWARD)
def test_word_reaches_the_phone_as_itself(phone: Phone, phones: VirtualPhones, word: str) -> None:
    assert phone.run(quote(["printf", "%s", word]), 10.0).stdout == word
    assert phones[0].files() == []


@pytest.mark.parametrize("name", [name for name in AWKWARD if name])
def test_file_with_an_awkward_name_is_pushed_and_removed(phone: Phone, phones: VirtualPhones, name: str) -> None:
    path = f"{FOLDER}/{name}"
    phone.push(b"content of " + name.encode(), path, 0o644, 10.0)
    assert sorted(phones[0].files()) == ["test", f"test/{name}"]
    assert (phones[0].root / path[1:]).read_bytes() == b"content of " + name.encode()
    phone.remove([path, FOLDER], 10.0)
    assert phones[0].files() == []


def test_output_errors_and_exit_code_come_apart(phone: Phone) -> None:
    output = phone.run("echo out; echo err >&2; exit 37", 10.0)
    assert (output.stdout, output.stderr, output.exit_code) == ("out\n", "err\n", 37)


def test_command_without_input_ends(phone: Phone) -> None:
    assert phone.run("cat", 10.0).exit_code == 0


def test_large_file_arrives_whole(phone: Phone, phones: VirtualPhones) -> None:
    data = bytes(range(256)) * 20_000
    phone.push(data, f"{FOLDER}/large", 0o600, 20.0)
    assert (phones[0].root / FOLDER[1:] / "large").read_bytes() == data
    phone.remove([FOLDER], 10.0)


def test_deadline_holds_while_output_trickles(phone: Phone) -> None:
    start = time.monotonic()
    with pytest.raises(TransientError, match="no answer within 1 s"):
        phone.run("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.3; done", 1.0)
    assert time.monotonic() - start < 2.5


def test_missing_phone_is_transient(phones: VirtualPhones) -> None:
    with pytest.raises(TransientError, match="not found"):
        Server().phone("nobody").run("true", 5.0)


def test_phone_that_waits_for_its_dialog_is_unusable(phone: Phone, phones: VirtualPhones) -> None:
    phones[0].fault("unauthorized")
    while (state := Server().states().get(phones[0].serial)) != "unauthorized":
        assert state in (None, "device", "offline", "connecting", "authorizing")  # adb learns of it in its own time
        Server().connect(phones[0].serial)
    with pytest.raises(UnusableError, match="Allow USB debugging"):
        phone.run("true", 10.0)


def test_full_disk_is_told_from_forbidden_folder(phone: Phone, phones: VirtualPhones) -> None:
    phones[0].fault("disk_full", times=1)
    with pytest.raises(DiskFullError, match="no space left"):
        phone.push(bytes(1 << 20), f"{FOLDER}/x", 0o644, 10.0)
    phones[0].fault("permission_denied", times=1)
    with pytest.raises(UnusableError, match="permission denied"):
        phone.push(bytes(1 << 20), f"{FOLDER}/x", 0o644, 10.0)
    phones[0].clear()
    phone.remove([FOLDER], 10.0)


def test_server_is_started_only_where_none_listens(phones: VirtualPhones) -> None:
    server = Server()
    assert set(server.states().values()) == {"device"}
    phones.server.kill()
    assert server.states() == {}
    server.connect(phones[0].serial)
    assert server.phone(phones[0].serial).run("echo back", 10.0).stdout == "back\n"


def test_server_elsewhere_is_not_started_here(monkeypatch: pytest.MonkeyPatch, phones: VirtualPhones) -> None:
    phones.server.kill()
    monkeypatch.setenv("ANDROID_ADB_SERVER_HOST", "127.0.0.2")
    with pytest.raises(TransientError, match=r"no adb server listens at 127\.0\.0\.2"):
        Server().states()


def test_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "tcp:5037")
    with pytest.raises(ValueError, match="ANDROID_ADB_SERVER_PORT is 'tcp:5037'"):
        Server()
