"""Runs a network for each image: a controller looks at it, and only the modules that it switches on compute.

This file needs nothing of the package that made it. It lies in a folder beside ``manifest.json``, which says what the
other files are, and needs numpy and ai-edge-litert, and Pillow for pictures that are no arrays of numpy's:

    python runner.py IMAGE...
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
MANIFEST = "manifest.json"
NEEDED = "this program needs: pip install numpy ai-edge-litert pillow"


@dataclass(frozen=True)
class Answer:
    """What was found for an image.

    Attributes:
        logits: (classes,) float32.
        decided: (L, M) booleans: what the controller switched on.
        ran: (L, M) booleans: the modules that ran, with those that are on by default.
    """

    logits: np.ndarray
    decided: np.ndarray
    ran: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """(classes,) softmax of the logits."""
        raised = np.exp(self.logits - self.logits.max())
        return np.asarray(raised / raised.sum())


class Model:
    """A LiteRT model with one input and one output.

    Args:
        name: its name for messages.
        content: the content of its file.
        threads: threads that it runs on.

    Raises:
        ValueError: it is no such model.
    """

    def __init__(self, name: str, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            (source,), (result,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{name} is no model of LiteRT: {' '.join(str(error).split())}") from error
        self._source, self._result = source["index"], result["index"]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The output for an input."""
        self._interpreter.set_tensor(self._source, x)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._result))


class Runner:
    """The files of a folder, ready to run, an image at a time.

    Args:
        folder: has the manifest and the files that it names.
        threads: threads of a module.

    Raises:
        ValueError: the folder has no manifest of this format, or a file that it names is broken.
        OSError: a file is missing.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        def opened(name: str) -> Model:
            return Model(str(folder / name), (folder / name).read_bytes(), threads)

        self.about = _manifest(folder)
        self.labels: list[str] = self.about["labels"]
        self.cells: list[dict[str, Any]] = self.about["cells"]
        source = self.about["input"]
        self.shape = source["height"], source["width"], source["channels"]
        self._mean, self._std = (np.array(source[key], np.float32) for key in ("mean", "std"))
        self._controller = opened(self.about["controller"]["file"])
        self._stem, self._head = opened(self.about["stem"]), opened(self.about["head"])
        self._modules = [[opened(module["file"]) for module in cell["modules"]] for cell in self.cells]
        names = [[module["name"] for module in cell["modules"]] for cell in self.cells]
        self._defaults = [
            None if cell["default"] is None else own.index(cell["default"])
            for cell, own in zip(self.cells, names, strict=True)
        ]

    def __call__(self, image: np.ndarray) -> Answer:
        """Classifies an image, (H, W, C) uint8 of the manifest's size.

        Raises:
            ValueError: it has another shape or type.
        """
        x = self.normalised(image)
        decided = self.decided(self.outputs(x))
        return Answer(self.run(x, decided), decided, self.filled(decided))

    def normalised(self, image: np.ndarray) -> np.ndarray:
        """(1, H, W, C) float32, the input of controller and stem, of an (H, W, C) uint8 image.

        Raises:
            ValueError: it has another shape or type.
        """
        if image.shape != self.shape or image.dtype != np.uint8:
            found = f"{'x'.join(map(str, image.shape))} of {image.dtype}"
            raise ValueError(f"an image is {'x'.join(map(str, self.shape))} of uint8; this one is {found}")
        return np.asarray((image.astype(np.float32) - self._mean) / self._std)[None]

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """(L, M) what the controller says of each module; the sigmoid of it is a probability."""
        return self._controller(x).reshape(len(self.cells), -1)

    def decided(self, outputs: np.ndarray) -> np.ndarray:
        """(L, M) booleans: the modules that are on by what the controller says."""
        return np.asarray(outputs >= self.about["controller"]["on_from"])

    def filled(self, decided: np.ndarray) -> np.ndarray:
        """(L, M) booleans with the default modules of cells that have none on."""
        ran = decided.copy()
        for cell, default in enumerate(self._defaults):
            if default is not None and not ran[cell].any():
                ran[cell, default] = True
        return ran

    def run(self, x: np.ndarray, decided: np.ndarray) -> np.ndarray:
        """(classes,) logits by given decisions, (L, M): a cell's result is the sum of those of its modules."""
        x = self._stem(x)
        for modules, on in zip(self._modules, self.filled(decided), strict=True):
            results = [module(x) for module, its in zip(modules, on.tolist(), strict=True) if its]
            if results:  # else the image passes the cell as it is
                x = results[0]
                for result in results[1:]:
                    x = x + result
        return np.asarray(self._head(x)[0])

    def warm(self) -> None:
        """Runs every file once, since the first time takes longer."""
        x = np.zeros((1, *self.shape), np.float32)
        self.run(x, np.ones_like(self.decided(self.outputs(x))))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / MANIFEST} is no JSON: {error}") from error
    found = about.get("format") if isinstance(about, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / MANIFEST} has format {found!r}; this program reads format {FORMAT}")
    return dict(about)


def image_of(file: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture as an (H, W, C) uint8 array; numpy's own files (.npy) are taken as they are.

    Raises:
        ValueError: it is no picture.
        OSError: it cannot be read.
    """
    if file.suffix == ".npy":
        return np.asarray(np.load(file, allow_pickle=False))
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except OSError as error:
        if error.errno is not None:  # there is none, or it must not be read
            raise
        raise ValueError(f"{file} is no picture") from error
    # scaled so that the shorter side fits, and the middle cut out
    pixels = np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR))
    return pixels.reshape(shape)


def _words(runner: Runner, answer: Answer) -> str:
    """The modules that ran, cell by cell."""
    cells = []
    for number, (cell, on) in enumerate(zip(runner.cells, answer.ran.tolist(), strict=True), start=1):
        names = [module["name"] for module, its in zip(cell["modules"], on, strict=True) if its]
        cells.append(f"{number} {'+'.join(names) or '-'}")
    return ", ".join(cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Classifies pictures: a line for each, and one with the modules that ran."""
    parser = argparse.ArgumentParser(description="Classifies pictures, each by the modules that it needs.")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="a picture, or an array (.npy)")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="the files (default: this folder)")
    asked = parser.parse_args(arguments)
    try:
        runner = Runner(asked.folder)
        runner.warm()
    except (OSError, ValueError) as error:
        print(f"runner: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"runner: {error}; {NEEDED}", file=sys.stderr)
        return 2
    status = 0
    for file in asked.images:
        try:
            image = image_of(file, runner.shape)
            began = time.perf_counter()
            answer = runner(image)
            spent_ms = 1e3 * (time.perf_counter() - began)
        except (OSError, ValueError) as error:
            text = str(error)
            print(f"runner: {text if str(file) in text else f'{file}: {text}'}", file=sys.stderr)
            status = 2
            continue
        except ImportError as error:
            print(f"runner: {error}; {NEEDED}", file=sys.stderr)
            return 2
        best = int(answer.logits.argmax())
        on, of = int(answer.ran.sum()), answer.ran.size
        share = 100 * float(answer.probabilities[best])
        print(f"{file}: {runner.labels[best]} ({share:.1f} %), {spent_ms:.3g} ms, {on} of {of} modules")
        print(f"  {_words(runner, answer)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
