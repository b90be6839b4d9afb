"""LiteRT's metadata: labels and normalisation inside a .tflite file, where the task libraries of phones read them.

A flatbuffer of its own (metadata_schema.fbs of TensorFlow Lite Support, identifier M001, today kept by MediaPipe) is
the model's buffer TFLITE_METADATA; the file of labels that it names is a zip archive behind the model. The packages
that write it pin a protobuf older than onnx takes (tflite-support), or bring a camera library (mediapipe); the few
tables needed here are packed by hand, and tests read them by the schema.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.export.description import LABELS_FILE
from mnas_moo.objectives.extras import require

IDENTIFIER = b"M001"
LICENCE = "weights: as the images they were trained on allow, which is not known; mnas-moo: MIT"
_PARSER_VERSION = "1.0.0"  # of the schema: the first has all that is used here

# numbers of the schema: members of its unions and enumerations
_IMAGE, _FEATURE = 2, 1  # ContentProperties
_RGB, _GREY, _OTHER_COLOURS = 1, 2, 0  # ColorSpaceType
_NORMALISATION = 1  # ProcessUnitOptions
_AXIS_LABELS = 2  # AssociatedFileType


def metadata(described: Mapping[str, Any]) -> bytes:
    """The flatbuffer ModelMetadata of a network.

    Args:
        described: the network, by ``description.description``.

    Returns:
        The content of the model's buffer TFLITE_METADATA.

    Raises:
        MissingExtraError: flatbuffers is not installed.
    """
    packer = _Packer()
    source = described["input"]
    colours = {1: _GREY, 3: _RGB}.get(source["channels"], _OTHER_COLOURS)
    normalisation = packer.table(2, {0: packer.floats(source["mean"]), 1: packer.floats(source["std"])})
    unit = packer.table(2, {1: normalisation}, {0: _NORMALISATION})
    image = packer.table(3, {1: packer.table(2, {}, {0: colours})}, {0: _IMAGE})
    input_fields = {
        0: packer.text("image"),
        1: packer.text(f"{source['colours']}, {source['width']} x {source['height']}; {source['crop']}"),
        3: image,
        4: packer.tables([unit]),
    }
    labels = packer.table(5, {0: packer.text(LABELS_FILE), 1: packer.text("one class a line")}, {2: _AXIS_LABELS})
    output_fields = {
        0: packer.text("logits"),
        1: packer.text(described["output"]),
        3: packer.table(3, {1: packer.table(0, {})}, {0: _FEATURE}),
        6: packer.tables([labels]),
    }
    inputs, outputs = (packer.tables([packer.table(7, fields)]) for fields in (input_fields, output_fields))
    subgraph = packer.table(10, {2: inputs, 3: outputs})
    model_fields = {
        0: packer.text(f"{described['study']} {described['name']}".strip()),
        1: packer.text(f"image classifier; network: {described['network']}"),
        3: packer.tables([subgraph]),
        5: packer.text(LICENCE),
        7: packer.text(_PARSER_VERSION),
    }
    return packer.finish(packer.table(8, model_fields))


def with_files(model: bytes, files: Mapping[str, str]) -> bytes:
    """The model with the files that its metadata name behind it, as an archive that is not compressed.

    The same content gives the same bytes: the archive's times are the format's first.
    """
    packed = io.BytesIO(model)
    with zipfile.ZipFile(packed, "a") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


class _Packer:
    """Packs tables by the numbers that the schema gives their fields; every method returns an offset."""

    def __init__(self) -> None:
        self.builder = require("flatbuffers", extra="host").Builder(1024)

    def text(self, text: str) -> int:
        """Packs a string."""
        return int(self.builder.CreateString(text))

    def floats(self, values: Sequence[float]) -> int:
        """Packs a vector of numbers."""
        return int(self.builder.CreateNumpyVector(np.array(values, np.float32)))

    def tables(self, tables: Sequence[int]) -> int:
        """Packs a vector of tables."""
        self.builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            self.builder.PrependUOffsetTRelative(table)
        return int(self.builder.EndVector())

    def table(self, fields: int, offsets: Mapping[int, int], small: Mapping[int, int] | None = None) -> int:
        """Packs a table of so many fields: offsets, and integers of a byte; the others have their defaults."""
        self.builder.StartObject(fields)
        for field, offset in offsets.items():
            self.builder.PrependUOffsetTRelativeSlot(field, offset, 0)
        for field, value in (small or {}).items():
            self.builder.PrependUint8Slot(field, value, 0)
        return int(self.builder.EndObject())

    def finish(self, root: int) -> bytes:
        """The flatbuffer around what was packed."""
        self.builder.Finish(root, IDENTIFIER)
        return bytes(self.builder.Output())
