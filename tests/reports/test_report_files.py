from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.reports.page import Report
from mnas_moo.reports.report import report_of
from mnas_moo.reports.report_files import write_report
from mnas_moo.running.trials import FAILURE, NETWORK
from mnas_moo.spaces import get
from mnas_moo.spaces.text import to_text
from mnas_moo.study_file.study import StudyFile
from tests.reports.test_dashboard import browser as browser
from tests.reports.test_report import file_of

Finished = tuple[StudyFile, optuna.Study]
LARGE = 2000
MARKUP = "<b onclick=alert(1)>x</b>"


def report(study_file: StudyFile, study: optuna.Study) -> Report:
    return report_of(study, study_file, ["mnas-moo run small.yaml"], "small.yaml")


def test_each_plot_lies_as_svg_pdf_and_csv_beside_the_page(finished_study: Finished, tmp_path: Path) -> None:
    made = report(*finished_study)
    assert write_report(made, finished_study[1], tmp_path / "a page.html") == []
    names = {figure.name for figure in made.figures}
    assert {"front", "hypervolume"} <= names
    expected = {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "csv")} | {"trials.csv"}
    assert {file.name for file in (tmp_path / "a page").iterdir()} == expected
    text = (tmp_path / "a page.html").read_text(encoding="utf-8")
    assert 'href="a%20page/front.svg"' in text
    with (tmp_path / "a page" / "front.csv").open(encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened) if row["name"]]
    for row in rows:
        trial = finished_study[1].trials[int(row["name"].removeprefix("trial "))]
        assert [float(row["accuracy on the hold-out"]), float(row["latency (ms)"])] == trial.values
    assert len(rows) == 12
    with (tmp_path / "a page" / "trials.csv").open(encoding="utf-8") as opened:
        assert len(list(csv.DictReader(opened))) == 12


def test_without_matplotlib_the_page_and_the_numbers_are_there(
    finished_study: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (lacking,) = write_report(report(*finished_study), finished_study[1], tmp_path / "page.html")
    assert lacking.startswith("no plots as SVG and PDF: ")
    assert "plot]" in lacking
    assert {file.suffix for file in (tmp_path / "page").iterdir()} == {".csv"}
    assert "front.svg" not in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study of 2,000 networks, some of which failed or have texts with markup."""
    folder = tmp_path_factory.mktemp("large")
    space, rng = get("mnasnet", preset="digits"), np.random.default_rng(0)
    study = optuna.create_study(directions=["maximize", "minimize"], study_name=f"large {MARKUP}")
    study.set_metric_names(["accuracy", "latency_ms"])
    networks = [space.random(rng) for _ in range(60)]
    trials = []
    for i in range(LARGE):
        spec = networks[i % len(networks)]
        latency = float(rng.lognormal(0.0, 0.5))
        accuracy = float(0.9 * latency / (latency + 0.3) - 0.1 * rng.random())
        held = {
            "accuracy": {"value": accuracy, "interval": [accuracy - 0.02, accuracy + 0.02]},
            "latency_ms": {"value": latency, "confidence_half_width_ms": 0.02 * latency},
        }
        trials.append(
            create_trial(
                values=[accuracy, latency],
                params=space.params(spec),
                distributions=space.distributions,
                user_attrs={NETWORK: to_text(spec), "measurements": held},
            )
        )
    trials.append(create_trial(state=optuna.trial.TrialState.FAIL, user_attrs={FAILURE: f"no phone {MARKUP}"}))
    study.add_trials(trials)
    write_report(report(file_of(folder), study), study, folder / "large.html")
    return folder / "large.html"


def test_a_page_of_2000_trials_is_small(written: Path) -> None:
    assert written.stat().st_size < 5_000_000


WINDOWS = [(width, scheme) for width in (1280, 360) for scheme in ("light", "dark")]


@pytest.fixture(params=WINDOWS, ids=lambda window: f"{window[0]} {window[1]}")
def window(request: pytest.FixtureRequest, browser: Any, written: Path, tmp_path: Path) -> Iterator[Any]:
    """The page alone, without its folder, in a window; nothing may be complained of or asked for."""
    alone = shutil.copy(written, tmp_path / "alone.html")
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.set_default_timeout(30_000)
    wrong, asked = list[str](), list[str]()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(Path(alone).as_uri())
    yield page
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", Path(alone).as_uri()))] == []
    page.close()


def test_a_browser_shows_all_of_it_and_nothing_overflows_the_window(window: Any) -> None:
    assert window.locator("h1").text_content() == f"large {MARKUP}"
    assert window.get_by_text(f"no phone {MARKUP}").is_visible()
    for name in ("front", "hypervolume", "importance"):
        assert window.locator(f"figure#{name} svg.plot:visible").count() > 0
    drawn = window.locator("#front svg.plot:visible .marks > *").count()
    assert drawn > LARGE / 2
    for picture in window.locator(".card img").all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    for summary in window.locator("summary").all():
        summary.click()
    wide = "() => [document.documentElement.scrollWidth, innerWidth]"
    scrolled, width = window.evaluate(wide)
    assert scrolled <= width


def test_pointing_at_a_member_of_the_front_shows_its_network(window: Any) -> None:
    mark = window.locator("#front svg.plot:visible .marks.large > *").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = window.locator("#tip")
    assert tip.is_visible()
    assert tip.locator("b").text_content().endswith(", Pareto front")
    assert "accuracy on the hold-out: " in tip.text_content()
    assert tip.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    shown, (width, height) = tip.bounding_box(), window.evaluate("() => [innerWidth, innerHeight]")
    assert shown["x"] >= 0 and shown["x"] + shown["width"] <= width
    assert shown["y"] >= 0 and shown["y"] + shown["height"] <= height
    window.mouse.move(1, 1)
    assert tip.is_hidden()


def test_the_arrow_keys_walk_along_the_front_and_a_line_tells_its_value(window: Any) -> None:
    window.locator("#front svg.plot:visible").focus()
    window.keyboard.press("ArrowRight")
    first = window.locator("#tip b").text_content()
    window.keyboard.press("ArrowRight")
    assert window.locator("#tip b").text_content() != first
    window.keyboard.press("Escape")
    assert window.locator("#tip").is_hidden()
    line = window.locator("#hypervolume svg.plot:visible").first
    line.scroll_into_view_if_needed()
    line.hover()
    assert window.locator("#tip b").text_content().startswith("trial ")


def test_the_ground_is_light_or_dark_as_the_window_wishes(window: Any) -> None:
    dark = window.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    ground = window.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 23, 28)" if dark else "rgb(255, 255, 255)")
