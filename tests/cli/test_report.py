"""The verb `report`."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from tests.cli.conftest import Run, refused


def test_a_report_is_a_page_and_a_folder_of_its_name(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    status, out, err = mnas_moo("report", "counts.yaml")
    assert (status, out) == (0, "")
    assert err.splitlines()[-1] == ("written: report-counts.html, and its plots and data in report-counts/")
    text = Path("report-counts.html").read_text(encoding="utf-8")
    for command in ("run", "front", "report"):
        assert f"mnas-moo {command} counts.yaml" in text
    assert Path("report-counts/front.csv").is_file()


@pytest.mark.parametrize(
    ("output", "page"),
    [
        ("pages/small.html", "pages/small.html"),
        ("pages", "pages/report-counts.html"),
        (".", "report-counts.html"),
    ],
)
def test_the_page_lies_where_one_wants_it(output: str, page: str, mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    assert mnas_moo("report", "counts.yaml", "-o", output)[0] == 0
    assert Path(page).is_file()
    assert Path(page).with_suffix("").is_dir()


def test_what_cannot_be_reported_is_one_line(mnas_moo: Run) -> None:
    refused(mnas_moo("report", "counts.yaml"), "counts.yaml:2: storage is sqlite:///counts.db, which is not there")
    optuna.create_study(study_name="counts", storage="sqlite:///counts.db", directions=["minimize"] * 2)
    refused(mnas_moo("report", "counts.yaml"), "study 'counts' has no finished trial (it has no trials yet), so")
    assert not Path("report-counts.html").exists()
    mnas_moo("run", "counts.yaml")
    refused(mnas_moo("report", "counts.yaml", "-o", "x.pdf"), "x.pdf: its ending is '.pdf'; a report is written as")
    refused(mnas_moo("report", "counts.yaml", "--published"), "counts times no networks")
    Path("taken").write_text("", encoding="utf-8")
    refused(mnas_moo("report", "counts.yaml", "-o", "taken/x.html"), "taken: File exists")
