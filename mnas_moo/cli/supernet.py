"""The verb `supernet`: trains the weights that the networks of a study's space share."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from mnas_moo.cli.verb import add_plugins, add_study, add_verb, command, study_file_of


def add(verbs: Any) -> None:
    """Adds the verb `supernet`."""
    parser = add_verb(
        verbs,
        "supernet",
        _supernet,
        "train the weights that a space's networks share",
        "  mnas-moo supernet cifar10 --data ~/images --minutes 20 -o cifar10.pt\n"
        "A study with `accuracy: {supernet: cifar10.pt}` then judges a network in a second.\n"
        "Ctrl-C stops it; the same command goes on.",
    )
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="file of the weights (default: with the study's files)")
    parser.add_argument("--minutes", type=float, metavar="M", help="time of the training, instead of the file's (20)")
    parser.add_argument("--rule", metavar="RULE", help="networks of a step: uniform, or sandwich with distillation")
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print the curve as JSON at the end")


def _supernet(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.progress import PlainProgress
    from mnas_moo.running.objectives import describe, images_of, space_of
    from mnas_moo.running.shared_weights import train_weights, training_of, weights_file
    from mnas_moo.study_file.document import StudyError
    from mnas_moo.study_file.network_study import NetworkStudy

    study_file = study_file_of(arguments, data=arguments.data, skip_broken=arguments.skip_broken)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(f"{arguments.study} is a study of a table; shared weights are those of networks")
    settings = training_of(study_file)
    if arguments.minutes is not None:
        if not 0 < arguments.minutes < float("inf"):
            raise StudyError(f"--minutes is {arguments.minutes}; it must be above 0")
        settings = dataclasses.replace(settings, minutes=arguments.minutes, steps=None)
    if arguments.rule is not None:
        settings = dataclasses.replace(settings, rule=arguments.rule)
    file = Path(arguments.output) if arguments.output else weights_file(study_file)
    if file.exists():
        raise StudyError(f"{file} is there already; remove it, or give another -o FILE")
    progress = PlainProgress(sys.stderr, None)
    space = space_of(study_file, describe(study_file))
    try:
        data = images_of(study_file, space, progress)
        curve = train_weights(study_file, space, data, settings, file, progress)
    except KeyboardInterrupt:
        print(f"stopped; to go on: {command('supernet', arguments)}", file=sys.stderr)
        raise
    except (ValueError, OSError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(str(error)) from error
    if arguments.json:
        print(json.dumps([dataclasses.asdict(point) for point in curve], indent=2))
    print(f"wrote {file}; to search with it: `accuracy: {{supernet: {file}}}` in a study file", file=sys.stderr)
    return 0
