"""An exported point as a folder: files that have run, the program that runs them, and all figures as JSON."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnas_moo.instanas.export.check import ROUNDS, Check, check, timed
from mnas_moo.instanas.export.files import Exported, manifest, write
from mnas_moo.objectives.export.check import MOST_DIFFERENCE
from mnas_moo.objectives.export.document import FORMAT, other_images, versions
from mnas_moo.objectives.export.folder import FIGURES_FILE, listener_of, write_files
from mnas_moo.objectives.host.process import cpu_name
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.instanas import MOBILENET

PACKAGES = dict.fromkeys(("ai_edge_litert", "flatbuffers"), "host")
"""Module that an export needs -> the extra that brings it."""


def export(
    folder: Path,
    exported: Exported,
    data: ImageData,
    training: Mapping[str, Any],
    *,
    threads: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Writes a point into a folder, runs its files on the images held out, and times them.

    Nothing is removed where the check fails: ``["check"]["failures"]`` of the figures says what it found.

    Args:
        folder: where the files go; it is made.
        exported: the point.
        data: the images it was trained on, split as they were then.
        training: what is known of the search and of the point, as JSON.
        threads: number of images that are checked at the same time, each on one core.
        say: is told what goes on.

    Returns:
        The figures, which are in the folder too: JSON with "format", the keys of the manifest, "parameters" of all
        files, "multiply_adds" of the controller and of the MobileNetV2-like path, "files" by name, "check", "timed",
        "training", "licence" and "versions".

    Raises:
        ValueError: a file cannot be written, or does not run.
        OSError: the folder cannot be written to.
        MissingExtraError: a package is missing.
    """
    say("writing")
    files = write(exported)
    write_files(folder, files)
    found = check(folder, exported, data, threads=threads, listener=listener_of(say))
    say("timing images, each by its own path and by the MobileNetV2-like one")
    times = timed(folder, exported, data)
    controller, graph = exported.controller_graph, exported.runner.graph
    figures = {
        **manifest(exported),
        "format": FORMAT,
        "parameters": controller.parameters + sum(each.numel() for each in graph.parameters()),
        "multiply_adds": {
            "controller": controller.multiply_adds,
            "mobilenet": exported.space.only(MOBILENET).multiply_adds,
        },
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
        "check": {**_checked(found), "warnings": other_images(training, found.torch_accuracy)},
        "timed": {
            "device": cpu_name(),
            "threads": 1,
            "rounds": ROUNDS,
            **asdict(times),
            "saved_interval": list(times.saved_interval),
        },
        "training": dict(training),
        "licence": {"data": None, "mnas-moo": "MIT"},
        "versions": {"python": platform.python_version(), **versions()},
    }
    with whole_file(folder / FIGURES_FILE) as part:
        part.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return figures


def _checked(found: Check) -> dict[str, Any]:
    return {**asdict(found), "share": found.share, "float32_limit": MOST_DIFFERENCE, "failures": found.failures}
