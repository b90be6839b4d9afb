from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import optuna
import pytest

from mnas_moo.objectives.front import is_feasible
from mnas_moo.reports.dashboard import dashboard
from mnas_moo.reports.dashboard_page import SCRIPT_PATH, Framed, decorated
from mnas_moo.reports.dashboard_view import View
from mnas_moo.study_file.study import StudyFile
from tests.chromium import DESKTOP, PHONE, contrast, opened, overflow
from tests.chromium import browser as browser

Finished = tuple[StudyFile, optuna.Study]

PLOTS = "[id^='user-defined-plot:']"
WINDOWS = [(size, scheme) for size in (DESKTOP, PHONE) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def address(finished_study: Finished) -> Iterator[str]:
    with dashboard(finished_study[0], port=0) as address:
        yield address


def answer(url: str, **headers: str) -> tuple[Any, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
        return reply.headers, reply.read()


def test_the_page_has_our_style_and_script_and_is_asked_for_anew(address: str) -> None:
    headers, body = answer(address, **{"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Cache-Control"] == "no-cache"
    assert f'<script defer src="{SCRIPT_PATH}"></script></head>'.encode() in body
    kind, script = answer(address.partition("/dashboard")[0] + SCRIPT_PATH)
    assert kind["Content-Type"].startswith("text/javascript")
    assert b"aria-label" in script


def test_a_page_without_a_head_stays_as_it_is() -> None:
    assert decorated(b"<p>") == b"<p>"


def test_the_best_trials_are_the_front_that_keeps_the_constraints(address: str, finished_study: Finished) -> None:
    told = json.loads(answer(address.replace("/dashboard/", "/api/"))[1])
    numbers = {trial["number"] for trial in told["best_trials"]}
    assert numbers
    assert all(is_feasible(finished_study[1].trials[number]) for number in numbers)
    assert all(re.fullmatch(r"latency \(ms\): [\d.e-]{1,9}", trial["values"][1]) for trial in told["best_trials"])


def test_every_trial_has_a_note_until_the_user_writes_one(address: str, finished_study: Finished) -> None:
    told = json.loads(answer(address.replace("/dashboard/", "/api/"))[1])
    assert all("mnas-moo show STUDY" in trial["note"]["body"] for trial in told["trials"])
    assert {trial["note"]["version"] for trial in told["trials"]} == {0}


def test_a_note_of_the_users_on_a_trial_stays(finished_study: Finished) -> None:
    view = View(finished_study[1]._storage, finished_study[0])
    view.refresh()
    study_id, (first, second) = finished_study[1]._study_id, finished_study[1].trials[:2]
    notes = [{"trial_id": first._trial_id, "note": {"version": 2, "body": "Mine."}}]
    notes += [{"trial_id": second._trial_id, "note": {"version": 0, "body": ""}}]
    told = json.loads(Framed(None, view).told(study_id, json.dumps({"trials": notes}).encode()))
    assert told["trials"][0]["note"] == {"version": 2, "body": "Mine."}
    assert "mnas-moo" in told["trials"][1]["note"]["body"]


def test_another_study_and_an_unknown_one_are_answered_as_ever(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(re.sub(r"\d+$", "999", address.replace("/dashboard/", "/api/")))
    assert refused.value.code == 404


@pytest.mark.parametrize(("size", "scheme"), WINDOWS)
def test_the_page_of_a_study_begins_with_the_front_and_fits(
    browser: Any, address: str, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, address, size, scheme) as page:
        page.wait_for_selector(f"{PLOTS} .scatterlayer path.point", state="attached")
        page.wait_for_selector("[id='graph-pareto-front'] .plot-container", state="attached")
        tops = {
            name: page.locator(f"[id='{name}']").bounding_box()["y"]
            for name in ("user-defined-plot:pareto-front", "user-defined-plot:hypervolume", "graph-pareto-front")
        }
        assert tops["user-defined-plot:pareto-front"] < 200
        assert list(tops.values()) == sorted(tops.values())
        for words in ("Best Trial", "Study User Attributes", "parameters_m max 0.015"):
            assert page.get_by_text(words).count() >= 1
        assert overflow(page) <= 0
        for title in page.locator(f"{PLOTS} .gtitle").all():
            box, window = title.bounding_box(), size[0]
            assert box["x"] + box["width"] <= window
        assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_our_plots_can_be_read_and_have_a_text_alternative(browser: Any, address: str, scheme: str) -> None:
    with opened(browser, address, DESKTOP, scheme) as page:
        page.wait_for_selector(f"{PLOTS}[role=img]", state="attached")
        plots = page.locator(PLOTS)
        assert plots.count() == 2
        for plot in plots.all():
            assert len(plot.get_attribute("aria-label")) > 30
        texts = ", ".join(f"{PLOTS} {part}" for part in (".xtick text", ".legendtext", ".gtitle"))
        colors = "[getComputedStyle(text).fill, getComputedStyle(text.closest('.MuiPaper-root')).backgroundColor]"
        found = page.evaluate(f'[...document.querySelectorAll("{texts}")].map(text => {colors})')
        assert len(found) > 5
        for pair in found:
            ink, paper = (tuple(map(float, re.findall(r"[\d.]+", color))) for color in pair)
            assert contrast(ink, paper) >= 4.5


def test_a_mark_tells_its_trial_when_the_mouse_is_over_it(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        front = "[id='user-defined-plot:pareto-front']"
        page.wait_for_selector(f"{front} .scatterlayer path.point", state="attached")
        box = page.locator(f"{front} .scatterlayer .trace path.point").last.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector(f"{front} .hovertext")
        assert page.locator(f"{front} .hovertext").text_content().startswith("trial ")


@pytest.mark.parametrize(("size", "scheme"), WINDOWS)
def test_the_page_of_a_trial_explains_it_and_fits(
    browser: Any, address: str, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, f"{address}/trials?numbers=4", size, scheme) as page:
        picture = page.locator("img[alt^='Picture of the network of trial 4']")
        picture.wait_for()
        page.get_by_text("measurements").wait_for()
        page.wait_for_function("() => [...document.images].every(image => image.naturalWidth > 0)")
        assert overflow(page) <= 0
        assert picture.bounding_box()["width"] > 0.6 * min(size[0], 900)
        assert page.get_by_text("mnas-moo show STUDY --trial 4").count() == 1
        assert page.problems == []
        picture.click()
        page.wait_for_function("() => document.documentElement.tagName === 'svg'")


@pytest.mark.parametrize(("size", "scheme"), WINDOWS)
def test_the_note_of_a_study_leads_to_its_front_and_its_plots(
    browser: Any, address: str, size: tuple[int, int], scheme: str
) -> None:
    with opened(browser, f"{address}/note", size, scheme) as page:
        link = page.locator("main li a").first
        link.wait_for()
        assert overflow(page) <= 0
        ink, paper = page.evaluate(
            """() => { const link = document.querySelector("main li a"); return [getComputedStyle(link).color,
                getComputedStyle(link.closest(".MuiPaper-root")).backgroundColor] }"""
        )
        colors = (tuple(map(float, re.findall(r"[\d.]+", color))) for color in (ink, paper))
        assert contrast(*colors) >= 4.5
        link.click()
        page.locator("img[alt^='Picture of the network']").wait_for()
        page.go_back()
        page.get_by_role("link", name="the plots").click()
        page.wait_for_selector(f"{PLOTS} .scatterlayer path.point", state="attached")
        x, y = page.locator(f"{PLOTS} .gtitle a").evaluate(
            "link => { const box = link.getBoundingClientRect(); return [box.x + box.width / 2, box.y + 6] }"
        )  # the browser's own box of a link inside of a picture lies elsewhere
        page.mouse.click(x, y)
        page.get_by_text("What is traded off").wait_for()
        assert page.problems == []
