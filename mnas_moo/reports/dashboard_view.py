"""A study's storage as the dashboard sees it: with a note, our plots, and a picture of every network.

Nothing of them is written: a finished trial cannot be changed in Optuna, a plot of a long study would take hundreds of
rows, and writing would block the workers of a running study. ``View`` adds them when the dashboard reads. What the user
writes in the dashboard (notes, artifacts) is stored as usual, and a note of the user's replaces ours.
"""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import re
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import require
from mnas_moo.reports.choices import choices_of
from mnas_moo.reports.learning import GROUPS, charts_of, learning_of
from mnas_moo.reports.members import members_of
from mnas_moo.reports.members_plotly import matrix_figure, parallel_figure
from mnas_moo.reports.note import explain, progress_line
from mnas_moo.reports.past import History, history
from mnas_moo.reports.picks import with_panacea
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure, learning_figure, with_link
from mnas_moo.reports.searches import search_figures, searches_of
from mnas_moo.reports.text import front_trials
from mnas_moo.reports.trial_note import artifact_of, best_trials, explain_trials
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.trials import NETWORK, network_of
from mnas_moo.running.trouble import StorageError, storage_errors
from mnas_moo.spaces.picture import picture
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile

_NOTE = "dashboard:note_"  # prefix of the attributes of a study's note; those of a trial's note contain its id

MOST_PAIRED = 3
"""Of more objectives the plot of all trials pair by pair is too crowded for the dashboard's frame."""

_logger = logging.getLogger(__name__)


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


class Telling(_Forwarding):
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
    """What is shown of a study, and what it was made of.

    Attributes:
        ended: number of trials that have ended, in whatever way.
        under_way: what is said of those under way.
        past: the finished ones.
        plots: attributes in which the dashboard finds the plots.
        best: the front, as the dashboard's page is told of its best trials.
        notes: a trial's note by its id.
    """

    ended: int
    under_way: list[str]
    past: History
    plots: dict[str, Any]
    best: list[dict[str, Any]]
    notes: dict[int, str]


class View(_Forwarding):
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
            ended = sum(trial.state.is_finished() for trial in trials)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            under_way = [progress_line(trial) for trial in running]
            shown = self.shown.get(study._study_id)
            if shown is None or shown.ended != ended:
                names = optuna.load_study(study_name=study.study_name, storage=self.stored).metric_names
                past = history(trials, study.directions, names)
                plots = self.plots(study, trials, names, past)
                best = best_trials(study._study_id, trials, past)
            elif shown.under_way != under_way:
                past, plots, best = shown.past, shown.plots, shown.best
            else:
                continue
            notes = explain_trials(study._study_id, study.system_attrs[IDENTITY], trials, past)
            self.pinned[study._study_id] = {**plots, **self.note(study, past, running)}
            self.shown[study._study_id] = _Shown(ended, under_way, past, plots, best, notes)

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
            figures = self.at_once(trials, past)
            if not figures or len(past.names) <= MOST_PAIRED:
                figures = {"pareto-front": front_figure(past), **figures}
            link = f"/dashboard/studies/{study._study_id}/note", "What is this study?"
            for i, (figure_id, figure) in enumerate(figures.items()):
                drawn = figure if i else with_link(figure, *link)
                board.save_plotly_graph_object(pinning, drawn, graph_object_id=figure_id)
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

    def at_once(self, trials: Sequence[FrozenTrial], past: History) -> dict[str, Any]:
        """Plots of the front in all objectives at once, by their ids; none where its own plot shows them all."""
        directions = [StudyDirection[each.upper()] for each in past.directions]
        completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        front = front_trials(directions, completed)
        choices = choices_of(front, past.names, directions, None)
        members = members_of(past, front, with_panacea(choices, front, past.names, directions))
        return {} if members is None else {"parallel": parallel_figure(members), "matrix": matrix_figure(members)}

    def attributes(self, study_id: int, stored: Mapping[str, Any]) -> dict[str, Any]:
        """A study's stored attributes and ours; a note that the user wrote replaces ours."""
        ours = self.pinned.get(study_id, {})
        if any(key.startswith(_NOTE) for key in stored):
            ours = {key: value for key, value in ours.items() if not key.startswith(_NOTE)}
        return {**stored, **ours}

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies, with our attributes."""
        shown = []
        for study in self.stored.get_all_studies():
            shown.append(copy.copy(study))
            shown[-1].system_attrs = self.attributes(study._study_id, study.system_attrs)
        return shown

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """A study's attributes, with ours."""
        return self.attributes(study_id, self.stored.get_study_system_attrs(study_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials, with our artifacts."""
        return [_with_artifacts(trial) for trial in self.stored.get_all_trials(study_id, deepcopy, states)]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial, with our artifacts."""
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
        identifier = artifact_of(trial, i)
        meta = ArtifactMeta(artifact_id=identifier, filename=filename, mimetype=mimetype, encoding=None)
        shown.system_attrs[ARTIFACTS_ATTR_PREFIX + identifier] = json.dumps(dataclasses.asdict(meta))
    return shown


class NetworkStore:
    """An artifact store that makes the artifacts of networks on request, and keeps the user's as files."""

    def __init__(self, stored: BaseStorage, folder: Path) -> None:
        self.stored = stored
        self.folder = folder
        self.files = FileSystemArtifactStore(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """An artifact, made now or the user's.

        Raises:
            ArtifactNotFound: there is none.
        """
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
        """Keeps an artifact of the user's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Removes an artifact of the user's."""
        if not _OURS.fullmatch(artifact_id):  # ours exist as long as their trial
            self.files.remove(artifact_id)
