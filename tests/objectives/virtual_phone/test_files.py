from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.virtual_phone.conftest import Adb
from tests.objectives.virtual_phone.test_shell import AWKWARD, device

pytest.importorskip("adbutils")


def test_twenty_megabytes_go_there_and_back(adb: Adb, phone: VirtualPhone, tmp_path: Path) -> None:
    contents = os.urandom(20_000_000)
    (tmp_path / "big").write_bytes(contents)
    assert adb("push", str(tmp_path / "big"), "/data/local/tmp/big").returncode == 0
    assert (phone.root / "data/local/tmp/big").read_bytes() == contents
    assert adb("pull", "/data/local/tmp/big", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == contents


@pytest.mark.parametrize("name", AWKWARD)
def test_file_of_any_name_goes_there_and_back_with_adbutils(
    phones: VirtualPhones, phone: VirtualPhone, name: str
) -> None:
    sync = device(phones).sync  # type: ignore[attr-defined]
    path = f"/data/local/tmp/{name}"
    assert sync.push(b"contents", path, mode=0o640, check=True) == 8
    assert phone.files() == [name]
    assert sync.read_bytes(path) == b"contents"
    found = sync.stat(path)
    assert (stat.S_IMODE(found.mode), stat.S_ISREG(found.mode), found.size) == (0o640, True, 8)
    assert {entry.path for entry in sync.list("/data/local/tmp")} == {".", "..", name}


def test_folder_goes_there_and_back_with_modes(adb: Adb, phone: VirtualPhone, tmp_path: Path) -> None:
    source = tmp_path / "a folder"
    (source / "in it").mkdir(parents=True)
    (source / "in it" / "program").write_text("#!/bin/sh\necho ran\n")
    (source / "in it" / "program").chmod(0o755)
    (source / "empty file").touch()
    assert adb("push", str(source), "/data/local/tmp/").returncode == 0
    assert adb("shell", "'/data/local/tmp/a folder/in it/program'").stdout == "ran\n"
    assert adb("pull", "/data/local/tmp/a folder", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back/in it/program").read_text() == "#!/bin/sh\necho ran\n"
    assert (tmp_path / "back/empty file").read_bytes() == b""


def test_missing_file_has_no_status_and_cannot_be_pulled(adb: Adb, phones: VirtualPhones, tmp_path: Path) -> None:
    found = device(phones).sync.stat("/data/local/tmp/none")  # type: ignore[attr-defined]
    assert (found.mode, found.size, found.mtime) == (0, 0, None)
    result = adb("pull", "/data/local/tmp/none", str(tmp_path / "none"))
    assert result.returncode == 1
    assert "No such file or directory" in result.stderr


def test_path_cannot_leave_the_phone(phones: VirtualPhones, phone: VirtualPhone) -> None:
    sync = device(phones).sync  # type: ignore[attr-defined]
    sync.push(b"x", "/data/local/tmp/../../../../../data/local/tmp/inside")
    assert phone.files() == ["inside"]
    assert sync.stat("/../../etc/passwd").mode == 0


def test_pushes_run_side_by_side(phones: VirtualPhones, phone: VirtualPhone) -> None:
    contents = {f"file {number}": os.urandom(1_000_000) for number in range(6)}

    def push(name: str) -> None:
        device(phones).sync.push(contents[name], f"/data/local/tmp/{name}")  # type: ignore[attr-defined]

    threads = [threading.Thread(target=push, args=(name,)) for name in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: (phone.root / "data/local/tmp" / name).read_bytes() for name in phone.files()} == contents
