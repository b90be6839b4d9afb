from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.reports.figures_study import members_figures
from mnas_moo.reports.page import Section, page
from tests.chromium import browser as browser
from tests.chromium import opened, overflow
from tests.reports.test_members import members
from tests.reports.test_page import report

STILL = "() => { const still = window.before === scrollY; window.before = scrollY; return still; }"
WINDOWS = [(size, scheme) for size in ((1280, 900), (390, 844)) for scheme in ("light", "dark")]


@pytest.fixture(params=WINDOWS, ids=lambda window: f"{window[0][0]} {window[1]}")
def window(request: pytest.FixtureRequest, browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A page with both plots of four networks, of which nothing may be complained."""
    made = page(report(sections=[Section("objectives", "All", figures=members_figures(members()))]), {})
    (tmp_path / "page.html").write_text(made, encoding="utf-8")
    with opened(browser, (tmp_path / "page.html").as_uri(), *request.param) as opened_page:
        assert overflow(opened_page) <= 0
        yield opened_page
        assert opened_page.problems == []


def count(window: Any) -> str:
    return str(window.locator(".ranges [role=status]").text_content())


def faded(window: Any, figure: str) -> set[str]:
    """Members of the picks that are faded in the drawing that is shown."""
    picks = window.locator(f"#{figure} svg.plot:visible .pick.out").all()
    return {pick.get_attribute("data-member") for pick in picks}


def drag(window: Any, objective: int, worst: float, best: float) -> None:
    """Draws a range along an axis, from one share of its length to another, where 0 is its worse end."""
    grip = window.locator(f"#parallel svg.plot:visible .grip[data-objective='{objective}']")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    upright = box["height"] > box["width"]

    def at(share: float) -> tuple[float, float]:
        if upright:
            return box["x"] + box["width"] / 2, box["y"] + (1 - share) * box["height"]
        return box["x"] + share * box["width"], box["y"] + box["height"] / 2

    window.mouse.move(*at(worst))
    window.mouse.down()
    window.mouse.move(*at((worst + best) / 2))
    window.mouse.move(*at(best))
    window.mouse.up()


def test_a_range_drawn_along_an_axis_fades_what_lies_outside_in_both_plots(window: Any) -> None:
    assert count(window) == "4 of 4 networks"
    drag(window, 0, 0.5, 0.99)  # accuracies above 82.5 %
    assert count(window).startswith("2 of 4 networks: most accurate (trial 0); ")
    assert faded(window, "parallel") == faded(window, "matrix") != set()
    assert "0" not in faded(window, "matrix")
    drag(window, 1, 0.4, 0.99)  # and latencies below 12 ms: no network has both
    assert count(window) == "0 of 4 networks"
    window.get_by_role("button", name="Reset").click()
    assert count(window) == "4 of 4 networks"
    assert faded(window, "parallel") == faded(window, "matrix") == set()


def test_a_tap_on_an_axis_frees_it(window: Any) -> None:
    drag(window, 0, 0.5, 0.99)
    assert count(window).startswith("2 of 4")
    drag(window, 0, 0.3, 0.3)
    assert count(window) == "4 of 4 networks"


def test_the_keyboard_lets_one_network_after_the_other_out(window: Any) -> None:
    window.locator(".ranges summary").press("Enter")
    least = window.locator(".ranges input[data-objective='0'][data-end='low']")
    assert least.get_attribute("aria-valuetext") == "70.00 %"
    for left, text in ((3, "80.00 %"), (2, "90.00 %")):
        least.press("ArrowRight")
        assert count(window).startswith(f"{left} of 4 networks")
        assert least.get_attribute("aria-valuetext") == text
    most = window.locator(".ranges input[data-objective='0'][data-end='high']")
    most.press("Home")  # the upper end takes the lower one along
    assert least.get_attribute("aria-valuetext") == "70.00 %"
    assert count(window).startswith("1 of 4 networks")


def test_arrow_keys_lift_a_member_out_in_both_plots(window: Any) -> None:
    window.locator("#matrix svg.plot:visible").focus()
    # scrolling hides what is said of a mark, and goes on for a while
    window.wait_for_function(STILL, polling=200)
    window.keyboard.press("ArrowRight")
    assert window.locator("#tip b").text_content() == "trial 0"
    assert window.locator("svg.plot:visible .hot").count() == 2
    window.keyboard.press("Escape")
    assert window.locator("#tip").is_hidden()
    assert window.locator(".hot").count() == 0


def test_pointing_at_a_line_tells_its_member(window: Any) -> None:
    line = window.locator("#parallel svg.plot:visible .pick[data-member='0'] .marks > *").first
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert window.locator("#tip b").text_content() == "trial 0"
    assert "latency (ms): 40" in window.locator("#tip").text_content()


def test_a_finger_draws_a_range_too(browser: Any, tmp_path: Path) -> None:
    made = page(report(sections=[Section("objectives", "All", figures=members_figures(members()))]), {})
    (tmp_path / "page.html").write_text(made, encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    phone = context.new_page()
    phone.goto((tmp_path / "page.html").as_uri())
    grip = phone.locator("#parallel svg.plot:visible .grip").first
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    y = box["y"] + box["height"] / 2
    touch = context.new_cdp_session(phone)
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.7), ("touchMove", 0.99)):
        place = {"x": box["x"] + share * box["width"], "y": y}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert count(phone).startswith("2 of 4 networks")
    context.close()


def test_without_a_script_the_plots_are_whole_and_there_is_nothing_to_set(browser: Any, tmp_path: Path) -> None:
    made = page(report(sections=[Section("objectives", "All", figures=members_figures(members()))]), {})
    (tmp_path / "page.html").write_text(made, encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((tmp_path / "page.html").as_uri())
    assert plain.locator(".ranges").is_hidden()
    assert plain.locator("#parallel svg.plot:visible .pick").count() == len(members().picks)
    assert plain.locator("#parallel .legend").get_by_text("most accurate (trial 0)").is_visible()
    context.close()
