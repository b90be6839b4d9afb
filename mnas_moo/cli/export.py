"""The verb `export`: writes a trained network as files for apps and other programs, and checks them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mnas_moo.cli.verb import add_study, add_verb, command, say, study_file_of

CARD = "README.md"
"""The model card, under the name that people and hubs of models open first."""


def add(verbs: Any) -> None:
    """Adds the verb `export`."""
    parser = add_verb(
        verbs,
        "export",
        _export,
        "write a trained network as files for apps and other programs",
        "  mnas-moo export digits 12 -o trial-12    once `mnas-moo train digits 12` has trained it\n"
        "writes LiteRT's .tflite as float32, float16 and int8, .onnx, torch's .pt2 and a model card, and checks each.",
    )
    add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", type=int, nargs="?", help="number of a trial that was trained")
    parser.add_argument("--network", metavar="NAME", help="a published network that was trained, instead of a trial")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder of the files, new or empty")
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def _export(arguments: argparse.Namespace) -> int:
    from mnas_moo.objectives.export.folder import PACKAGES, export
    from mnas_moo.objectives.extras import require
    from mnas_moo.objectives.whole_file import whole_file
    from mnas_moo.reports.model_card import model_card
    from mnas_moo.reports.progress import PlainProgress
    from mnas_moo.running.export import images_of_trained, latencies_of, trained_network
    from mnas_moo.running.storage import open_study
    from mnas_moo.running.trained import label_of, trained_file, trial_of
    from mnas_moo.running.trials import network_of
    from mnas_moo.spaces import network
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.study_file.network_study import NetworkStudy
    from mnas_moo.supernet.parallel import cores

    study_file = study_file_of(arguments, data=arguments.data, skip_broken=arguments.skip_broken)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(f"{arguments.study} is a study of a table; only networks can be exported")
    if (arguments.trial is None) == (arguments.network is None):
        raise StudyError("export takes one network: the number of a trial, or --network NAME")
    folder = Path(arguments.output)
    with refusals():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StudyError(f"{folder} is no empty folder; empty it, or name another: -o DIR")
    for module, extra in PACKAGES.items():
        require(module, extra=extra)
    numbers = [] if arguments.trial is None else [arguments.trial]
    train = command("train", argparse.Namespace(**vars(arguments), numbers=numbers))
    if arguments.trial is None:
        name = arguments.network.lower()
        if not trained_file(study_file, name).exists():
            with refusals():
                network(name)  # is there one of this name?
        trained = trained_network(study_file, name, None, f"{train} --network {name}")
        latencies = []
    else:
        trial = trial_of(open_study(study_file), arguments.trial)
        trained = trained_network(study_file, label_of(trial.number), network_of(trial), train)
        latencies = latencies_of(study_file, trial)
    progress = PlainProgress(sys.stderr, None)
    data = images_of_trained(study_file, trained, progress)
    try:
        with refusals():
            figures = export(
                folder,
                trained,
                data,
                latencies,
                balanced=study_file.training["balanced"],
                threads=cores(),
                say=progress.preparing,
            )
            with whole_file(folder / CARD) as part:
                part.write_text(model_card(figures), encoding="utf-8")
    except KeyboardInterrupt:
        print(f"stopped; what is in {folder} is not checked", file=sys.stderr)
        raise
    print(json.dumps(figures, indent=2) if arguments.json else "\n".join(_in_words(figures)), flush=True)
    for warning in figures["check"]["warnings"]:
        say(f"note: {warning}")
    if figures["check"]["failures"]:
        raise StudyError(f"{folder}: the check failed: {'; '.join(figures['check']['failures'])}")
    say(f"written and checked: {folder}")
    return 0


def _in_words(figures: Mapping[str, Any]) -> Iterator[str]:
    """The check's result, a line a file."""
    found = figures["check"]
    yield f"{figures['name']} of {figures['study']}, on the {found['images']:,} images held out:"
    yield f"  {'':22}{'kB':>7}  {'accuracy':>9}  {'decides as torch':>16}  largest difference"
    yield f"  {'torch':22}{'':>7}  {100 * found['torch_accuracy']:>7.2f} %"
    for name, file in figures["files"].items():
        yield (
            f"  {name:22}{file['bytes'] / 1e3:>7,.0f}  {100 * file['accuracy']:>7.2f} %  "
            f"{100 * file['agreement']:>14.2f} %  {file['share']:.2g} of the range"
        )
