"""The model card of an exported network: what it is, how well it does what, and on what that was found.

After Mitchell et al. 2019, "Model Cards for Model Reporting": the parts that can be filled in from figures. What is not
known, above all what the data may be used for, is said to be unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mnas_moo.spaces.printable import as_code, short

NAMED_LABELS = 20
"""At most so many labels are named; the file of labels has all."""


def model_card(document: Mapping[str, Any]) -> str:
    """The card in Markdown.

    Args:
        document: what lies beside the files as JSON, by ``objectives.export.document``.
    """
    parts = (_figures, _latencies, _files, _use, training_lines, origin_lines)
    what = f"the network {as_text(document['name'])}"
    return "\n".join([*title_lines(document, what), *(line for part in parts for line in part(document))])


def title_lines(document: Mapping[str, Any], what: str) -> Iterator[str]:
    """The title, what it is in a sentence, and what its check found wrong."""
    of = f" of the study {as_text(document['study'])}" if document["study"] else ""
    yield f"# {as_text(document['name'])}"
    yield ""
    yield f"A classifier of images into {len(document['labels'])} classes: {what}{of}."
    for failure in document["check"]["failures"]:
        yield f"\n**It failed its check: {failure}.**"
    for warning in document["check"]["warnings"]:
        yield f"\n**Note: {warning}.**"
    yield ""


def _figures(document: Mapping[str, Any]) -> Iterator[str]:
    yield from accuracy_lines(document["training"])
    yield f"| parameters | {document['parameters']:,} |"
    yield f"| multiply-adds of an image | {document['multiply_adds']:,} |"
    yield f"| peak memory of activations, float32 | {document['peak_memory_bytes']:,} bytes |"
    yield ""


def accuracy_lines(trained: Mapping[str, Any]) -> Iterator[str]:
    """The head of the table of figures, and its rows of accuracies."""
    yield from ("| figure | value |", "|---|---|")
    if "accuracy" in trained:
        yield f"| accuracy on images held out | {_accuracy(trained, 'accuracy', 'interval', 'holdout_images')} |"
    if "test_accuracy" in trained:
        yield f"| accuracy on the test images | {_accuracy(trained, 'test_accuracy', 'test_interval', 'test_images')} |"
    if "chance" in trained:
        yield f"| accuracy of guessing | {100 * trained['chance']:.1f} % |"


def _accuracy(trained: Mapping[str, Any], value: str, interval: str, images: str) -> str:
    text = f"{100 * trained[value]:.2f} %"
    notes = []
    if interval in trained:
        low, high = trained[interval]
        notes.append(f"{100 * low:.1f} to {100 * high:.1f} %, 95 % interval")
    if images in trained:
        notes.append(f"{trained[images]:,} images")
    return text + (f" ({'; '.join(notes)})" if notes else "")


def _latencies(document: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Latency", "")
    if not document["latencies"]:
        yield from ("It was not measured.", "")
        return
    yield "One image, as the study measured it with random weights, on which time does not depend."
    yield from (
        "",
        "| device | how | median ms | 95 % interval | spread of the runs (10 to 90 %) |",
        "|---|---|---|---|---|",
    )
    for found in document["latencies"]:
        value, half = found["value_ms"], found.get("confidence_half_width_ms")
        sure = "" if half is None else f"{value - half:.4g} to {value + half:.4g}"
        spread = f"{found['p10_ms']:.4g} to {found['p90_ms']:.4g}" if {"p10_ms", "p90_ms"} <= found.keys() else ""
        how = [found["how"]]
        if "threads" in found:
            how.append(f"{found['threads']} thread{'s' if found['threads'] != 1 else ''}")
        if found.get("accelerator"):
            how.append(str(found["accelerator"]))
        if found["predicted"]:
            how.append("predicted, not measured")
            if {"low_ms", "high_ms"} <= found.keys():
                sure = f"{found['low_ms']:.4g} to {found['high_ms']:.4g} (90 %)"
        device = as_text(str(found["device"] or "not stored"))
        yield f"| {device} | {as_text(', '.join(how))} | {value:.4g} | {sure} | {spread} |"
    yield ""


def _files(document: Mapping[str, Any]) -> Iterator[str]:
    check = document["check"]
    yield from ("## Files", "")
    yield (
        f"Each was run on the {check['images']:,} images held out and compared with torch, which classifies "
        f"{100 * check['torch_accuracy']:.2f} % of them rightly. The difference is the largest of any output, as a "
        "share of the range of torch's outputs."
    )
    yield ""
    yield "| file | for | weights | kB | accuracy | decides as torch | difference |"
    yield "|---|---|---|---|---|---|---|"
    for name, file in document["files"].items():
        yield (
            f"| `{name}` | {file['program']} | {file['weights']} | {file['bytes'] / 1e3:,.0f} | "
            f"{100 * file['accuracy']:.2f} % | {100 * file['agreement']:.2f} % | {file['share']:.2g} |"
        )
    yield ""


def _use(document: Mapping[str, Any]) -> Iterator[str]:
    yield from input_lines(document["input"])
    int8 = document["files"]["model_int8.tflite"]
    for end in ("input", "output"):
        scale, zero = int8[end]["scale"], int8[end]["zero_point"]
        yield f"- {end} of the int8 file: real = {scale:.8g} * (integer - {zero})".replace("- -", "+ ")
    yield from output_lines(document)


def input_lines(source: Mapping[str, Any]) -> Iterator[str]:
    """What becomes of an image."""
    yield from ("## Input and output", "")
    yield f"- input: {source['width']} x {source['height']} pixels, {source['colours']}; {source['crop']}"
    for key in ("mean", "std"):
        yield f"- {key} of a channel, in units of a byte: {', '.join(f'{value:.6g}' for value in source[key])}"
    yield f"- every number of the input is {source['normalisation']}"


def output_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What the numbers of the output are."""
    labels = document["labels"]
    yield f"- output: {document['output']}"
    more = f", and {len(labels) - NAMED_LABELS} more in `labels.txt`" if len(labels) > NAMED_LABELS else ""
    yield f"- labels: {', '.join(as_code(short(label)) for label in labels[:NAMED_LABELS])}{more}"
    yield ""


def training_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """How it was trained, and on what."""
    trained = document["training"]
    yield from ("## Training", "", "| setting | value |", "|---|---|")
    recipe = trained.get("recipe")
    settings = dict(recipe) if isinstance(recipe, Mapping) else {"recipe": recipe}
    settings |= {key: trained[key] for key in ("seed", "steps", "seconds", "device", "start") if key in trained}
    for key, value in settings.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
        yield f"| {as_text(key.replace('_', ' '))} | {as_text(shown)} |"
    yield from ("", "## Data", "")
    for key, value in trained.get("data", {}).items():
        yield f"- {as_text(key.replace('_', ' '))}: {as_text(value if isinstance(value, str) else json.dumps(value))}"
    yield "- licence: unknown; what the images may be used for decides what the weights may be used for"
    yield ""


def origin_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Its licence, and the versions of what made it."""
    yield from ("## Licence and versions", "")
    yield "- licence of the weights: as that of the data; of the package mnas-moo that made them: MIT"
    for what, versions in (("training", document["training"].get("versions", {})), ("export", document["versions"])):
        if versions:
            yield f"- {what}: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    if "network" in document:
        yield f"- network: {as_code(document['network'])}"
    yield ""


def as_text(text: str) -> str:
    """A text of somebody else's in a table: as code, where it has more than letters, digits and blanks."""
    shown = short(text).replace("|", "/")
    return shown if all(sign.isalnum() or sign in " -.,%/:" for sign in shown) else as_code(shown)
