from __future__ import annotations

import json

import pytest

from mnas_moo.objectives.export.description import description, labels_text
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces.text import from_text
from tests.objectives.export.conftest import CLASSES, with_classes


def test_it_says_how_an_image_becomes_the_input_and_is_json(trained: TrainedNetwork) -> None:
    described = description(trained)
    assert json.loads(json.dumps(described)) == described
    assert described["labels"] == list(CLASSES)
    source = described["input"]
    assert (source["height"], source["width"], source["channels"], source["colours"]) == (12, 12, 3, "RGB")
    assert (source["mean"], source["std"]) == ([120.0, 110.0, 100.0], [60.0, 65.0, 70.0])
    assert from_text(described["network"]) == trained.spec


def test_labels_are_lines_in_the_order_of_the_outputs(trained: TrainedNetwork) -> None:
    assert labels_text(trained.classes) == "ant\nbee\ngröße\nfly | wasp\n<b>moth</b>\n"


@pytest.mark.parametrize("label", ["a\nb", "a\r", "", "a\u2028b"])
def test_a_label_that_is_no_line_is_refused(trained: TrainedNetwork, label: str) -> None:
    with pytest.raises(ValueError, match="is empty or has a line break"):
        description(with_classes(trained, "a", "b", "c", "d", label))
