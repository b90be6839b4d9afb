"""A controller and the modules of its meta-graph as LiteRT models, with a manifest and a program that runs them.

Each module of each cell is a file of its own, so that a program loads and runs what an image needs; the manifest says
how their results are put together, as ``metagraph`` does it. Norms are folded into the convolutions.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import nn

from mnas_moo.instanas.controller import controller_graph, controller_weights
from mnas_moo.instanas.export.runner import FORMAT, MANIFEST
from mnas_moo.instanas.inference import Runner
from mnas_moo.objectives.export.description import LABELS_FILE, OUTPUT, input_of, labels_of, labels_text
from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.formats.torch_module import Network, weights
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.instanas import DEFAULT, MOBILENET, NAMES, InstaNASSpace

RUNNER = "runner.py"
CONTROLLER, STEM, HEAD = "controller.tflite", "stem.tflite", "head.tflite"
RULE = (
    "The controller gives a number for each module, cell by cell, in the order of this file; a module is on where it "
    "is on_from or more, that is where its sigmoid is at least 1/2. In a cell where no module is on, the default one "
    "is; where there is no default, the image passes the cell as it is. Stem, cells and head follow one another: each "
    "module of a cell that is on takes the cell's input, and the cell's result is the sum of theirs."
)


@dataclass(frozen=True)
class Exported:
    """What is exported.

    Attributes:
        name: its name, as "trial-3".
        study: name of its study.
        space: the meta-graph.
        runner: graph and controller, on the CPU.
        classes: names of the outputs, in their order.
        mean: (C,) what is subtracted of each channel of an image, in units of a byte.
        std: (C,) what each channel is divided by then.
    """

    name: str
    study: str
    space: InstaNASSpace
    runner: Runner
    classes: Sequence[str]
    mean: Sequence[float]
    std: Sequence[float]

    @property
    def controller_graph(self) -> Fragment:
        """The controller as a graph."""
        controller = self.runner.controller
        return controller_graph(controller.input_shape, controller.decisions, *controller.size)


def module_file(cell: int, module: int) -> str:
    """The file of a module of a cell, both by their numbers from 0.

    >>> module_file(0, 4)
    'cell-01-basic.tflite'
    """
    return f"cell-{cell + 1:02}-{NAMES[module]}.tflite"


def manifest(exported: Exported) -> dict[str, Any]:
    """What a program must know to run the files, as JSON.

    Raises:
        ValueError: a label has a line break.
    """
    space = exported.space
    return {
        "format": FORMAT,
        "name": exported.name,
        "study": exported.study,
        "labels": labels_of(exported.classes),
        "input": input_of(exported.runner.controller.input_shape, exported.mean, exported.std),
        "output": OUTPUT,
        "rule": RULE,
        "controller": {"file": CONTROLLER, "on_from": 0.0},
        "stem": STEM,
        "cells": [
            {
                "name": name,
                "default": NAMES[DEFAULT] if first else None,
                "modules": [{"name": NAMES[m], "file": module_file(cell, m)} for m in range(len(NAMES))],
            }
            for cell, (name, first) in enumerate(zip(space.distributions, space.first_cells, strict=True))
        ],
        "head": HEAD,
    }


def write(exported: Exported) -> dict[str, bytes]:
    """The content of each file, by its name.

    Raises:
        ValueError: a label has a line break.
        MissingExtraError: ai-edge-litert or flatbuffers is not installed.
    """
    about = manifest(exported)
    graph, controller = exported.runner.graph, exported.runner.controller
    decides = exported.controller_graph
    files = {CONTROLLER: litert.write(decides, controller_weights(controller, decides)), STEM: _written(graph.stem)}
    for cell, modules in enumerate(graph.cells):
        for module, network in enumerate(cast("nn.ModuleList", modules)):
            files[module_file(cell, module)] = _written(cast("Network", network))
    files[HEAD] = _written(graph.rest)
    files[LABELS_FILE] = labels_text(exported.classes).encode()
    files[MANIFEST] = json.dumps(about, indent=2).encode()
    files[RUNNER] = importlib.resources.files("mnas_moo.instanas.export").joinpath(RUNNER).read_bytes()
    return files


def whole(exported: Exported) -> bytes:
    """The MobileNetV2-like path as one LiteRT model: what the same weights are without a controller."""
    mask = np.zeros((exported.space.cells, len(NAMES)), np.bool_)
    mask[:, MOBILENET] = True
    return _written(exported.runner.graph.cut(mask))


def _written(network: Network) -> bytes:
    return litert.write(network.spec, weights(network))
