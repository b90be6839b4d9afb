"""DPP-Net's comparison at a small scale: networks that its search finds beside CondenseNet's blocks, on each device.

    python studies/benchmarks/condensenet.py --data DIR [--minutes 40] [--seeds 3] [--seed 0] [--steps 400]
        [--final-steps 1200] [--json condensenet.json]

As table 1 of Dong et al. (2018) on this machine's scale. A search of the space `dppnet` (preset 2m, 32 pixels, a stem
of stride 2) by DPP-Net's sampler, as `mnas-moo run` makes it, with five objectives. Its front is timed on two virtual
phones as well; of it come the named picks of `mnas-moo front`: fastest on each device, most accurate, panacea. These
and CondenseNet's block (norm, learned 1x1, norm, 3x3 in groups) in the same macro-architecture at three widths are
then trained anew, all alike, and timed in turn. Spread is the standard deviation over seeds. Errors are those of the
folder test/ beside train/ where there is one, else of the hold-out. A virtual phone runs the network in LiteRT on this
machine and multiplies its time by a factor of its model.

Study file, storage and finished trainings lie beside the file of --json; with it, the same command continues after an
interruption. Without --data it runs for some minutes on the digits.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch
import yaml
from optuna.trial import create_trial

from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.objective import Latency
from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.objectives.training.train import TrainSettings, train
from mnas_moo.objectives.training.unseen import find_test, read_test
from mnas_moo.objectives.virtual_phone.models import MODELS
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.reports.networks import Entry, compare
from mnas_moo.reports.picks import picked
from mnas_moo.reports.text import front_trials
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import completed_trials, network_of
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import from_text, to_text
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file

OBJECTIVES = ("accuracy", "latency_ms", "parameters_m", "multiply_adds_m", "peak_memory_mb")
BLOCK = ("bnrelu", "learned1x1", "bnrelu", "group3x3")
"""CondenseNet's block."""
WIDTHS = (0.5, 0.75, 1.25)
"""Widths of CondenseNet's blocks; the search's is 0.75."""
K = 16
"""Networks that are trained of each length, so that all lengths are reached within the time."""
PHONES = ("Pixel 9", "Pixel 4")
PICKS = ("fastest", "accurate", "panacea")
PUBLISHED = (
    ("published, CIFAR-10: DPP-Net-PNAS", "4.36", "11.39"),
    ("published, CIFAR-10: DPP-Net-M", "5.84", "0.45"),
)
"""Error in percent and millions of parameters that the paper has; only what a second source confirms."""
FIRST_SEED = 1000
"""Seed of the first final training: those of a search count from 0."""


def main() -> None:
    """Searches, trains and times, then prints the table and what it says."""
    parser = harness.options(__doc__, seeds=3)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of images (default: the digits)")
    parser.add_argument("--minutes", type=float, help="time of the search (default: 40; of the digits 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the search (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="steps of a training in the search (default: 400; 40)")
    parser.add_argument("--final-steps", type=int, help="steps of a final training (default: 1200; 120)")
    arguments = parser.parse_args()
    small = arguments.data is None
    arguments.minutes = arguments.minutes or (1.0 if small else 40.0)
    arguments.steps = arguments.steps or (40 if small else 400)
    arguments.final_steps = arguments.final_steps or (120 if small else 1200)
    if arguments.seeds < 1:
        parser.error(f"--seeds is {arguments.seeds}; it must be at least 1")
    with ExitStack() as stack:
        if arguments.json is None:
            arguments.json = Path(stack.enter_context(tempfile.TemporaryDirectory()), "condensenet.json")
        figures = begun(parser, arguments)
        study_file = searched(arguments)
        phones = stack.enter_context(VirtualPhones(len(PHONES), PHONES))
        os.environ.update(phones.environment)
        devices: dict[str, Latency] = {"host": stack.enter_context(closing(HostLatency(threads=1)))}
        for model in PHONES:
            # Their times are free of this machine's noise: wide bounds, so that nothing is timed twice for it.
            phone = AdbLatency(
                model=model, benchmark_model=phones.benchmark_model, precision=0.05, maximum_seconds=2, drift=0.5
            )
            devices[f"virtual {model}"] = stack.enter_context(closing(phone))
        if "networks" not in figures:
            figures["networks"] = [*found(study_file, devices), *baselines(arguments)]
            keep(arguments.json, figures)
        trained(arguments, figures)
        if "device" not in figures:
            specs = [from_text(each["network"]) for each in figures["networks"]]
            for name, latency in devices.items():
                for each, value in zip(figures["networks"], timed(latency, specs, 5), strict=True):
                    each.setdefault("ms", {})[name] = value
            figures["device"] = {name: dict(latency.device) for name, latency in devices.items()}
            keep(arguments.json, figures)
    print("\n".join(report(figures)))


def begun(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, Any]:
    """What an interrupted run of the same command has kept, or only its settings."""
    names = ("minutes", "seed", "steps", "final_steps")
    settings = {**{name: getattr(arguments, name) for name in names}, "data": str(source_of(arguments))}
    if not arguments.json.exists():
        keep(arguments.json, {"settings": settings})
    figures: dict[str, Any] = json.loads(arguments.json.read_text(encoding="utf-8"))
    if figures.get("settings") != settings:
        parser.error(f"{arguments.json} is of a run with {figures.get('settings')}; give another --json")
    return figures


def keep(path: Path, figures: Mapping[str, Any]) -> None:
    """Writes the figures so far, whole."""
    with whole_file(path) as part:
        harness.write_json(part, figures)


def source_of(arguments: argparse.Namespace) -> str:
    """The images as a study file names them."""
    return "digits" if arguments.data is None else str(arguments.data.expanduser().resolve())


def space_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings of the space."""
    return {"preset": "digits"} if arguments.data is None else {"preset": "2m", "resolution": 32, "stem_stride": 2}


def searched(arguments: argparse.Namespace) -> Path:
    """The study file of the search, which `mnas-moo run` has brought to its end."""
    file: Path = arguments.json.resolve().with_suffix(".yaml")
    study = {
        "name": "condensenet",
        "storage": f"journal:///{file.with_suffix('.log')}",
        "space": {"dppnet": space_of(arguments)},
        "data": source_of(arguments),
        "objectives": {
            "accuracy": {"train": {"steps": arguments.steps, "threads": 1, "device": "cpu", "confirm": 0}},
            "latency_ms": {"host": {"threads": 1}},
            **{name: {} for name in OBJECTIVES[2:]},
        },
        "sampler": {"dppnet": {"seed": arguments.seed, "k": K}},
        "budget": f"{60 * arguments.minutes:.0f} s",
    }
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    words = [sys.executable, "-m", "mnas_moo.cli.main", "run", str(file), "--jobs", "1"]
    code = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode
    if code:
        sys.exit(code)  # it has said why
    return file


def found(study_file: Path, devices: Mapping[str, Latency]) -> list[dict[str, Any]]:
    """The picks from the front of the search, timed on all devices; a network of several picks once."""
    study = find_study(load_study_file(study_file))
    assert study is not None
    completed = completed_trials(study)
    front = front_trials(study.directions, completed)
    names, directions = list(OBJECTIVES), list(study.directions)
    specs = [from_text(network_of(trial)) for trial in front]
    print(f"search: {len(completed)} networks, {len(front)} on the front", flush=True)
    values = [list(trial.values) for trial in front]
    for name, latency in list(devices.items())[1:]:
        names.append(f"latency_ms@{name.replace(' ', '-')}")
        directions.append(directions[1])
        for own, milliseconds in zip(values, timed(latency, specs, 1), strict=True):
            own.append(milliseconds)
    told = [
        create_trial(values=own, user_attrs={**trial.user_attrs, "number": trial.number})
        for trial, own in zip(front, values, strict=True)
    ]
    networks: dict[int, dict[str, Any]] = {}
    for pick in PICKS:
        for choice in picked(pick, told, names, directions):
            number = choice.trial.user_attrs["number"]
            title = "fastest on host" if choice.title == "fastest" else choice.title
            each = networks.setdefault(number, {"picks": [], "trial": number, "network": network_of(choice.trial)})
            each["picks"].append(title)
    for each in networks.values():
        fastest = [title for title in each["picks"] if title.startswith("fastest")]
        if len(fastest) == len(devices):
            each["picks"] = ["fastest on each device", *(title for title in each["picks"] if title not in fastest)]
    return [{"name": f"found: {', '.join(each['picks'])}", **each} for each in networks.values()]


def baselines(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """CondenseNet's blocks in the search's macro-architecture, by width."""
    rows = []
    for width in WIDTHS:
        settings = {"classes": 10, **space_of(arguments), "width": width}
        space = DppNetSpace(**settings)
        rows.append({"name": f"CondenseNet block, width {width}", "network": to_text(space.spec(space.genome(BLOCK)))})
    return rows


def timed(latency: Latency, specs: Sequence[NetworkSpec], rounds: int) -> list[float]:
    """Milliseconds of each network: the medians of rounds in which all are timed in turn."""
    entries = [Entry(f"network {i}", spec, trial=i) for i, spec in enumerate(specs)]
    rows = compare(latency, entries, rounds).rows
    for row in rows:
        if row.latency_ms is None:
            raise RuntimeError(f"{row.entry.name} cannot be timed: {row.error}")
    return [row.latency_ms or 0.0 for row in rows]


def trained(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Trains all networks with the seeds that are not kept yet; a seed of all before the next seed."""
    seeds = [str(FIRST_SEED + i) for i in range(arguments.seeds)]
    missing = [
        (seed, each) for seed in seeds for each in figures["networks"] if seed not in each.setdefault("errors", {})
    ]
    if not missing:
        return
    data, figures["judged_on"] = images(arguments)
    settings = TrainSettings(steps=arguments.final_steps, device="cpu", threads=1)
    for seed, each in missing:
        result = train(from_text(each["network"]), data, settings, int(seed))
        each["errors"][seed] = 100 * (1 - result.accuracy)
        keep(arguments.json, figures)
        print(f"{each['name']}: {each['errors'][seed]:.2f} % ({result.seconds:.0f} s)", flush=True)


def images(arguments: argparse.Namespace) -> tuple[ImageData, str]:
    """The images of the final trainings, with the test images as the hold-out where there are some; and which."""
    source = source_of(arguments)
    resolution = DppNetSpace(**space_of(arguments)).settings.resolution
    cache = arguments.json.resolve().with_suffix(".files")
    data = load_data(source, resolution, cache=cache)
    opened = find_test(source, data)
    if opened is None:
        return data, f"the hold-out, {len(data.holdout):,} images"
    test = read_test(opened, data)
    count = len(data.labels)
    whole = ImageData(
        images=torch.cat([data.images, test.images]),
        labels=torch.cat([data.labels, test.labels]),
        train=torch.arange(count),
        holdouts=(torch.arange(count, count + len(test.labels)),),
        mean=data.mean,
        std=data.std,
        info=data.info,
    )
    return whole, f"the test images, {len(test.labels):,}"


def report(figures: Mapping[str, Any]) -> list[str]:
    """The table in Markdown, what its figures are, and how much faster the found networks are at equal error."""
    devices = list(figures["device"])
    rows = []
    for each in figures["networks"]:
        spec = from_text(each["network"])
        mean, spread = error_of(each)
        counts = f"{spec.parameters / 1e6:.3f}", f"{spec.multiply_adds / 1e6:.2f}"
        times = [f"{each['ms'][name]:.3f}" for name in devices]
        cell = " ".join(spec.layers[0].cell)
        memory = f"{spec.peak_memory_bytes / 1e6:.3f}"
        rows.append([each["name"], cell, f"{mean:.2f} ± {spread:.2f}", *counts, *times, memory])
    blank = [""] * (len(devices) + 1)
    rows += [[name, "", error, parameters, "", *blank] for name, error, parameters in PUBLISHED]
    head = ["network", "cell", "error %", "parameters, millions", "multiply-adds, millions"]
    head += [f"{name}, ms" for name in devices] + ["peak activations, MB"]
    settings, trainings = figures["settings"], len(figures["networks"][0]["errors"])
    factors = " and ".join(f"{MODELS[model].time_factor} ({model})" for model in PHONES)
    lines = [
        harness.markdown(head, rows, numbers=range(2, len(head))),
        "",
        f"Error: mean and standard deviation of {trainings} trainings of {settings['final_steps']} steps, on "
        f"{figures['judged_on']}. Search: {settings['minutes']:g} min of one core, {settings['steps']} steps a "
        f"training. Times of virtual phones: LiteRT's on this machine times {factors}.",
        "",
    ]
    ours = [each for each in figures["networks"] if "trial" in each]
    for base in figures["networks"]:
        if "trial" in base:
            continue
        mean, spread = error_of(base)
        equal = [each for each in ours if error_of(each)[0] <= mean + spread]
        if not equal:
            lines.append(f"- No network found is as accurate as the {base['name']} ({mean:.2f} ± {spread:.2f} %).")
            continue
        words = []
        for name in devices:
            best = min(equal, key=lambda each: each["ms"][name])
            words.append(f"{base['ms'][name] / best['ms'][name]:.2f} times as fast on {name} (trial {best['trial']})")
        lines.append(
            f"- At equal error (at most {mean + spread:.2f} %), the fastest network found is, beside the "
            f"{base['name']}: {', '.join(words)}."
        )
    return lines


def error_of(network: Mapping[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation of the errors in percent; 0 with one training."""
    errors = list(network["errors"].values())
    return statistics.fmean(errors), statistics.stdev(errors) if len(errors) > 1 else 0.0


if __name__ == "__main__":
    main()
