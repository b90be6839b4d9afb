from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnas_moo.objectives.whole_file import whole_file


def test_the_new_file_is_there_when_the_block_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "front.svg"
    file.write_text("before")
    with whole_file(file) as part:
        part.write_text("after")
        assert part.suffix == ".svg"
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "front.svg"
    file.write_text("before")

    def fail() -> None:
        with whole_file(file) as part:
            part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_process_that_is_killed_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "front.svg"
    file.write_text("before")
    program = (
        "import os, signal, sys\n"
        "from mnas_moo.objectives.whole_file import whole_file\n"
        "with whole_file(sys.argv[1]) as part:\n"
        "    part.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, file], check=False).returncode == -9
        assert file.read_text() == "before"
        assert len(list(tmp_path.iterdir())) == 2
    with whole_file(file) as part:
        assert part.read_text() == ""
        part.write_text("after")
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    file, link = tmp_path / "front.svg", tmp_path / "link.svg"
    file.write_text("before")
    link.symlink_to(file)
    with whole_file(link) as part:
        part.write_text("after")
    assert link.is_symlink()
    assert file.read_text() == "after"


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "none" / "front.svg"
    with pytest.raises(FileNotFoundError) as raised, whole_file(file) as part:
        part.write_text("text")
    assert raised.value.filename == os.fspath(file)


def test_a_link_that_somebody_has_put_in_the_way_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "precious"
    theirs.write_text("mine")
    (tmp_path / ".front.part.svg").symlink_to(theirs)
    with pytest.raises(OSError, match=r"front\.svg"), whole_file(tmp_path / "front.svg") as part:
        part.write_text("text")
    assert theirs.read_text() == "mine"
