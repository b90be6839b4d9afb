from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from mnas_moo.reports.plots import save_front
from tests.reports.conftest import a_study, random_values


def test_a_front_in_html_needs_no_network(tmp_path: Path) -> None:
    save_front(a_study(random_values(20, 2)), tmp_path / "front.html")
    text = (tmp_path / "front.html").read_text(encoding="utf-8")
    assert "plotly.js v" in text
    assert "<script src=" not in text


def test_another_ending_is_refused_and_the_right_ones_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"front\.jpg: its ending is '\.jpg'; .* \.html, \.pdf, \.png, \.svg"):
        save_front(a_study([[0.9, 10]]), tmp_path / "front.jpg")


def test_a_study_without_finished_trials_has_no_front(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="study 'empty' has no finished trial yet"):
        save_front(optuna.create_study(study_name="empty"), tmp_path / "front.png")
