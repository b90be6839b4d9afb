"""The points of InstaNAS' search that a study's trials stand for, with what is known of their images.

Figures are stored with the study; images, and which modules they use, stand beside the search on the machine where it
ran. Where that is missing, or another program has changed it, a point has its figures only.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnas_moo.instanas.sampler import point_of
from mnas_moo.running.per_image import search_file
from mnas_moo.running.shared_weights import beside

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from mnas_moo.study_file.network_study import NetworkStudy

FIGURES = ("accuracy", "latency_ms", "shuffled_accuracy", "paths", "on")


@dataclass(frozen=True, eq=False)
class Shown:
    """An image of the hold-out.

    Attributes:
        label: its class.
        latency_ms: of its path, controller included.
        pixels: (H, W, C) uint8.
    """

    label: str
    latency_ms: float
    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Point:
    """A point, as a trial stands for it.

    Attributes:
        trial: number of the trial.
        number: of the point in the search.
        figures: its figures, by the names of ``FIGURES``.
        cells: names of the cells.
        modules: names of a cell's modules.
        classes: the classes.
        use: (K, L, M) share of each class's images that have each module on; None: not known here.
        images: images from fast to slow; empty: not known here.
    """

    trial: int
    number: int
    figures: Mapping[str, float]
    cells: Sequence[str] = ()
    modules: Sequence[str] = ()
    classes: Sequence[str] = ()
    use: npt.NDArray[np.float64] | None = None
    images: Sequence[Shown] = ()


def points_of_trials(study: optuna.Study, study_file: NetworkStudy, trials: Iterable[FrozenTrial]) -> list[Point]:
    """The points of some trials, each once, by the first trial that stands for it; from fast to slow."""
    found: dict[int, Point] = {}
    notes: dict[str, Any] | None = None
    for trial in trials:
        held = point_of(study, trial.user_attrs)
        if held is None or held[0] in found:
            continue
        if notes is None:
            notes = beside(search_file(study_file))
        number, point = held
        try:
            figures = {name: float(point[name]) for name in FIGURES}
        except (KeyError, TypeError, ValueError):  # another program has written there
            continue
        found[number] = Point(trial.number, number, figures, **_seen(notes, number, point))
    return [found[number] for number in sorted(found)]


def _seen(notes: Mapping[str, Any], number: int, point: Mapping[str, Any]) -> dict[str, Any]:
    """What the notes beside a search know of a point; nothing, where they are of another search or broken."""
    try:
        if notes["points"][number]["file"] != point["file"]:
            return {}
        way = notes["ways"][number]
        cells, modules, classes = (list(map(str, notes[key])) for key in ("cells", "modules", "classes"))
        use = np.array(way["use"], float).reshape(len(classes), len(cells), len(modules))
        images = [
            Shown(
                classes[image["label"]],
                float(image["latency_ms"]),
                np.frombuffer(base64.b64decode(image["pixels"]), np.uint8).reshape(image["shape"]),
            )
            for image in way["images"]
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        return {}
    return {"cells": cells, "modules": modules, "classes": classes, "use": use, "images": images}
