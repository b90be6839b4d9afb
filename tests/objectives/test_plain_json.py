from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnas_moo.objectives.plain_json import MAX_BYTES, read_json
from mnas_moo.objectives.regular_file import UnfitFileError


def test_json_is_plain_data(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, "x y", null, true]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, "x y", None, True]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"{", "is no JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "is nested too deeply"),
        (b"[" * 22 + b"]" * 22, "is nested too deeply"),
        (b"1" * 5000, "is no JSON"),
        (rb'"\ud800"', "has a control character, '\\\\ud800'"),
        (rb'{"\u001b[2J": 1}', "has a control character, '\\\\x1b'"),
        (rb'"a\nb"', "has a control character, '\\\\n'"),
        ('"a\u2028b"'.encode(), "has a control character, '\\\\u2028'"),
        (rb'[{"a": "\u0000"}]', "has a control character, '\\\\x00'"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_only_regular_files_up_to_a_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnfitFileError, match=r"^is a FIFO, no regular file$"):
        read_json(tmp_path / "pipe")
    with (tmp_path / "long").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UnfitFileError, match=f"^is too large .*; at most {MAX_BYTES} bytes are read"):
        read_json(tmp_path / "long")
