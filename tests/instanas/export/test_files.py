from __future__ import annotations

import ast
import dataclasses
import json

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mnas_moo.instanas.export.files import Exported, manifest, module_file, whole, write
from mnas_moo.spaces.instanas import MOBILENET, NAMES
from tests.instanas.test_metagraph import SPACE


def test_every_file_that_the_manifest_names_is_there(exported: Exported, contents: dict[str, bytes]) -> None:
    about = json.loads(contents["manifest.json"])
    assert about == manifest(exported) and about["format"] == 1
    named = [module["file"] for cell in about["cells"] for module in cell["modules"]]
    others = ["controller.tflite", "stem.tflite", "head.tflite", "labels.txt", "manifest.json", "runner.py"]
    assert sorted(contents) == sorted([*named, *others])
    assert len(named) == SPACE.cells * len(NAMES) and named[0] == module_file(0, 0) == "cell-01-k3_e6.tflite"
    assert [cell["name"] for cell in about["cells"]] == list(SPACE.distributions)
    assert [cell["default"] == "basic" for cell in about["cells"]] == list(SPACE.first_cells)
    assert about["input"]["mean"] == list(exported.mean) and about["labels"] == list(exported.classes)
    assert contents["labels.txt"].decode().split() == list(exported.classes)


def test_norms_are_in_the_convolutions(contents: dict[str, bytes]) -> None:
    for name in ("stem.tflite", "cell-03-k5_e6.tflite", "controller.tflite"):
        interpreter = Interpreter(model_content=contents[name])
        kinds = {each["op_name"] for each in interpreter._get_ops_details()}
        assert not kinds & {"MUL", "SUB", "BATCH_NORM"} and "CONV_2D" in kinds


def test_the_program_needs_nothing_of_the_package(contents: dict[str, bytes]) -> None:
    tree = ast.parse(contents["runner.py"])
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in modules if str(name).startswith("mnas_moo")]


def test_the_path_of_one_file_is_that_of_the_graph(exported: Exported) -> None:
    interpreter = Interpreter(model_content=whole(exported))
    interpreter.allocate_tensors()
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 1)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    mask = torch.zeros(1, SPACE.cells, len(NAMES), dtype=torch.bool)
    mask[:, :, MOBILENET] = True
    expected = exported.runner.run(torch.from_numpy(x).permute(0, 3, 1, 2), mask)
    found = torch.from_numpy(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_class_of_two_lines_is_refused(exported: Exported) -> None:
    with pytest.raises(ValueError, match=r"class 'a\\nb' is empty or has a line break"):
        write(dataclasses.replace(exported, classes=["a\nb", *exported.classes[1:]]))
