from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mnas_moo.instanas.export.files import Exported
from mnas_moo.instanas.export.runner import Runner, image_of, main
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.spaces.instanas import DEFAULT, NAMES
from tests.instanas.test_metagraph import SPACE


def test_it_decides_and_answers_as_torch(folder: Path, exported: Exported, digits: ImageData) -> None:
    runner, seen = Runner(folder), set()
    for i in range(20):
        pixels = digits.images[digits.holdout[i]]
        answer = runner(pixels.numpy())
        x = ((pixels.float() - digits.mean) / digits.std).permute(2, 0, 1)[None]
        expected = exported.runner(x)
        assert torch.equal(torch.from_numpy(answer.decided), expected.masks[0])
        torch.testing.assert_close(torch.from_numpy(answer.logits), expected.logits[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.from_numpy(answer.probabilities), expected.logits[0].softmax(0))
        seen.add(answer.decided.tobytes())
        # the first two cells have no module on: one begins a stage, and so does the other
        assert answer.ran[0].tolist() == [m == DEFAULT for m in range(len(NAMES))]
    assert len(seen) > 1


def test_an_image_passes_a_cell_without_modules_and_others_are_sums(folder: Path, exported: Exported) -> None:
    runner = Runner(folder)
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 1)).astype(np.float32)
    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    for share in (0.0, 0.3, 1.0):
        on = np.random.default_rng(1).random((SPACE.cells, len(NAMES))) < share
        expected = exported.runner.run(images, torch.from_numpy(on)[None])[0]
        torch.testing.assert_close(torch.from_numpy(runner.run(x, on)), expected, rtol=1e-4, atol=1e-4)
    assert not runner.filled(np.zeros_like(on))[2].any() or SPACE.first_cells[2]


def test_only_modules_that_are_on_run(folder: Path) -> None:
    runner = Runner(folder)
    ran: list[tuple[int, int]] = []
    for c, cell in enumerate(runner._modules):
        for m, module in enumerate(cell):

            def note(x: np.ndarray, module: object = module, key: tuple[int, int] = (c, m)) -> np.ndarray:
                ran.append(key)
                return module(x)  # type: ignore[operator, no-any-return]

            cell[m] = note  # type: ignore[assignment]
    answer = runner(np.full((16, 16, 1), 90, np.uint8))
    assert ran == [(int(c), int(m)) for c, m in zip(*answer.ran.nonzero(), strict=True)]
    assert len(ran) < answer.ran.size


def test_a_folder_is_run_by_the_program_in_it_and_nothing_else(folder: Path, digits: ImageData) -> None:
    pixels = digits.images[digits.holdout[0]].numpy()
    Image.fromarray(pixels[:, :, 0]).save(folder / "one.png")
    np.save(folder / "one.npy", pixels)
    command = [sys.executable, "-I", str(folder / "runner.py"), "one.png", "one.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    first, modules, second, again = done.stdout.splitlines()
    assert first.startswith("one.png: ") and second.startswith("one.npy: ") and modules == again
    assert first.split(",")[0].partition(": ")[2] == second.split(",")[0].partition(": ")[2]
    assert modules.startswith("  1 basic, 2 basic, 3 ") and " of 30 modules" in first


def test_pictures_are_cut_and_scaled(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (image_of(tmp_path / "wide.png", (8, 8, 3))[:, 1:-1] == 200).all()  # edges are mixed
    assert image_of(tmp_path / "wide.png", (8, 8, 1)).shape == (8, 8, 1)


def test_what_cannot_be_run_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = folder / "words.png"
    words.write_text("words")
    np.save(folder / "large.npy", np.zeros((32, 32, 1), np.uint8))
    images = [str(folder / name) for name in ("words.png", "large.npy", "gone.png")]
    assert main(["--folder", str(folder), *images]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == f"runner: {words} is no picture"
    assert lines[1].endswith("large.npy: an image is 16x16x1 of uint8; this one is 32x32x1 of uint8")
    assert "No such file" in lines[2] and "gone.png" in lines[2]
    (folder / "cell-03-basic.tflite").write_bytes(b"no model")
    assert main(["--folder", str(folder), images[0]]) == 2
    assert "cell-03-basic.tflite is no model of LiteRT" in capsys.readouterr().err
    (folder / "cell-03-basic.tflite").unlink()
    assert main(["--folder", str(folder), images[0]]) == 2
    assert "No such file" in capsys.readouterr().err
    about = json.loads((folder / "manifest.json").read_text())
    for text, message in (
        (json.dumps({**about, "format": 9}), "has format 9; this program reads format 1"),
        ("[]", "has format None; this program reads format 1"),
        ("no JSON", "manifest.json is no JSON"),
    ):
        (folder / "manifest.json").write_text(text)
        assert main(["--folder", str(folder), images[0]]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("package", ["ai_edge_litert.interpreter", "PIL"])
def test_a_package_that_is_missing_is_one_line(
    package: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "one.png")
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["--folder", str(folder), str(folder / "one.png")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert package in line and line.endswith("this program needs: pip install numpy ai-edge-litert pillow")
