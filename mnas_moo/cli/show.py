"""The verb `show`: size, cost and picture of one network, a published one or that of a trial."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_verb, command

if TYPE_CHECKING:
    from mnas_moo.spaces.spec import NetworkSpec


def add(verbs: Any) -> None:
    """Adds the verb `show`."""
    parser = add_verb(
        verbs,
        "show",
        _show,
        "show a published network or the network of a trial",
        "  mnas-moo show mnasnet-a1 --width 0.75\n  mnas-moo show digits --trial 12 --picture network.svg",
    )
    parser.add_argument("network", metavar="NETWORK", help="name of a published network or, with --trial, a study")
    parser.add_argument("--trial", type=int, metavar="N", help="show the network of this trial of the study NETWORK")
    parser.add_argument("--storage", metavar="URL", help="storage of the study's trials, instead of the file's")
    parser.add_argument(
        "--width", type=float, metavar="X", help="factor by which a published network's channels are multiplied"
    )
    parser.add_argument(
        "--resolution", type=int, metavar="PIXELS", help="height and width of a published network's input"
    )
    parser.add_argument("--classes", type=int, metavar="N", help="number of a published network's outputs")
    parser.add_argument(
        "--latency",
        action=argparse.BooleanOptionalAction,
        help="measure the latency on this machine (default: if LiteRT is installed and no latency is stored)",
    )
    parser.add_argument("--picture", metavar="FILE", help="draw the network into an .svg file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _show(arguments: argparse.Namespace) -> int:
    figures: dict[str, Any] = {}
    if arguments.trial is None:
        spec = _published(arguments)
        figures["name"] = spec.name
    else:
        spec, measured = _of_trial(arguments)
        figures["trial"] = arguments.trial
        figures.update(measured)
    figures.update(
        parameters=spec.parameters, multiply_adds=spec.multiply_adds, peak_memory_bytes=spec.peak_memory_bytes
    )
    if arguments.latency or (
        arguments.latency is None
        and not any(name.startswith("latency_ms") for name in figures)
        and importlib.util.find_spec("ai_edge_litert")
    ):
        from mnas_moo.objectives.host.latency import HostLatency

        with contextlib.closing(HostLatency()) as latency:
            figures["latency_ms"] = latency.measure(spec, seed=0).value
    from mnas_moo.spaces.text import to_text

    figures["network"] = to_text(spec)
    if arguments.picture:
        _draw(spec, arguments.picture)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(_in_words(figures)))
    return 0


def _published(arguments: argparse.Namespace) -> NetworkSpec:
    from mnas_moo.spaces import NETWORKS, network
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.study_file.load import bundled

    if arguments.network.lower() not in NETWORKS and (
        arguments.network in bundled() or Path(arguments.network).is_file()
    ):
        raise StudyError(f"{arguments.network} is a study; say which of its networks: --trial N")
    settings = {name: getattr(arguments, name) for name in ("width", "resolution", "classes")}
    with refusals():
        return network(arguments.network, **{name: value for name, value in settings.items() if value is not None})


def _of_trial(arguments: argparse.Namespace) -> tuple[NetworkSpec, dict[str, Any]]:
    """The network of a trial, with its measured accuracy, latencies and memory as far as they are stored."""
    from mnas_moo.objectives.objective import on_device
    from mnas_moo.reports.intervals import interval_of, trainings_of
    from mnas_moo.reports.point_text import point_json
    from mnas_moo.reports.points import points_of_trials
    from mnas_moo.running.storage import open_study
    from mnas_moo.running.trained import trial_at
    from mnas_moo.running.trials import MEASUREMENTS, NETWORK
    from mnas_moo.spaces.text import from_text
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.load import load_study_file
    from mnas_moo.study_file.network_study import NetworkStudy

    for name in ("width", "resolution", "classes"):
        if getattr(arguments, name) is not None:
            raise StudyError(f"--{name} is for published networks; the network of a trial cannot be changed")
    study_file = load_study_file(arguments.network, storage=arguments.storage, reading=True)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(
            f"{study_file.name} is a study of a table, whose trials are no networks that could be shown; "
            f"{command('front', argparse.Namespace(study=arguments.network, storage=arguments.storage))} --json "
            "prints their parameters"
        )
    study = open_study(study_file)
    trial = trial_at(study, arguments.trial)
    attributes = trial.user_attrs
    if NETWORK not in attributes:
        raise StudyError(f"trial {arguments.trial} of {study.study_name} has no network ({trial.state.name})")
    try:
        measured = {name: float(m["value"]) for name, m in attributes.get(MEASUREMENTS, {}).items()}
        spec = from_text(str(attributes[NETWORK]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # another program may have written there
        raise StudyError(f"trial {arguments.trial} of {study.study_name} holds no network of ours: {error}") from error
    figures: dict[str, Any] = {name: measured[name] for name in measured if name == "accuracy" or on_device(name)}
    if interval := interval_of(trial, "accuracy"):
        figures["accuracy_interval"] = list(interval)
        figures["trainings"] = trainings_of(trial)
    for point in points_of_trials(study, study_file, [trial]):
        figures["per_image"] = point_json(point)
    return spec, figures


def _in_words(figures: dict[str, Any]) -> Iterator[str]:
    from mnas_moo.objectives.objective import is_latency, is_memory
    from mnas_moo.reports.point_text import point_lines

    yield figures.get("name") or f"trial {figures['trial']}"
    if "accuracy" in figures:
        sure = ""
        if "accuracy_interval" in figures:
            low, high = figures["accuracy_interval"]
            times = f"{figures['trainings']} training{'s' if figures['trainings'] > 1 else ''}"
            sure = f" ({100 * low:.1f} to {100 * high:.1f} %, {times})"
        yield f"  accuracy       {100 * figures['accuracy']:>14.2f} %{sure}"
    if "per_image" in figures:
        for name in filter(is_latency, figures):
            yield f"  latency        {figures[name]:>14.4g} ms in the mean of the images, by the search's table"
        yield from point_lines(figures["per_image"])
    yield f"  parameters     {figures['parameters']:>14,}"
    yield f"  multiply-adds  {figures['multiply_adds']:>14,}"
    yield f"  peak memory    {figures['peak_memory_bytes']:>14,} bytes"
    for name in figures:
        if is_latency(name) and "per_image" not in figures:
            where = name.partition("@")[2]
            yield f"  latency        {figures[name]:>14.4g} ms{f' on {where}' if where else ''}"
        if is_memory(name):
            where = f" on {name.partition('@')[2]}" if "@" in name else ""
            yield f"  runtime memory {figures[name]:>14.4g} MB{where}"
    yield from (f"  {word}" for word in figures["network"].split())


def _draw(spec: NetworkSpec, file: str) -> None:
    from mnas_moo.objectives.whole_file import whole_file
    from mnas_moo.spaces.picture import picture
    from mnas_moo.study_file.document import StudyError, refusals

    if Path(file).suffix != ".svg":
        raise StudyError(f"{file}: a network is drawn as .svg")
    with refusals():
        drawn = picture(spec)
        with whole_file(file) as part:
            part.write_text(drawn, encoding="utf-8")
    print(f"written: {file}", file=sys.stderr)
