"""Known answers of what the comparison with the MnasNet paper measures, and its page."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mnas_moo.studies.benchmarks.paper_comparison import Run, checkpoints, choice_entropy, exponent, spread
from mnas_moo.studies.benchmarks.paper_comparison_page import BINS, fill, space_curves

PAGE = Path(__file__).resolve().parents[3] / "docs" / "paper-comparison.md"


def run(latencies: list[float], genomes: list[list[int]]) -> Run:
    n = len(latencies)
    return Run(np.array(genomes, dtype=np.int32), np.full(n, 0.5), np.array(latencies), np.zeros(n))


def test_choices_made_equally_often_have_the_entropy_of_their_number() -> None:
    genomes = [[a, b, 7] for a in range(3) for b in range(4)]
    assert choice_entropy(np.array(genomes, dtype=np.int32)) == pytest.approx(math.log(3) + math.log(4))


def test_one_network_over_and_over_has_no_entropy() -> None:
    assert choice_entropy(np.array([[1, 2]] * 9, dtype=np.int32)) == 0


def test_spread_counts_on_both_sides_of_the_target_and_beyond_the_papers_latencies() -> None:
    found = spread(run([39.0, 60.0, 75.0, 80.0, 111.0], [[0], [0], [1], [2], [0]]), 75.0)
    assert found["at_most_target"] == 3 / 5
    assert (found["fast"], found["slow"]) == (1 / 5, 1 / 5)
    assert found["quantiles"][1] == 1
    assert found["different"] == 3 / 5


def test_the_histogram_holds_every_trial_however_slow() -> None:
    histogram = spread(run([1.0, 2.0, 1e6, 3.0], [[0]] * 4), 1.0)["histogram"]
    assert sum(histogram) == pytest.approx(1)
    assert histogram[-1] == 1 / 4
    assert len(histogram) == len(BINS) - 1


def test_the_recipe_gives_the_papers_exponent() -> None:
    assert exponent(0.05) == pytest.approx(-0.0704, abs=5e-5)


@pytest.mark.parametrize("trials", [1, 40, 60, 8000])
def test_checkpoints_rise_to_the_last_trial(trials: int) -> None:
    at = checkpoints(trials)
    assert at == sorted(set(at))
    assert at[0] >= 1
    assert at[-1] == trials


def test_hypervolume_of_the_spaces_is_seen_from_one_point() -> None:
    runs = {name: {"runs": [{"values": [[0.6, 4.0], [accuracy, 2.0]]}]} for name, accuracy in (("a", 0.6), ("b", 0.1))}
    reference, curves = space_curves({"trials": 2, "spaces": runs})
    assert reference == [0.1, 4.0]  # three quarters of 2, 2, 4, 4
    assert curves["a"].tolist() == [pytest.approx([0.0, 0.5 * 2.0])]
    assert curves["b"].tolist() == [pytest.approx([0.0, 0.0])]


def test_a_table_replaces_what_stood_between_its_markers() -> None:
    text = "before\n<!-- a: begin -->\nold\n\nolder\n<!-- a: end -->\nafter\n"
    once = fill(text, {"a": "new"})
    assert once == "before\n<!-- a: begin -->\nnew\n<!-- a: end -->\nafter\n"
    assert fill(once, {"a": "new"}) == once
    assert fill("<!-- a: begin -->\n<!-- a: end -->", {"a": "new"}) == "<!-- a: begin -->\nnew\n<!-- a: end -->"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lacks <!-- a: begin --> or <!-- a: end -->"):
        fill("<!-- a: begin -->\n", {"a": "new"})


def test_the_page_has_a_place_for_every_table_and_every_plot_it_shows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    fill(text, dict.fromkeys(("reward", "variants", "why", "front", "controller", "space"), ""))
    shown = [part.partition(")")[0] for part in text.split("](")[1:] if ".png" in part.partition(")")[0]]
    assert shown
    assert all((PAGE.parent / name).is_file() for name in shown)
