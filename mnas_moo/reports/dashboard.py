"""The Optuna Dashboard on a study's storage, explained: with notes, our plots, and a picture of every network.

The dashboard reads the storage through a view (``dashboard_view``), its pages through a frame (``dashboard_page``):
nothing of ours is stored. Plots and notes are made again when trials have ended, pictures when they are requested.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mnas_moo.objectives.extras import require
from mnas_moo.reports.dashboard_page import Framed
from mnas_moo.reports.dashboard_view import NetworkStore, Telling, View
from mnas_moo.running.storage import open_study
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

REFRESH_SECONDS = 3.0
"""Pause between two checks for finished trials; at least ten times as long as a check takes."""

_logger = logging.getLogger(__name__)


def serve(
    study: StudyFile | str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    open_browser: bool = False,
) -> None:
    """Serves the dashboard until Ctrl-C.

    Args:
        study: a study file, its path, or the name of a bundled one; the dashboard shows all studies of its storage.
        host: address to listen on; "0.0.0.0" also accepts other machines.
        port: port to listen on; 0: any free one.
        open_browser: whether to open the study in the browser.

    Raises:
        ValueError: the port is in use or the address is not this machine's; a StudyError if the study file, its
            storage or the study does not exist.
        MissingExtraError: optuna-dashboard or plotly is not installed.
    """
    with dashboard(study, host=host, port=port) as address:
        note = f"{address}/note"  # it explains the study, and leads to the rest
        print(f"Dashboard: {note} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(note)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


@contextmanager
def dashboard(study: StudyFile | str | os.PathLike[str], *, host: str = "127.0.0.1", port: int = 8080) -> Iterator[str]:
    """Serves the dashboard while the block runs; arguments and errors are those of ``serve``.

    >>> with dashboard("digits", port=0) as address:  # doctest: +SKIP
    ...     print(address)
    http://127.0.0.1:41913/dashboard/studies/1

    Returns:
        A context manager that gives the address of the study's page.
    """
    app = require("optuna_dashboard", extra="dashboard").wsgi
    study_file = study if isinstance(study, StudyFile) else load_study_file(study)
    opened = open_study(study_file)
    view = View(opened._storage, study_file)
    store = NetworkStore(opened._storage, study_file.files / "artifacts")
    with _listening(Framed(app(Telling(view), artifact_store=store), view), host, port) as server:
        view.refresh(only=opened._study_id)  # the requested study is complete from the start, the others follow
        stop = threading.Event()
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True),
            threading.Thread(target=_keep_fresh, args=(view, stop), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            shown = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104
            yield f"http://{shown}:{server.server_port}/dashboard/studies/{opened._study_id}"
        finally:
            stop.set()
            server.shutdown()
            for thread in threads:
                thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    """Answers every request in a thread of its own, so that pictures are drawn side by side."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Handles requests without a line in the log for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def _listening(app: Any, host: str, port: int) -> WSGIServer:
    try:
        return make_server(host, port, app, server_class=_Server, handler_class=_QuietHandler)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ValueError(f"port {port} of {host} is in use; choose another one, or 0 for any free one") from error
        raise ValueError(f"cannot listen on {host}, port {port}: {error}") from error


def _keep_fresh(view: View, stop: threading.Event) -> None:
    pause = 0.0
    while not stop.wait(pause):
        began = time.monotonic()
        try:
            view.refresh()
        except Exception as error:  # the storage may be unreachable for a while; the dashboard stays up
            _logger.warning("the dashboard's plots could not be updated: %s", error)
        pause = max(REFRESH_SECONDS, 10 * (time.monotonic() - began))
