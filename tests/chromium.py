"""Pages in a real browser: Chromium without a window, which reaches nothing but what a test serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1400, 1000), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, address: str, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Iterator[Any]:
    """A page at an address, with the errors of its console in ``page.problems``."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    host = address.partition("/dashboard")[0]
    allowed = (host, "file:", "data:", "blob:")
    page.route(
        "**/*",
        lambda route: route.continue_() if route.request.url.startswith(allowed) else route.abort("blockedbyclient"),
    )
    page.set_default_timeout(30_000)
    page.goto(address)
    yield page
    page.close()


def overflow(page: Any) -> int:
    """By how many pixels a page is wider than its window; at or below 0 it fits."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast of two colours (red, green, blue from 0 to 255) as WCAG 2 defines it."""

    def luminance(color: tuple[float, ...]) -> float:
        linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
