"""The verb `train`: the final training of networks that a study has found, or of published ones on its images."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.cli.verb import add_study, add_verb, command, say, study_file_of
from mnas_moo.objectives.training.recipes import PRECISIONS, RECIPES, Recipe
from mnas_moo.objectives.training.settings import AUGMENTATIONS

if TYPE_CHECKING:
    from mnas_moo.objectives.training.full import Processes


def add(verbs: Any) -> None:
    """Adds the verb `train`."""
    parser = add_verb(
        verbs,
        "train",
        _train,
        "train networks of a study to the end",
        "  mnas-moo train digits 12                      the network of trial 12\n"
        "  mnas-moo train cifar10 --data ~/images --top 2 --minutes 20\n"
        "  mnas-moo train cifar10 --data ~/images --network mobilenetv2 --weights mobilenet_v2-7ebf99e0.pth\n"
        "  torchrun --nproc_per_node=4 -m mnas_moo.cli.main train cifar10 12    on four GPUs\n"
        "Ctrl-C stops it; the same command goes on.",
    )
    add_study(parser)
    parser.add_argument("numbers", metavar="TRIAL", type=int, nargs="*", help="numbers of the trials")
    parser.add_argument("--top", type=int, metavar="N", help="the N networks that together make the best front")
    parser.add_argument("--network", metavar="NAME", help="a published network, trained on the study's images")
    parser.add_argument("--width", type=float, metavar="X", default=1.0, help="factor on its channels (%(default)s)")
    recipe = parser.add_argument_group("recipe (docs/train.md)")
    recipe.add_argument("--recipe", choices=RECIPES, default="sgd", help="default: %(default)s")
    recipe.add_argument("--epochs", type=float, metavar="N", help="passes over the training images")
    recipe.add_argument("--minutes", type=float, metavar="M", help="time of each training, instead of epochs")
    recipe.add_argument("--batch-size", type=int, metavar="N", help="images a step")
    recipe.add_argument("--learning-rate", type=float, metavar="X", help="at its peak, for 256 images a step")
    recipe.add_argument("--weight-decay", type=float, metavar="X", help="of the weights of convolutions")
    recipe.add_argument("--augmentation", choices=AUGMENTATIONS, help="how the images are varied")
    recipe.add_argument("--precision", choices=PRECISIONS, help="default: float32")
    recipe.add_argument("--weights", type=Path, metavar="FILE", help="begin with these, of ours or torchvision's")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all randomness (default: made of the network)")
    parser.add_argument("--data", metavar="PATH", help="folder of the images, instead of the file's")
    parser.add_argument("--test", type=Path, metavar="DIR", help="test images (default: test/ beside train/)")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", default=1, help="CPU threads a training (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures of each network as JSON")


def _train(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.training_text import FinalProgress, in_words
    from mnas_moo.running.final import Asked, of_the_front, of_trials, published, train_networks
    from mnas_moo.running.storage import find_study, open_study
    from mnas_moo.study_file.document import StudyError, refusals
    from mnas_moo.study_file.network_study import NetworkStudy

    ways = [bool(arguments.numbers), arguments.top is not None, arguments.network is not None]
    if sum(ways) != 1:
        raise StudyError("say which networks: numbers of trials (12 17), or --top 2, or --network NAME")
    if arguments.threads < 1:
        raise StudyError(f"--threads is {arguments.threads}; it must be at least 1")
    if arguments.minutes is not None and (arguments.epochs is not None or not 0 < arguments.minutes < float("inf")):
        raise StudyError(f"--minutes is {arguments.minutes}; it must be above 0, and --epochs is not given with it")
    study_file = study_file_of(arguments, data=arguments.data, skip_broken=arguments.skip_broken)
    if not isinstance(study_file, NetworkStudy):
        raise StudyError(f"{arguments.study} is a study of a table, whose trials are no networks that could be trained")
    with refusals():
        asked = Asked(
            recipe=_recipe(arguments),
            seed=arguments.seed,
            minutes=arguments.minutes,
            weights=arguments.weights,
            test=arguments.test,
            device=arguments.device,
            threads=arguments.threads,
        )
        if arguments.network is not None:
            chosen = [published(find_study(study_file), study_file, arguments.network, arguments.width)]
        elif arguments.width != 1:
            raise StudyError("--width is for published networks; the network of a trial cannot be changed")
        else:
            study = open_study(study_file)
            chosen = of_trials(study, arguments.numbers) if arguments.numbers else of_the_front(study, arguments.top)
        with _processes(arguments) as (processes, device):
            progress = FinalProgress(sys.stderr if processes.rank == 0 else None)
            asked = dataclasses.replace(asked, device=device)
            try:
                trained = train_networks(study_file, chosen, asked, progress, progress.goes_on, processes)
            except KeyboardInterrupt:
                if processes.rank == 0:
                    print(f"stopped; to go on: {_again(arguments)}", file=sys.stderr)
                raise
    if processes.rank:
        return 0
    if arguments.json:
        print(json.dumps([dict(each.figures) for each in trained], indent=2))
    else:
        print("\n".join(line for each in trained for line in in_words(each)))
    for each in trained:
        which = [] if each.figures["trial"] is None else [each.figures["trial"]]
        named = "" if which else f" --network {each.figures['label']}"
        of_one = argparse.Namespace(**{**vars(arguments), "numbers": which})
        say(f"  {command('export', of_one)}{named} -o {each.figures['label']}")
    return 0


def _recipe(arguments: argparse.Namespace) -> Recipe:
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "augmentation", "precision")
    given = {name: getattr(arguments, name) for name in names}
    return dataclasses.replace(
        RECIPES[arguments.recipe], **{name: value for name, value in given.items() if value is not None}
    )


@contextmanager
def _processes(arguments: argparse.Namespace) -> Iterator[tuple[Processes, str]]:
    """The processes that torchrun has started, joined, and the device of this one."""
    import torch

    from mnas_moo.objectives.training.full import ALONE, Processes

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE, arguments.device
        return
    device = arguments.device
    if device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size()), device
    finally:
        torch.distributed.destroy_process_group()


def _again(arguments: argparse.Namespace) -> str:
    given = [] if arguments.top is None else ["--top", str(arguments.top)]
    if arguments.network is not None:
        given += ["--network", shlex.quote(arguments.network), "--width", str(arguments.width)]
    return " ".join([command("train", arguments), *given])
