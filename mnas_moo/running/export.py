"""What an export takes of a study: the trained network of a trial, its images, and the trial's latencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.objective import is_latency
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.objectives import images_at
from mnas_moo.running.storage import open_study
from mnas_moo.running.trained import trained_file
from mnas_moo.running.trials import MEASUREMENTS, measured
from mnas_moo.spaces.printable import short
from mnas_moo.study_file.document import StudyError, refusals

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from mnas_moo.objectives.training.data import ImageData
    from mnas_moo.objectives.training.trained import TrainedNetwork
    from mnas_moo.running.trials import Observer
    from mnas_moo.study_file.network_study import NetworkStudy

_DETAILS = ("p10_ms", "p90_ms", "low_ms", "high_ms", "runs", "threads", "serial", "android", "accelerator", "clock")
"""Figures of a latency that are taken over as they are."""
_WHERE = {
    "host": "LiteRT, CPU",
    "onnxruntime": "ONNX Runtime, CPU",
    "cuda": "torch, GPU",
    "adb": "LiteRT",
    "lut": "the sum over a table of layers",
    "model": "LiteRT",
}
"""Source of latency -> what ran the network, where the measurement does not say so itself."""


def trained_network(study_file: NetworkStudy, label: str, network: str | None, train_command: str) -> TrainedNetwork:
    """The trained network of a label.

    Args:
        study_file: the study.
        label: label of the network.
        network: the network that it must be, in block-string notation; None: any.
        train_command: command line that trains it, for the messages.

    Raises:
        StudyError: it was never trained, the file is broken, or it holds another network.
    """
    from mnas_moo.objectives.training.trained import TrainedNetwork
    from mnas_moo.spaces.text import to_text

    file = trained_file(study_file, label)
    if not file.exists():
        raise StudyError(f"{label} of {study_file.name} was never trained; train it with: {train_command}")
    with refusals():
        trained = TrainedNetwork.load(file)
    if network is not None and to_text(trained.spec) != network:
        raise StudyError(f"{file} has another network than {label} has now; train it again with: {train_command}")
    return trained


def images_of_trained(study_file: NetworkStudy, trained: TrainedNetwork, observer: Observer) -> ImageData:
    """The images that a network was trained and judged on, split as they were then.

    Raises:
        StudyError: they cannot be read, or have other classes or channels than the network.
    """
    share = trained.figures.get("data", {}).get("holdout", study_file.training["holdout"])
    data = images_at(study_file, trained.spec.input_shape[1], observer, holdout=share)
    with refusals():
        data.check(trained.spec, "export: the network")
    check_classes(study_file, data, trained.classes)
    return data


def check_classes(study_file: NetworkStudy, data: ImageData, classes: Sequence[str]) -> None:
    """Checks that images have the classes of a network, in their order.

    Raises:
        StudyError: they have others.
    """
    if tuple(data.info.classes) != tuple(classes):
        missing = [name for name in classes if name not in data.info.classes]
        theirs = short(missing[0]) if missing else "them in another order"
        raise StudyError(
            f"the images of {study_file.data.chosen[1]} have other classes than the network was trained on: it knows "
            f"{theirs}; --data PATH names the images it was trained on"
        )


def latencies_of(study_file: NetworkStudy, trial: FrozenTrial) -> list[dict[str, Any]]:
    """What is stored of a trial's latencies, one for each device.

    Returns:
        JSON of each: "name", "device", "how" (runtime, data type), "value_ms", "predicted", and what is known of
        "confidence_half_width_ms" (95 %), "p10_ms" and "p90_ms" (of the runs), "low_ms" and "high_ms" (of a
        prediction, about 90 %), "runs", "threads", "serial", "android", "accelerator", "clock".
    """
    found = []
    study = open_study(study_file)
    identity = study._storage.get_study_system_attrs(study._study_id).get(IDENTITY, {})
    for name in trial.user_attrs.get(MEASUREMENTS, {}):
        details = measured(trial, name)
        if (
            name not in study_file.measured_names
            or not is_latency(name)
            or not isinstance(details.get("value"), int | float)
        ):
            continue
        device = identity.get("device") if name == "latency_ms" else identity.get("devices", {}).get(name)
        kind, settings = study_file.latency_of(name).chosen
        ran = details.get("runtime") or (device or {}).get("runtime") or _WHERE[kind]
        found.append(
            {
                "name": name,
                "device": details.get("model") or details.get("cpu") or (device or {}).get("model"),
                "how": f"{ran}, {getattr(settings, 'data_type', 'float32')}",
                "value_ms": details["value"],
                "predicted": bool(details.get("predicted")),
                **{key: details[key] for key in (*_DETAILS, "confidence_half_width_ms") if key in details},
            }
        )
    return found
