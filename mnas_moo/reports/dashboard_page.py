"""The frame around the dashboard's pages: what it cannot be told through a storage.

Its page gets a style sheet (text wraps, our plots come first, a phone shows one column) and a script (text alternatives
of our plots); its answer about a study names the front as the best trials, and has our notes on trials. Where another
version of the dashboard looks otherwise, a rule that meets nothing changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnas_moo.reports.dashboard_view import View

SCRIPT_PATH = "/mnas-moo.js"

STYLE = """
main, main * { min-width: 0; }
main p.MuiTypography-body1, main pre { white-space: pre-wrap; overflow-wrap: anywhere; }
main pre code, main li, main code { overflow-wrap: anywhere; }
main a:not([class]) { color: inherit; }
main img[alt^="Picture of the network"] { max-width: 100%; height: auto; background: #fff; }
main .MuiBox-root > .MuiGrid-container:has([id^="user-defined-plot:"]) { order: -1; margin-top: 8px; }
main .MuiGrid-container > .MuiGrid-root { order: 9; }
main .MuiGrid-container > .MuiGrid-root:has([id^="user-defined-plot:"]) { order: 4; }
main .MuiGrid-container > .MuiGrid-root:has([id="user-defined-plot:pareto-front"]) { order: 1; }
main .MuiGrid-container > .MuiGrid-root:has([id="user-defined-plot:parallel"]) { order: 2; }
main .MuiGrid-container > .MuiGrid-root:has([id="user-defined-plot:matrix"]) { order: 3; }
main .MuiGrid-container > .MuiGrid-root:has([id="user-defined-plot:hypervolume"]) { order: 3; }
main .MuiGrid-container > .MuiGrid-root:not(:has([id*="plot"], [id*="graph"])) { order: 3; }
[id^="user-defined-plot:"] .main-svg :not(.hovertext) > text { fill: currentColor !important; }
@media (max-width: 899px) {
  main .MuiGrid-container > .MuiGrid-root { width: 100% !important; max-width: 100%; flex-basis: 100%; }
  main fieldset { flex-wrap: wrap; }
  main .MuiBox-root:has(> .MuiBox-root > ul.MuiList-root) { flex-direction: column; }
  main .MuiBox-root:has(> ul.MuiList-root) { height: auto; max-height: 30vh; }
  main .MuiBox-root:has(> p.MuiTypography-root + .MuiBox-root) { flex-wrap: wrap; }
}
"""
"""Rules for the dashboard's page; they name its parts by the classes and identifiers that Material UI and it give."""

SCRIPT = """\
// Gives our plots the text alternatives that they bring; plotly has no place for one.
new MutationObserver(() => {
  for (const plot of document.querySelectorAll('[id^="user-defined-plot:"]')) {
    const text = plot.layout?.meta?.alternative;
    if (text && plot.getAttribute("aria-label") !== text) {
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", text);
    }
  }
}).observe(document.documentElement, { childList: true, subtree: true });
"""

_STUDY = re.compile(r"/api/studies/(\d+)")
_ASKED_OTHERWISE = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE", "HTTP_ACCEPT_ENCODING")


class Framed:
    """A WSGI application around the dashboard's, which changes its page and its answers about our studies."""

    def __init__(self, app: Any, view: View) -> None:
        self.app = app
        self.view = view

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers a request."""
        path = environ.get("PATH_INFO", "").rstrip("/")
        if environ.get("REQUEST_METHOD") == "GET":
            if path == SCRIPT_PATH:
                script = SCRIPT.encode()
                start_response("200 OK", _headers([("Content-Type", "text/javascript; charset=utf-8")], script))
                return [script]
            if path == "/dashboard" or path.startswith("/dashboard/"):
                return self._changed(environ, start_response, decorated)
            if study := _STUDY.fullmatch(path):
                return self._changed(environ, start_response, lambda body: self.told(int(study[1]), body))
        return self.app(environ, start_response)  # type: ignore[no-any-return]

    def _changed(
        self, environ: dict[str, Any], start_response: Callable[..., Any], change: Callable[[bytes], bytes]
    ) -> Iterable[bytes]:
        """The dashboard's answer, asked for as a whole and changed; what is no success stays as it is."""
        begun: list[Any] = []
        answer = self.app(
            {key: value for key, value in environ.items() if key not in _ASKED_OTHERWISE},
            lambda status, headers, exc_info=None: begun.extend((status, headers)),
        )
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        status, headers = begun[:2]
        if status.startswith("200"):
            body = change(body)
            headers = _headers(headers, body)
        start_response(status, headers)
        return [body]

    def told(self, study_id: int, body: bytes) -> bytes:
        """The answer about a study, with our best trials, and our notes on trials that have none of the user's."""
        shown = self.view.shown.get(study_id)
        if shown is None:
            return body
        answer = json.loads(body)
        for trial in answer["trials"]:
            if trial["note"]["version"] == 0:
                trial["note"]["body"] = shown.notes.get(trial["trial_id"], "")
        answer["best_trials"] = shown.best
        return json.dumps(answer).encode()


def decorated(body: bytes) -> bytes:
    """The dashboard's page with our style sheet and our script."""
    added = f'<style>{STYLE}</style><script defer src="{SCRIPT_PATH}"></script></head>'
    return body.replace(b"</head>", added.encode(), 1)


def _headers(headers: Iterable[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    """Headers of a changed answer: its own length, and no date by which a browser would keep it."""
    dropped = ("content-length", "last-modified", "etag", "cache-control", "accept-ranges")
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    return [*kept, ("Content-Length", str(len(body))), ("Cache-Control", "no-cache")]
