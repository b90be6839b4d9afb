"""What an export takes of a point of InstaNAS' search: graph and controller, its images, and what is known of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.instanas.sampler import RESULT, point_of
from mnas_moo.running.export import check_classes
from mnas_moo.running.objectives import describe, images_at, space_of
from mnas_moo.running.per_image import search_file, settings_of
from mnas_moo.running.shared_weights import beside
from mnas_moo.running.trained import label_of
from mnas_moo.running.trials import network_of
from mnas_moo.spaces.instanas import InstaNASSpace
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.document import StudyError, refusals

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from mnas_moo.instanas.export.files import Exported
    from mnas_moo.objectives.training.data import ImageData
    from mnas_moo.running.trials import Observer
    from mnas_moo.study_file.network_study import NetworkStudy


def exported_point(
    study_file: NetworkStudy, study: optuna.Study, trial: FrozenTrial, observer: Observer
) -> tuple[Exported, ImageData, dict[str, Any]]:
    """The point of a trial, with its images and figures.

    Args:
        study_file: the study's file.
        study: the study.
        trial: a trial that is a point (``instanas.sampler.point_of``).
        observer: is told of what is read.

    Returns:
        The point; the images, split as they were for the search; what is known of the search and the point, as JSON:
        the keys of ``TrainedNetwork.figures`` that apply, and those of the point (``course.Point``).

    Raises:
        StudyError: the point's file is missing, broken or of another space; the images are others.
    """
    from mnas_moo.instanas.export.files import Exported
    from mnas_moo.instanas.search import load

    found = point_of(study, trial.user_attrs)
    assert found is not None
    number, point = found
    seconds = study._storage.get_study_system_attrs(study._study_id)[RESULT].get("seconds")
    name = f"trial {trial.number} of {study_file.name}"
    file = _file_of(study_file, name, point)
    space = space_of(study_file, describe(study_file))
    if not isinstance(space, InstaNASSpace):
        raise StudyError(f"{name} is a point of InstaNAS' search, but the file's space is {study_file.space.name}")
    _check_resolution(name, network_of(trial), space)
    with refusals():
        runner = load(file, space)
    holdout = study_file.training["holdout"]
    data = images_at(study_file, space.settings.resolution, observer, holdout=holdout)
    with refusals():
        data.check(space.only(0), "export: the network")
    notes = beside(search_file(study_file))
    if isinstance(classes := notes.get("classes"), list):
        check_classes(study_file, data, list(map(str, classes)))
    mean, std = data.mean.tolist(), data.std.tolist()
    exported = Exported(label_of(trial.number), study_file.name, space, runner, data.info.classes, mean, std)
    figures = _figures(study_file, trial, number, point, data)
    return exported, data, {"label": exported.name, **figures, "seconds": seconds}


def _file_of(study_file: NetworkStudy, name: str, point: Mapping[str, Any]) -> Path:
    """The file of a point, which stands beside the search's.

    Raises:
        StudyError: it is not there.
    """
    beside_search = search_file(study_file)
    file = beside_search.with_name(Path(str(point.get("file"))).name)  # another program may have written there
    if not file.is_file():
        raise StudyError(
            f"{file}, the weights of {name}, is missing; it was written where the search ran: copy it from there"
        )
    return file


def _check_resolution(name: str, network: str, space: InstaNASSpace) -> None:
    """Checks that the file's space is for images of the size that the search had.

    Raises:
        StudyError: it is for others.
    """
    with refusals():
        theirs = from_text(network).input_shape[1]
    ours = space.settings.resolution
    if ours != theirs:
        raise StudyError(
            f"{name} is for images of {theirs} x {theirs} pixels, but the file's space has resolution {ours}; a point "
            "is exported as it was searched"
        )


def _figures(
    study_file: NetworkStudy, trial: FrozenTrial, number: int, point: Mapping[str, Any], data: ImageData
) -> dict[str, Any]:
    from mnas_moo.objectives.training.balance import chance
    from mnas_moo.objectives.training.judging import interval_of

    kind, path = study_file.data.chosen
    chosen = study_file.sampler.instanas
    images = len(data.holdout)
    return {
        "study": study_file.name,
        "trial": trial.number,
        "point": number,
        **point,
        "interval": list(interval_of(float(point["accuracy"]), images)),
        "chance": chance(data.labels[data.holdout], balanced=False),
        "holdout_images": images,
        "recipe": dataclasses.asdict(settings_of(study_file)),
        "seed": chosen.seed if chosen is not None else None,
        "data": {
            "source": kind if kind == "digits" else f"{kind}: {path}",
            "holdout": study_file.training["holdout"],
            "images": len(data.labels),
            "train_images": len(data.train),
        },
    }
