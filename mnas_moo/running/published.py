"""Published networks timed on a study's device, in turn with networks of the study.

They get the study's images: its resolution, channels and classes. What they are right in is not known for these images;
only their cost can stand beside the study's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import closing

from mnas_moo.objectives.objective import is_latency
from mnas_moo.running import latency_sources
from mnas_moo.spaces.networks import network
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.study import StudyFile

PUBLISHED = ("mobilenetv2", "mnasnet-a1", "mnasnet-b1", "mnasnet-small", "fbnet-c")
NAME = "latency_ms"
MEASURED = ("host", "onnxruntime", "cuda", "adb")
"""The sources of latency that time whole networks."""


def published_for(spec: NetworkSpec) -> list[NetworkSpec]:
    """The published networks for the images of a network.

    >>> from mnas_moo.spaces import network
    >>> mobile = published_for(network("mnasnet-a1", resolution=32, classes=10))[0]
    >>> mobile.name, mobile.input_shape, mobile.classes
    ('MobileNetV2', (3, 32, 32), 10)
    """
    channels, resolution, _ = spec.input_shape
    found = []
    for name in PUBLISHED:
        each = network(name, resolution=resolution, classes=spec.classes)
        title = each.name.partition(" @")[0]
        stem = dataclasses.replace(each.stem, in_channels=channels)
        found.append(dataclasses.replace(each, input_shape=spec.input_shape, stem=stem, name=title))
    return found


def latencies_in_turn(
    study_file: StudyFile, specs: Sequence[NetworkSpec], report: Callable[[str], None]
) -> list[float]:
    """Latencies of networks in ms, timed now as the study times its own.

    Args:
        study_file: the study.
        specs: the networks.
        report: function that is told what is waited for.

    Raises:
        StudyError: the study times no networks, or one of these cannot be timed.
        DeviceError: there is no device that could measure.
    """
    from mnas_moo.study_file.network_study import NetworkStudy

    if not isinstance(study_file, NetworkStudy) or not any(map(is_latency, study_file.objective_names)):
        raise StudyError(f"{study_file.name} times no networks, so there is no device to time published ones on")
    name = NAME if NAME in study_file.objective_names else next(filter(is_latency, study_file.objective_names))
    settings = study_file.latency_of(name)
    kind, chosen = settings.chosen
    if kind == "model":
        settings = chosen.measure
        kind = settings.chosen[0]
    if kind not in MEASURED:
        raise study_file.error(
            ("objectives", name),
            f"is {kind}, which times no whole networks of other spaces; allowed here: {', '.join(MEASURED)}",
        )
    try:
        with closing(latency_sources.make(settings, report)) as latency:
            results = latency.measure_all(specs)
    except ValueError as error:
        raise study_file.error(("objectives", name), f": {error}") from error
    wrong = [each for each in results if isinstance(each, ValueError)]
    if wrong:
        raise study_file.error(("objectives", name), f": {wrong[0]}") from wrong[0]
    return [each.value for each in results if not isinstance(each, ValueError)]
