from __future__ import annotations

from typing import Any

import pytest

from mnas_moo.reports import dashboard
from tests.cli.conftest import Run, refused


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the dashboard is asked to serve, instead of serving it."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(dashboard, "serve", lambda study, **settings: calls.append({"study": study.name, **settings}))
    return calls


def test_the_dashboard_is_for_this_machine_and_opens_the_browser(mnas_moo: Run, served: list[dict[str, Any]]) -> None:
    assert mnas_moo("dashboard", "counts.yaml") == (0, "", "")
    assert served == [{"study": "counts", "host": "127.0.0.1", "port": 8080, "open_browser": True}]


def test_address_and_browser_are_as_asked_for(mnas_moo: Run, served: list[dict[str, Any]]) -> None:
    mnas_moo("dashboard", "counts.yaml", "--host", "0.0.0.0", "--port", "0", "--no-browser")
    assert served == [{"study": "counts", "host": "0.0.0.0", "port": 0, "open_browser": False}]


def test_a_port_that_cannot_be_used_is_one_line(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object, **__: object) -> None:
        raise ValueError("port 8080 of 127.0.0.1 is in use; choose another one, or 0 for any free one")

    monkeypatch.setattr(dashboard, "serve", taken)
    refused(mnas_moo("dashboard", "counts.yaml"), "port 8080 of 127.0.0.1 is in use; choose another one")
