"""The verb `export`: writes a trained network as files for apps and other programs, and checks them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_study, add_verb, command, say, study_file_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from mnas_moo.study_file.network_study import NetworkStudy

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
        "writes LiteRT's .tflite as float32, float16 and int8, .onnx, torch's .pt2 and a model card, and checks each.\n"
        "A point of InstaNAS' search needs no training: its controller and modules are written, with a program.",
    )
    add_study(parser)
    parser.add_argument("trial", metavar="TRIAL", type=int, nargs="?", help="number of a trial that was trained")
    parser.add_argument("--network", metavar="NAME", help="a published network that was trained, instead of a trial")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder of the files, new or empty")
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def _export(arguments: argparse.Namespace) -> int:
    from mnas_moo.instanas.sampler import point_of
    from mnas_moo.objectives.whole_file import whole_file
    from mnas_moo.running.storage import open_study
    from mnas_moo.running.trained import trial_of
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.study_file.network_study import NetworkStudy

    study_file = study_file_of(arguments, data=arguments.data, skip_broken=arguments.skip_broken)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(f"{arguments.study} is a study of a table; only networks can be exported")
    if (arguments.trial is None) == (arguments.network is None):
        raise StudyError("export takes one network: the number of a trial, or --network NAME")
    folder = Path(arguments.output)
    with refusals():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StudyError(f"{folder} is no empty folder; empty it, or name another: -o DIR")
    study = None if arguments.trial is None else open_study(study_file)
    trial = None if study is None else trial_of(study, arguments.trial)
    if study is not None and trial is not None and point_of(study, trial.user_attrs) is not None:
        make = _of_point(folder, study_file, study, trial)
    else:
        make = _of_network(arguments, folder, study_file, trial)
    try:
        with refusals():
            figures, card, lines = make()
            with whole_file(folder / CARD) as part:
                part.write_text(card, encoding="utf-8")
    except KeyboardInterrupt:
        print(f"stopped; what is in {folder} is not checked", file=sys.stderr)
        raise
    print(json.dumps(figures, indent=2) if arguments.json else "\n".join(lines), flush=True)
    for warning in figures["check"]["warnings"]:
        say(f"note: {warning}")
    if figures["check"]["failures"]:
        raise StudyError(f"{folder}: the check failed: {'; '.join(figures['check']['failures'])}")
    say(f"written and checked: {folder}")
    return 0


Made = tuple[dict[str, Any], str, list[str]]
"""The figures of an export, its card, and the lines that tell of it."""


def _of_network(
    arguments: argparse.Namespace, folder: Path, study_file: NetworkStudy, trial: FrozenTrial | None
) -> Callable[[], Made]:
    """Reads the trained network of a trial, or the published one that is named; the result writes its files."""
    from mnas_moo.objectives.export.folder import PACKAGES, export
    from mnas_moo.objectives.extras import require
    from mnas_moo.reports.model_card import model_card
    from mnas_moo.reports.progress import PlainProgress
    from mnas_moo.running.export import images_of_trained, latencies_of, trained_network
    from mnas_moo.running.trained import label_of, trained_file
    from mnas_moo.running.trials import network_of
    from mnas_moo.spaces import network
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.supernet.parallel import cores

    for module, extra in PACKAGES.items():
        require(module, extra=extra)
    numbers = [] if arguments.trial is None else [arguments.trial]
    train = command("train", argparse.Namespace(**vars(arguments), numbers=numbers))
    if trial is None:
        name = arguments.network.lower()
        if not trained_file(study_file, name).exists():
            with refusals():
                network(name)  # is there one of this name?
        trained = trained_network(study_file, name, None, f"{train} --network {name}")
        latencies = []
    else:
        label = label_of(trial.number)
        if study_file.sampler.chosen[0] == "instanas" and not trained_file(study_file, label).exists():
            advice = f"its network was never trained; train it with: {train}"
            if not network_of(trial):
                advice = f"it has no network; {command('run', arguments)} finishes the search"
            what = f"trial {trial.number} of {study_file.name} is no point of a finished InstaNAS search"
            raise StudyError(f"{what} ({trial.state.name}), and {advice}")
        trained = trained_network(study_file, label, network_of(trial), train)
        latencies = latencies_of(study_file, trial)
    progress = PlainProgress(sys.stderr, None)
    data = images_of_trained(study_file, trained, progress)
    balanced = study_file.training["balanced"]

    def make() -> Made:
        figures = export(folder, trained, data, latencies, balanced=balanced, threads=cores(), say=progress.preparing)
        return figures, model_card(figures), list(_in_words(figures))

    return make


def _of_point(folder: Path, study_file: NetworkStudy, study: optuna.Study, trial: FrozenTrial) -> Callable[[], Made]:
    """Reads the point of InstaNAS' search that a trial stands for; the result writes its files."""
    from mnas_moo.instanas.export.folder import PACKAGES, export
    from mnas_moo.objectives.extras import require
    from mnas_moo.reports.per_image_card import in_words, per_image_card
    from mnas_moo.reports.progress import PlainProgress
    from mnas_moo.running.export_point import exported_point
    from mnas_moo.supernet.parallel import cores

    for module, extra in PACKAGES.items():
        require(module, extra=extra)
    progress = PlainProgress(sys.stderr, None)
    exported, data, training = exported_point(study_file, study, trial, progress)

    def make() -> Made:
        figures = export(folder, exported, data, training, threads=cores(), say=progress.preparing)
        return figures, per_image_card(figures), list(in_words(figures))

    return make


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
