"""The metadata, read by the numbers of metadata_schema.fbs, and by TensorFlow Lite Support where it is at hand."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import number_types
from flatbuffers.table import Table

from mnas_moo.objectives.export.description import description
from mnas_moo.objectives.export.metadata import IDENTIFIER, metadata, with_files
from mnas_moo.objectives.training.trained import TrainedNetwork
from tests.objectives.export.conftest import CLASSES

SUPPORT = os.environ.get("MNAS_MOO_TFLITE_SUPPORT")
"""A python that has the package tflite-support."""


class Reader:
    """A table of a flatbuffer, whose fields are asked for by their numbers in the schema."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def root(cls, content: bytes) -> Reader:
        return cls(Table(content, int.from_bytes(content[:4], "little")))

    def _place(self, field: int) -> int:
        offset = self.table.Offset(4 + 2 * field)
        assert offset, f"field {field} is not there"
        return int(offset + self.table.Pos)

    def has(self, field: int) -> bool:
        return bool(self.table.Offset(4 + 2 * field))

    def text(self, field: int) -> str:
        return str(self.table.String(self._place(field)).decode())

    def byte(self, field: int) -> int:
        return int(self.table.Get(number_types.Uint8Flags, self._place(field)))

    def child(self, field: int) -> Reader:
        return Reader(Table(self.table.Bytes, self.table.Indirect(self._place(field))))

    def floats(self, field: int) -> list[float]:
        found = self.table.GetVectorAsNumpy(number_types.Float32Flags, self.table.Offset(4 + 2 * field))
        return [float(value) for value in found]

    def children(self, field: int) -> Iterator[Reader]:
        offset = self.table.Offset(4 + 2 * field)
        start = self.table.Vector(offset)
        for i in range(self.table.VectorLen(offset)):
            yield Reader(Table(self.table.Bytes, self.table.Indirect(start + 4 * i)))


def only(readers: Iterator[Reader]) -> Reader:
    (one,) = readers
    return one


def test_normalisation_and_labels_are_where_the_schema_has_them(trained: TrainedNetwork) -> None:
    content = metadata(description(trained))
    assert content[4:8] == IDENTIFIER
    model = Reader.root(content)
    assert model.text(0) == "insects trial-3"
    assert "stem" in model.text(1)  # the network
    assert "not known" in model.text(5)  # the licence
    assert model.text(7) == "1.0.0"
    subgraph = only(model.children(3))
    source, result = only(subgraph.children(2)), only(subgraph.children(3))
    assert source.text(0) == "image"
    assert source.child(3).byte(0) == 2  # ContentProperties.ImageProperties
    assert source.child(3).child(1).byte(0) == 1  # ColorSpaceType.RGB
    unit = only(source.children(4))
    assert unit.byte(0) == 1  # ProcessUnitOptions.NormalizationOptions
    assert unit.child(1).floats(0) == [120.0, 110.0, 100.0]
    assert unit.child(1).floats(1) == [60.0, 65.0, 70.0]
    labels = only(result.children(6))
    assert labels.text(0) == "labels.txt"
    assert labels.byte(2) == 2  # AssociatedFileType.TENSOR_AXIS_LABELS
    assert result.child(3).byte(0) == 1  # ContentProperties.FeatureProperties


@pytest.mark.parametrize(("channels", "colours"), [(1, 2), (3, 1), (4, None)])
def test_the_colours_follow_the_channels(trained: TrainedNetwork, channels: int, colours: int | None) -> None:
    described: dict[str, Any] = description(trained)
    described["input"]["channels"] = channels
    image = only(only(Reader.root(metadata(described)).children(3)).children(2)).child(3).child(1)
    assert (image.byte(0) if image.has(0) else None) == colours


def test_files_behind_a_model_are_an_archive_without_compression_and_always_the_same() -> None:
    packed = with_files(b"model", {"labels.txt": "größe\n"})
    assert packed.startswith(b"model")
    assert packed == with_files(b"model", {"labels.txt": "größe\n"})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(entry).decode() == "größe\n"


@pytest.mark.parametrize("name", ["model_float32.tflite", "model_float16.tflite", "model_int8.tflite"])
def test_a_model_with_metadata_runs_and_names_them(
    contents: dict[str, bytes], trained: TrainedNetwork, name: str
) -> None:
    model = schema.Model.GetRootAs(contents[name], 0)
    assert model.MetadataLength() == 1
    assert model.Metadata(0).Name() == b"TFLITE_METADATA"
    held = model.Buffers(model.Metadata(0).Buffer()).DataAsNumpy().tobytes()
    assert held == metadata(description(trained))
    with zipfile.ZipFile(io.BytesIO(contents[name])) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(CLASSES)
    interpreter = Interpreter(model_content=contents[name])
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    interpreter.set_tensor(source["index"], np.zeros(source["shape"], source["dtype"]))
    interpreter.invoke()
    assert np.isfinite(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])).all()


@pytest.mark.skipif(SUPPORT is None, reason="MNAS_MOO_TFLITE_SUPPORT names no python with tflite-support")
def test_tensorflow_lite_support_reads_all_of_it(folder: Path) -> None:
    assert SUPPORT is not None
    program = (
        "import json, sys\n"
        "from tensorflow_lite_support.metadata.python.metadata import MetadataDisplayer\n"
        "shown = MetadataDisplayer.with_model_file(sys.argv[1])\n"
        "labels = shown.get_associated_file_buffer('labels.txt').decode()\n"
        "print(json.dumps([shown.get_packed_associated_file_list(), labels, json.loads(shown.get_metadata_json())]))\n"
    )
    words = [SUPPORT, "-c", program, str(folder / "model_int8.tflite")]
    answer = subprocess.run(words, capture_output=True, text=True, check=True)
    files, labels, found = json.loads(answer.stdout)
    assert (files, labels.splitlines()) == (["labels.txt"], list(CLASSES))
    (subgraph,) = found["subgraph_metadata"]
    (unit,) = subgraph["input_tensor_metadata"][0]["process_units"]
    assert unit == {
        "options_type": "NormalizationOptions",
        "options": {"mean": [120.0, 110.0, 100.0], "std": [60.0, 65.0, 70.0]},
    }
    assert subgraph["output_tensor_metadata"][0]["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"
