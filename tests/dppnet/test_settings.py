from __future__ import annotations

from typing import Any

import pytest

from mnas_moo.dppnet.settings import ProgressiveSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"exploration": 1.5}, "exploration is 1.5; it is a share"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; it must be at least 0"),
        ({"predictor": "tree"}, "predictor is 'tree'; it must be"),
    ],
)
def test_a_number_out_of_its_range_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProgressiveSettings(**wrong)
