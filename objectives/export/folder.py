"""An export: a folder of files that have run, the labels, and all figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mnas_moo.objectives.export.check import BATCH, check
from mnas_moo.objectives.export.description import LABELS_FILE, labels_text
from mnas_moo.objectives.export.document import document
from mnas_moo.objectives.export.files import EXTRA, calibration_images, write
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.objectives.whole_file import whole_file

FIGURES_FILE = "model.json"
PACKAGES = dict.fromkeys(("ai_edge_litert", "flatbuffers", "onnx", "onnxruntime"), EXTRA)
"""Module that an export needs -> the extras that bring it."""
TOLD = 10
"""The check says so often how far it is."""


def export(
    folder: Path,
    trained: TrainedNetwork,
    data: ImageData,
    latencies: Sequence[Mapping[str, Any]],
    *,
    balanced: bool = False,
    threads: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Writes a trained network into a folder, and runs every file on the images held out.

    Nothing is removed where the check fails: ``["check"]["failures"]`` of the figures says what it found.

    Args:
        folder: where the files go; it is made.
        trained: the network.
        data: the images it was trained on, split as they were then.
        latencies: what the network's trial says of its latencies, for the figures.
        balanced: whether accuracy is the mean over the classes.
        threads: number of files that are checked at the same time, each on one core.
        say: is told what goes on.

    Returns:
        The figures, as ``document`` has them; they are in the folder too.

    Raises:
        ValueError: the network cannot be written, or a program cannot run its file.
        OSError: the folder cannot be written to.
        MissingExtraError: a package is missing.
    """
    say("writing")
    files = write(trained, data.images[calibration_images(data.train)].numpy())
    write_files(folder, {**files, LABELS_FILE: labels_text(trained.classes).encode()})
    found = check(folder, trained, data, balanced=balanced, threads=threads, listener=listener_of(say))
    figures = document(folder, trained, found, latencies)
    with whole_file(folder / FIGURES_FILE) as part:
        part.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return figures


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by name into a folder, which is made.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with whole_file(folder / name) as part:
            part.write_bytes(content)


def listener_of(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """What is told how many images of how many are checked, and says so now and then."""
    told = 0

    def listener(done: int, of: int) -> None:
        nonlocal told
        if of > BATCH and TOLD * done // of > told:
            told = TOLD * done // of
            say(f"checking: {done:,} of {of:,} images")

    return listener
