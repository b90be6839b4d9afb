from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnas_moo.objectives.training import image_files
from mnas_moo.objectives.training.data import describe, load_data
from mnas_moo.objectives.training.image_files import MAX_BYTES, MAX_PIXELS, listed, opened

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of three images each."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (12, 12), (10 * i, 0, 0)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG that says it has so many pixels, with the data of few of them."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(10_000))),
        (b"IEND", b""),
    ]
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def complaint(folder: Path) -> str:
    """What is said of a folder, at the latest when it is decoded."""
    with pytest.raises(ValueError, match=r"^data: ") as caught:
        load_data(folder, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run(folder: Path, images: Path) -> subprocess.CompletedProcess[str]:
    """`mnas-moo run` on a folder of images; it must end within 60 seconds."""
    (folder / "s.yaml").write_text(
        "name: s\nstorage: sqlite:///s.db\nspace: {mnasnet: {preset: digits, blocks: 1}}\n"
        f"data: {images}\nobjectives: {{accuracy: {{train: {{epochs: 1}}}}}}\n"
        "sampler: {random: {seed: 0}}\ntrials: 1\n",
        encoding="utf-8",
    )
    return subprocess.run(
        [sys.executable, "-m", "mnas_moo.cli.main", "run", "s.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_fifo_among_the_images_ends_a_run_with_one_line_and_status_2(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    os.mkfifo(folder / "b" / "1.jpg")
    done = run(tmp_path_factory.mktemp("run"), folder)
    (line,) = done.stderr.splitlines()
    assert line.startswith("mnas-moo: s.yaml:4: data: ")
    assert f"{folder}/b/1.jpg is a FIFO, no regular file; replace or remove it" in line
    assert done.returncode == 2


@pytest.mark.parametrize("kind", ["FIFO", "socket", "device"])
def test_what_is_no_regular_file_is_named_and_not_opened(folder: Path, kind: str) -> None:
    path = folder / "b" / "x.jpg"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            where = Path.cwd()
            os.chdir(path.parent)  # a socket's path may have 107 bytes
            bound.bind(path.name)
            os.chdir(where)
    else:
        path.symlink_to("/dev/zero")
    assert complaint(folder) == f"data: {path} is a {kind}, no regular file; replace or remove it"
    with pytest.raises(ValueError, match=f"a {kind}, no regular file"), opened(path):
        pass


def test_a_folder_named_as_an_image_is_a_folder(folder: Path) -> None:
    (folder / "a" / "0.png").rename(folder / "0.png")
    (folder / "a" / "x.jpg").mkdir()
    (folder / "0.png").rename(folder / "a" / "x.jpg" / "0.png")
    assert listed(folder / "a")[0] == [folder / "a" / name for name in ("1.png", "2.png", "x.jpg/0.png")]


def test_links_to_files_are_read_and_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "a" / "link.png").symlink_to(folder / "b" / "0.png")
    (folder / "a" / "loop").symlink_to(folder / "a")
    (folder / "a" / "other.jpg").symlink_to(folder / "b")
    files, ignored = listed(folder / "a")
    assert [file.name for file in files] == ["0.png", "1.png", "2.png", "link.png"]
    assert ignored == 0


@pytest.mark.parametrize(("target", "why"), [("nowhere", "No such file"), ("x.jpg", "Too many levels")])
def test_a_link_to_nothing_is_named(folder: Path, target: str, why: str) -> None:
    (folder / "a" / "x.jpg").symlink_to(folder / "a" / target)
    assert f"data: {folder}/a/x.jpg cannot be read ({why}" in complaint(folder)


@pytest.mark.parametrize("target", [".", ".."])
def test_a_class_that_is_a_link_to_its_own_folder_is_refused(folder: Path, target: str) -> None:
    (folder / "c").symlink_to(folder / target)
    assert complaint(folder) == f"data: class {folder}/c is a link to a folder that it lies in; remove it"


@pytest.mark.parametrize("place", ["0.png", "1.png"])  # the first of a class is looked at before the others
@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (12_000, 12_000), (MAX_PIXELS + 1, 1)])
@pytest.mark.filterwarnings("error")
def test_more_pixels_than_allowed_are_not_decoded(folder: Path, place: str, width: int, height: int) -> None:
    bomb(folder / "b" / place, width, height)
    assert (folder / "b" / place).stat().st_size < 1000
    told = complaint(folder)
    assert told.startswith(f"data: {folder}/b/{place} is too large (")
    assert f"{MAX_PIXELS}" in told


def test_more_pixels_are_refused_also_where_pillow_was_told_to_allow_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    bomb(folder / "b" / "1.png", 60_000, 60_000)
    assert "b/1.png is too large (60000 x 60000 pixels; at most 89478485 are decoded)" in complaint(folder)


def test_as_many_pixels_as_allowed_are_begun_to_be_decoded(folder: Path) -> None:
    bomb(folder / "b" / "1.png", 9459, 9459)
    assert "too large" not in complaint(folder)


def test_a_file_of_too_many_bytes_is_not_read(folder: Path) -> None:
    os.truncate(folder / "b" / "1.png", MAX_BYTES + 1)
    assert "b/1.png is too large (100000001 bytes; at most 100000000 bytes are read)" in complaint(folder)
    os.truncate(folder / "b" / "1.png", MAX_BYTES)  # what follows the end of the image is not looked at
    assert len(load_data(folder, 8).images) == 6


@pytest.mark.parametrize("place", ["0.jpg", "1.jpg"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_truncated_file_is_named(folder: Path, place: str, share: float) -> None:
    path = folder / "a" / place
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    os.truncate(path, int(share * path.stat().st_size))
    assert complaint(folder).startswith(f"data: {path} cannot be read as an image (")


def test_any_damage_gives_the_image_or_an_error_that_names_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    seen = set()
    for suffix in image_files.SUFFIXES:
        path = tmp_path / f"x{suffix}"
        picture.convert("L" if suffix == ".pgm" else "RGB").save(path)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(whole), 200), 4):
                damaged[place] = int(rng.integers(256))
            path.write_bytes(damaged)
            told = None
            try:
                with image_files.without_pillows_warnings(), opened(path) as image:
                    image.load()
            except ValueError as error:
                told = str(error)
            assert told is None or str(path) in told
            seen.add(told is None)
    assert seen == {True, False}


def test_postscript_named_as_a_photograph_starts_no_interpreter(folder: Path) -> None:
    (folder / "a" / "1.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    told = complaint(folder)
    assert f"{folder}/a/1.jpg cannot be read as an image (not in one of the formats JPEG, PNG, " in told


def test_a_class_without_images_and_an_empty_folder_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "notes.txt").touch()
    assert f"class {folder}/c holds 0 images; at least 2 are needed" in complaint(folder)
    empty = tmp_path / "c"
    assert f"data: {empty} holds no subfolders" in complaint(empty)


@pytest.fixture
def as_other_user() -> Iterator[Path]:
    """A folder of two classes, whose permissions count: root may read everything."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        for label in ("a", "b"):
            (root / label).mkdir()
            for i in range(2):
                Image.new("L", (12, 12)).save(root / label / f"{i}.png")
        before = os.geteuid()
        yield root
        os.seteuid(before)


@pytest.mark.parametrize("what", ["", "a", "a/0.png", "b/1.png"])
def test_what_must_not_be_read_is_named(as_other_user: Path, what: str) -> None:
    path = as_other_user / what
    path.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises((ValueError, PermissionError), match="ermission denied") as caught:
        load_data(as_other_user, 8)
    assert str(path) in str(caught.value)


def test_memory_that_runs_out_while_decoding_is_said_to_have_run_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(MemoryError, match=r"a/0\.png could not be decoded"):
        load_data(folder, 8)


def test_formats_are_those_that_the_suffixes_stand_for() -> None:
    Image.init()
    formats = Image.registered_extensions()
    assert {formats[suffix] for suffix in image_files.SUFFIXES} == set(image_files.FORMATS)
    assert describe("digits").ignored == 0
