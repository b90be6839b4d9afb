"""DPP-Net's networks beside CondenseNet's blocks: what the table and the words say of known figures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mnas_moo.spaces.text import from_text
from mnas_moo.studies.benchmarks import condensenet
from mnas_moo.studies.benchmarks.condensenet import WIDTHS, baselines, begun, report

DIGITS: Any = SimpleNamespace(data=None, minutes=1.0, seed=0, steps=40, final_steps=120)


def figures(errors: tuple[float, ...]) -> dict[str, Any]:
    """Figures of two found networks, right in 80 and 70 %, and of blocks with these errors; blocks take 3 ms."""
    blocks = baselines(DIGITS)
    found = [
        {
            "name": "found: most accurate",
            "trial": 7,
            "network": blocks[0]["network"],
            "ms": {"host": 1.5, "phone": 6.0},
        },
        {"name": "found: panacea", "trial": 9, "network": blocks[0]["network"], "ms": {"host": 1.0, "phone": 2.0}},
    ]
    for each, mean in zip([*found, *blocks], (20.0, 30.0, *errors), strict=True):
        each["errors"] = {"1000": mean - 1, "1001": mean + 1}
        each.setdefault("ms", {"host": 3.0, "phone": 3.0})
    return {
        "settings": {"minutes": 1.0, "steps": 40, "final_steps": 120},
        "judged_on": "the hold-out, 359 images",
        "device": {"host": {}, "phone": {}},
        "networks": [*found, *blocks],
    }


def test_blocks_have_the_published_cell_and_grow_with_their_width() -> None:
    specs = [from_text(each["network"]) for each in baselines(DIGITS)]
    assert len(specs) == len(WIDTHS) >= 3
    assert all(spec.layers[0].cell == ("bnrelu", "learned1x1", "bnrelu", "group3x3") for spec in specs)
    assert specs[0].parameters < specs[1].parameters < specs[2].parameters


def test_only_networks_as_accurate_as_a_block_are_said_to_be_faster() -> None:
    *_, one, other, third = report(figures((29.0, 19.0, 10.0)))
    # 29 and a spread of 1.41: both are as accurate; 19 and 1.41: only the slower one
    assert "2.00 times" not in one and "3.00 times as fast on host (trial 9), 1.50 times as fast on phone" in one
    assert "at most 20.41 %" in other and "2.00 times as fast on host (trial 7), 0.50 times as fast on phone" in other
    assert third.startswith("- No network found is as accurate as the CondenseNet block, width 1.25 (10.00 ± 1.41 %)")


def test_the_table_has_a_row_a_network_and_the_published_ones_beside() -> None:
    lines = report(figures((29.0, 19.0, 10.0)))[0].splitlines()
    assert len(lines) == 2 + 5 + len(condensenet.PUBLISHED) and len({line.count("|") for line in lines}) == 1
    assert "| found: most accurate | bnrelu learned1x1 bnrelu group3x3 | 20.00 ± 1.41 |" in lines[2]
    assert "| published, CIFAR-10: DPP-Net-M |  | 5.84 | 0.45 |" in lines[-1]


def test_what_was_kept_goes_on_only_with_the_same_settings(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    arguments = SimpleNamespace(**{**vars(DIGITS), "json": tmp_path / "kept.json"})
    kept = begun(parser, arguments)  # type: ignore[arg-type]
    arguments.json.write_text(json.dumps({**kept, "networks": []}))
    assert begun(parser, arguments)["networks"] == []  # type: ignore[arg-type]
    arguments.steps = 41
    with pytest.raises(SystemExit, match="2"):
        begun(parser, arguments)  # type: ignore[arg-type]


def test_trainings_that_are_kept_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def train(spec: object, data: object, settings: object, seed: int) -> object:
        asked.append(seed)
        return SimpleNamespace(accuracy=0.75, seconds=1.0)

    monkeypatch.setattr(condensenet, "train", train)
    kept = figures((29.0, 19.0, 10.0))
    del kept["networks"][1]["errors"]["1001"]
    arguments: Any = SimpleNamespace(**{**vars(DIGITS), "json": tmp_path / "kept.json", "seeds": 2})
    condensenet.trained(arguments, kept)
    assert asked == [1001] and kept["networks"][1]["errors"]["1001"] == 25.0
    assert json.loads(arguments.json.read_text()) == kept and "hold-out" in kept["judged_on"]
