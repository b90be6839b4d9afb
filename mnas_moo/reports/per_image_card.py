"""The model card of an exported point of InstaNAS' search: a controller, and the modules that it switches on and off.

Its parts are those of other networks' cards (``model_card``), but for what such a point has of its own: what its images
cost beside a path that is the same for all, and how the files are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mnas_moo.reports.model_card import (
    accuracy_lines,
    as_text,
    input_lines,
    origin_lines,
    output_lines,
    title_lines,
    training_lines,
)


def per_image_card(document: Mapping[str, Any]) -> str:
    """The card in Markdown.

    Args:
        document: the figures, by ``instanas.export.folder``.
    """
    what = f"a network for each image, {as_text(document['name'])}"
    lines = [*title_lines(document, what), *_figures(document), *_latency(document), *_files(document)]
    lines += [*_use(document), *input_lines(document["input"]), *output_lines(document)]
    return "\n".join([*lines, *training_lines(document), *origin_lines(document)])


def in_words(document: Mapping[str, Any]) -> Iterator[str]:
    """The check's result and the times, in a few lines."""
    found, times = document["check"], document["timed"]
    yield f"{document['name']} of {document['study']}, on the {found['images']:,} images held out:"
    yield f"  accuracy            {100 * found['accuracy']:.2f} % (torch {100 * found['torch_accuracy']:.2f} %)"
    yield f"  modules as torch    {100 * found['same_decisions']:.2f} % of the images, {found['paths']} paths"
    yield f"  answers as torch    {100 * found['agreement']:.2f} %"
    yield (
        f"  largest difference  {found['share']:.2g} of the range of the outputs, "
        f"{found['probability_difference']:.2g} of a probability"
    )
    yield (
        f"  time of an image    {times['per_image_ms']:.3g} ms here, by the MobileNetV2-like path "
        f"{times['mobilenet_ms']:.3g} ms in the same program and {times['whole_ms']:.3g} ms as one file"
    )
    yield f"  {_saved(times)}"


def _saved(times: Mapping[str, Any]) -> str:
    """What an image costs beside the MobileNetV2-like path."""
    low, high = times["saved_interval"]
    if times["saved"] < 0:
        share, low, high = -times["saved"], -high, -low
        word = "more"
    else:
        share, word = times["saved"], "less"
    if low < 0:
        return (
            f"an image takes about as long as by the MobileNetV2-like path in the same program: {100 * share:.1f} % "
            f"{word} time, which these {times['images']} images do not tell from none"
        )
    return (
        f"an image takes {100 * share:.1f} % {word} time than by the MobileNetV2-like path in the same program "
        f"({100 * low:.1f} to {100 * high:.1f} %, 95 % interval)"
    )


def _figures(document: Mapping[str, Any]) -> Iterator[str]:
    trained, found, counts = document["training"], document["check"], document["multiply_adds"]
    yield from accuracy_lines(trained)
    if "shuffled_accuracy" in trained:
        yield f"| accuracy where images take each other's paths | {100 * trained['shuffled_accuracy']:.2f} % |"
    yield f"| different paths on images held out | {found['paths']:,} |"
    yield f"| modules that run, mean of an image | {100 * found['on']:.1f} % |"
    yield f"| parameters, of all modules and the controller | {document['parameters']:,} |"
    yield f"| multiply-adds of the controller | {counts['controller']:,} |"
    yield f"| multiply-adds of the MobileNetV2-like path | {counts['mobilenet']:,} |"
    yield ""


def _latency(document: Mapping[str, Any]) -> Iterator[str]:
    times = document["timed"]
    yield from ("## Latency", "")
    yield (
        f"{times['images']} of the images held out, on {as_text(times['device'])}, one thread, as `runner.py` runs "
        f"them; wall-clock, the least of {times['rounds']} times."
    )
    yield from ("", "| way | mean ms of an image |", "|---|---|")
    spread = f"{times['low_ms']:.3g} to {times['high_ms']:.3g} for the middle 80 % of the images"
    yield f"| by its own path, controller included | {times['per_image_ms']:.4g} ({spread}) |"
    yield f"| of that, the controller | {times['controller_ms']:.4g} |"
    yield f"| by the MobileNetV2-like path, module by module | {times['mobilenet_ms']:.4g} |"
    yield f"| by the same path as one file | {times['whole_ms']:.4g} |"
    saved = _saved(times)
    yield f"\n{saved[0].upper()}{saved[1:]}."
    if "latency_ms" in document["training"]:
        yield (
            f"By the search's table of modules an image takes {document['training']['latency_ms']:.4g} ms in the mean, "
            "controller included."
        )
    yield ""


def _files(document: Mapping[str, Any]) -> Iterator[str]:
    found, files = document["check"], document["files"]
    modules = [module["file"] for cell in document["cells"] for module in cell["modules"]]
    yield from ("## Files", "")
    yield (
        f"They were run on the {found['images']:,} images held out and compared with torch, which classifies "
        f"{100 * found['torch_accuracy']:.2f} % of them rightly; the files {100 * found['accuracy']:.2f} %. They "
        f"switch on the same modules for {100 * found['same_decisions']:.2f} % of the images and give the same answer "
        f"for {100 * found['agreement']:.2f} %. An output differs by at most {found['share']:.2g} of the range of "
        f"torch's, a probability of the controller by {found['probability_difference']:.2g}."
    )
    yield from ("", "| file | what | kB |", "|---|---|---|")
    names = {
        document["controller"]["file"]: "decides which modules are on",
        document["stem"]: "runs first, for every image",
        document["head"]: "runs last, for every image",
    }
    for name, what in names.items():
        yield f"| `{name}` | {what} | {files[name]['bytes'] / 1e3:,.0f} |"
    total = sum(files[name]["bytes"] for name in modules)
    cells = len(document["cells"])
    yield f"| `{modules[0]}`, … | {len(modules)} modules of {cells} cells, each a file | {total / 1e3:,.0f} |"
    yield ""


def _use(document: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Running it", "")
    yield "`pip install numpy ai-edge-litert pillow`, then `python runner.py IMAGE…` in this folder. An app does the"
    yield f"same, by `manifest.json`. {document['rule']}"
    yield ""
