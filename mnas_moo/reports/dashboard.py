"""The Optuna Dashboard on a study's storage, with a note, our plots, and a picture of every network.

None of these is stored: a finished trial cannot be changed in Optuna, a plot of a long study would take hundreds of
rows, and writing would block the workers of a running study. Instead, the dashboard reads the storage through a view
(``_View``) that adds them: plots are made again when trials have finished, pictures when they are requested. What the
user writes in the dashboard (notes, artifacts) is stored as usual.
"""

from __future__ import annotations

import copy
import dataclasses
import errno
import io
import json
import logging
import os
import re
import threading
import time
import webbrowser
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, BinaryIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import require
from mnas_moo.reports.learning import GROUPS, charts_of, learning_of
from mnas_moo.reports.note import explain, progress_line
from mnas_moo.reports.past import History, history
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure, learning_figure
from mnas_moo.reports.searches import search_figures, searches_of
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.storage import open_study
from mnas_moo.running.trials import NETWORK, network_of
from mnas_moo.running.trouble import StorageError, storage_errors
from mnas_moo.spaces.picture import picture
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile

REFRESH_SECONDS = 3.0
"""Pause between two checks for finished trials; at least ten times as long as a check takes."""

_NOTE = "dashboard:note_"  # prefix of the attributes of a study's note; those of a trial's note contain its id

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
        print(f"Dashboard: {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)
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
    view = _View(opened._storage, study_file)
    store = _NetworkStore(opened._storage, study_file.files / "artifacts")
    with _listening(app(_Telling(view), artifact_store=store), host, port) as server:
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


def _keep_fresh(view: _View, stop: threading.Event) -> None:
    pause = 0.0
    while not stop.wait(pause):
        began = time.monotonic()
        try:
            view.refresh()
        except Exception as error:  # the storage may be unreachable for a while; the dashboard stays up
            _logger.warning("the dashboard's plots could not be updated: %s", error)
        pause = max(REFRESH_SECONDS, 10 * (time.monotonic() - began))


def _forwarding(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.call(getattr(self.stored, name), *args, **kwargs)

    return forward


_Storage: Any = type("_Storage", (BaseStorage,), {n: _forwarding(n) for n in BaseStorage.__abstractmethods__})


class _Forwarding(_Storage):  # type: ignore[misc]
    """A storage that forwards every method to ``stored``."""

    def __init__(self, stored: BaseStorage) -> None:
        self.stored = stored

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a method of ``stored`` returns."""
        return method(*args, **kwargs)


class _Telling(_Forwarding):
    """A storage for the dashboard's server: while it cannot be used, the page is told why, in one line."""

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a method of ``stored`` returns.

        Raises:
            bottle.HTTPError: the storage cannot be used.
        """
        try:
            with storage_errors():
                return method(*args, **kwargs)
        except StorageError as error:
            # The dashboard gives this one's text to the page; of all others it logs a traceback for each request.
            raise require("bottle", extra="dashboard").HTTPError(503, str(error)) from error


class _Pinboard(_Forwarding):
    """Keeps attributes that are written to a study (as which the dashboard saves notes and plots) in ``pinned``."""

    def __init__(self, stored: BaseStorage) -> None:
        super().__init__(stored)
        self.pinned: dict[str, Any] = {}

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.pinned[key] = value

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return dict(self.pinned)


@dataclasses.dataclass(frozen=True)
class _Shown:
    """What a study's note and plots were made of: finished trials, what is said of those under way, and the plots."""

    finished: int
    under_way: list[str]
    past: History
    plots: dict[str, Any]


class _View(_Forwarding):
    """A storage with notes and plots added to our studies, and artifacts added to their trials."""

    def __init__(self, stored: BaseStorage, study_file: StudyFile) -> None:
        super().__init__(stored)
        self.study_file = study_file
        self.pinned: dict[int, dict[str, Any]] = {}
        self.shown: dict[int, _Shown] = {}

    def refresh(self, only: int | None = None) -> None:
        """Makes notes and plots again for studies with newly finished trials, and notes of those whose trials go on.

        Args:
            only: id of the one study to update; None: all studies.
        """
        for study in self.stored.get_all_studies():
            if IDENTITY not in study.system_attrs or only not in (None, study._study_id):
                continue
            trials = self.stored.get_all_trials(study._study_id, deepcopy=False)
            finished = sum(trial.state == TrialState.COMPLETE for trial in trials)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            under_way = [progress_line(trial) for trial in running]
            shown = self.shown.get(study._study_id)
            if shown is None or shown.finished != finished:
                names = optuna.load_study(study_name=study.study_name, storage=self.stored).metric_names
                past = history(trials, study.directions, names)
                plots = self.plots(study, trials, names, past)
            elif shown.under_way != under_way:
                past, plots = shown.past, shown.plots
            else:
                continue
            self.pinned[study._study_id] = {**plots, **self.note(study, past, running)}
            self.shown[study._study_id] = _Shown(finished, under_way, past, plots)

    def note(self, study: FrozenStudy, past: History, running: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The attributes in which the dashboard finds a study's note."""
        sampler = self.study_file.sampler.chosen[0] if study.study_name == self.study_file.name else None
        pinboard = _Pinboard(self.stored)
        text = explain(study.study_name, study.system_attrs[IDENTITY], past, sampler, running)
        board = require("optuna_dashboard", extra="dashboard")
        board.save_note(optuna.load_study(study_name=study.study_name, storage=pinboard), text)
        return pinboard.pinned

    def plots(
        self, study: FrozenStudy, trials: list[FrozenTrial], names: Sequence[str] | None, past: History
    ) -> dict[str, Any]:
        """The attributes in which the dashboard finds a study's plots."""
        board = require("optuna_dashboard", extra="dashboard")
        pinboard = _Pinboard(self.stored)
        pinning = optuna.load_study(study_name=study.study_name, storage=pinboard)
        if past.numbers:
            board.save_plotly_graph_object(pinning, front_figure(past), graph_object_id="pareto-front")
            if len(past.names) > 1:
                volume = hypervolume_figure(past)
                board.save_plotly_graph_object(pinning, volume, graph_object_id="hypervolume")
            try:
                charts = charts_of(learning_of(trials, study.directions, names))
            except ValueError as error:
                _logger.warning("study %r has no plots of its learning: %s", study.study_name, error)
                charts = []
            if isinstance(self.study_file, NetworkStudy) and study.study_name == self.study_file.name:
                for name, figure in search_figures(searches_of(self.study_file, trials, past.names)).items():
                    board.save_plotly_graph_object(pinning, figure, graph_object_id=name)
            for group, title in GROUPS.items():  # the dashboard's frames are too small for all in one
                drawn = [chart for chart in charts if chart.group == group]
                if drawn:
                    figure = learning_figure(drawn, title)
                    board.save_plotly_graph_object(pinning, figure, graph_object_id=f"learning-{group}")
        return pinboard.pinned

    def attributes(self, study_id: int, stored: Mapping[str, Any]) -> dict[str, Any]:
        """A study's stored attributes and ours; a note that the user wrote replaces ours."""
        ours = self.pinned.get(study_id, {})
        if any(key.startswith(_NOTE) for key in stored):
            ours = {key: value for key, value in ours.items() if not key.startswith(_NOTE)}
        return {**stored, **ours}

    def get_all_studies(self) -> list[FrozenStudy]:
        shown = []
        for study in self.stored.get_all_studies():
            shown.append(copy.copy(study))
            shown[-1].system_attrs = self.attributes(study._study_id, study.system_attrs)
        return shown

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.attributes(study_id, self.stored.get_study_system_attrs(study_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [_with_artifacts(trial) for trial in self.stored.get_all_trials(study_id, deepcopy, states)]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return _with_artifacts(self.stored.get_trial(trial_id))


_ARTIFACTS = (("network.svg", "image/svg+xml"), ("network.txt", "text/plain"))
_OURS = re.compile(r"0-([0-9a-f]+)-([01])")  # hexadecimal, as the dashboard requires, and different from a UUID


def _with_artifacts(trial: FrozenTrial) -> FrozenTrial:
    """The trial with the picture and text of its network as artifacts; without a network, unchanged.

    A network that is too long to be one is left out: the page gets all attributes of all trials.
    """
    if NETWORK not in trial.user_attrs:
        return trial
    shown = copy.copy(trial)
    if not network_of(trial):
        shown.user_attrs = {**trial.user_attrs, NETWORK: "left out: it is too long, or no text"}
        return shown
    shown.system_attrs = dict(trial.system_attrs)
    for i, (filename, mimetype) in enumerate(_ARTIFACTS):
        identifier = f"0-{trial._trial_id:x}-{i}"
        meta = ArtifactMeta(artifact_id=identifier, filename=filename, mimetype=mimetype, encoding=None)
        shown.system_attrs[ARTIFACTS_ATTR_PREFIX + identifier] = json.dumps(dataclasses.asdict(meta))
    return shown


class _NetworkStore:
    """An artifact store that makes the artifacts of networks on request, and keeps the user's as files."""

    def __init__(self, stored: BaseStorage, folder: Path) -> None:
        self.stored = stored
        self.folder = folder
        self.files = FileSystemArtifactStore(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        ours = _OURS.fullmatch(artifact_id)
        if ours is None:
            return self.files.open_reader(artifact_id)
        try:
            text = str(self.stored.get_trial(int(ours[1], 16)).user_attrs[NETWORK])
            content = picture(from_text(text)) if ours[2] == "0" else text + "\n"
        except (KeyError, ValueError) as error:
            raise ArtifactNotFound(f"{artifact_id}: {error}") from error
        return io.BytesIO(content.encode())

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        if not _OURS.fullmatch(artifact_id):  # ours exist as long as their trial
            self.files.remove(artifact_id)
