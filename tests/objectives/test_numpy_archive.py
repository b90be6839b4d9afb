from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnas_moo.objectives.numpy_archive import MAX_BYTES, read_archive


def test_an_archive_gives_its_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(3), words=np.array("words"))
    found = read_archive(tmp_path / "a.npz")
    assert found["x"].tolist() == [0, 1, 2]
    assert str(found["words"]) == "words"
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "b.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npz: cannot be read as an archive of numpy \(Object arrays"):
        read_archive(tmp_path / "a.npz")


def test_a_few_kilobytes_that_unpack_to_gigabytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (MAX_BYTES,)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(MAX_BYTES // 1_000_000):
            member.write(bytes(1_000_000))
    assert path.stat().st_size < 300_000
    with pytest.raises(ValueError, match=rf"a\.npz: is too large \(.* unpacked; at most {MAX_BYTES} are read\)"):
        read_archive(path)


def test_an_array_that_says_it_is_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises((ValueError, MemoryError)):
        read_archive(tmp_path / "a.npz")


def test_any_damage_gives_arrays_or_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(100.0), words=np.array('{"a": 1}'))
    whole, rng, seen = path.read_bytes(), np.random.default_rng(0), set()
    for _ in range(1000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = int(rng.integers(256))
        path.write_bytes(damaged[: int(rng.integers(len(whole) // 2, len(whole) * 3))])
        told = None
        try:
            read_archive(path)
        except ValueError as error:
            told = str(error)
        assert told is None or told.startswith(f"{path}: ")
        seen.add(told is None)
    assert seen == {True, False}


def test_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz: is a FIFO, no regular file; name an archive of numpy$"):
        read_archive(tmp_path / "a.npz")
