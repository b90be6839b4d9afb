"""InstaNAS' search in a study: it is made when the first trial begins, and every trial is one of its points."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.instanas.sampler import InstaNASSampler, point_of, points_of
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.running import latency_sources
from mnas_moo.running.interrupts import Interrupts
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.shared_weights import one_at_a_time
from mnas_moo.running.trials import NETWORK, Observer
from mnas_moo.spaces.instanas import MOBILENET, NAMES, InstaNASSpace
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.duration import in_words
from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.sampling import InstaNAS

if TYPE_CHECKING:
    import optuna

    from mnas_moo.instanas.course import Epoch, Result
    from mnas_moo.instanas.table import ModuleTable
    from mnas_moo.running.trials import Subject
    from mnas_moo.study_file.study import StudyFile

WHERE = ("sampler", "instanas")
VISITS = 5
"""Visits to each module for a table that is built for a search."""
TOLD = 40
"""So often a phase tells where it stands."""


class PerImageTrials(NetworkTrials):
    """A study's trials where they are points of a search; one that is none of them is a network like any other."""

    def measure(
        self, study: optuna.Study, trial: optuna.Trial, observer: Observer, interrupts: Interrupts
    ) -> Mapping[str, Mapping[str, Any]]:
        """The figures of the trial's point."""
        from mnas_moo.spaces.text import to_text

        params = {name: trial._suggest(name, dist) for name, dist in self.space.distributions.items()}
        found = point_of(study, study._storage.get_trial(trial._trial_id).user_attrs)
        if found is None:
            return super().measure(study, trial, observer, interrupts)
        _, point = found
        network = to_text(self.space.spec(params).canonical())
        observer.trial_started(trial.number, network)
        trial.set_user_attr(NETWORK, network)
        named = {name: point[name] for name in ("shuffled_accuracy", "paths", "on", "file")}
        figures = {"accuracy": {"value": point["accuracy"], **named}, "latency_ms": {"value": point["latency_ms"]}}
        return {name: figures[name] for name in self.objectives}


def instanas_sampler(study_file: StudyFile, subject: Subject, seed: int | None) -> InstaNASSampler:
    """The sampler that searches as InstaNAS does, with the settings of the study file where it has some.

    Raises:
        StudyError: the study is of a table, of another space, has other objectives, or a setting is wrong.
    """
    if not isinstance(study_file, NetworkStudy) or not isinstance(subject, NetworkTrials):
        raise study_file.error(WHERE, "trains a meta-graph, and this is a study of a table; it needs one of networks")
    if not isinstance(subject.space, InstaNASSpace):
        raise study_file.error(WHERE, f"searches the space instanas; this study's is {subject.space.name}")
    if set(study_file.measured_names) != {"accuracy", "latency_ms"}:
        measured = ", ".join(study_file.measured_names)
        raise study_file.error(WHERE, f"has points of accuracy and latency_ms; this study measures {measured}")
    table = (study_file.sampler.instanas or InstaNAS()).table
    search = functools.partial(_search, study_file, subject, settings_of(study_file), table, seed or 0)
    return InstaNASSampler(search, subject.distributions)


def settings_of(study_file: NetworkStudy) -> InstaNASSettings:
    """The settings of the study's search."""
    chosen = study_file.sampler.instanas or InstaNAS()
    return InstaNASSettings(**{each.name: getattr(chosen, each.name) for each in fields(InstaNASSettings)})


def promise_of_search(study: optuna.Study, study_file: NetworkStudy) -> tuple[str, ...]:
    """What is said of the search before the first trial, which makes it; nothing, where it is made already."""
    if points_of(study) is not None:
        return ()
    settings = settings_of(study_file)
    epochs = (
        f"epochs: {settings.pretrain_epochs} of the meta-graph, {settings.search_epochs} with the controller, "
        f"{settings.finetune_epochs} more for each point"
    )
    spent = "" if settings.minutes is None else f"about {in_words(60 * settings.minutes)}, "
    return (f"InstaNAS' search comes before the first trial: {spent}{epochs}; trials are its points, and take no time",)


def search_file(study_file: NetworkStudy) -> Path:
    """Where a search keeps what it needs to go on; its epochs and points stand beside it (``.json``)."""
    return study_file.files / f"instanas-{folder_name(study_file.name)}.pt"


def _search(
    study_file: NetworkStudy, subject: NetworkTrials, settings: InstaNASSettings, table: str | None, seed: int
) -> Result:
    from mnas_moo.instanas.search import search

    assert isinstance(subject.space, InstaNASSpace)
    file = search_file(study_file)
    with one_at_a_time(file):
        try:
            modules = _table(study_file, subject, subject.space, settings, table)
            subject.observer.preparing("InstaNAS' search: training the meta-graph, the controller and the points")
            objective: Any = subject.objectives["accuracy"]
            tell = functools.partial(_tell, subject.observer)
            return search(subject.space, objective.data, modules, settings, file, seed, tell)
        except StudyError:
            raise
        except ValueError as error:
            raise study_file.error(WHERE, f": {str(error).removeprefix('instanas: ')}") from error


def _table(
    study_file: NetworkStudy,
    subject: NetworkTrials,
    space: InstaNASSpace,
    settings: InstaNASSettings,
    named: str | None,
) -> ModuleTable:
    """Latencies of the modules: from a table that is named, that of the study, or one that is built now.

    The controller is timed by the device that the table is built with. A table has no time for it, so it is taken to be
    as fast, multiply-add by multiply-add, as the MobileNetV2-like path.
    """
    import dataclasses

    from mnas_moo.instanas.controller import controller_graph
    from mnas_moo.instanas.table import module_table
    from mnas_moo.objectives.lookup.build import build
    from mnas_moo.objectives.lookup.lookup_table import LookupTable

    shape = space.settings.channels, space.settings.resolution, space.settings.resolution
    size = settings.controller_width, settings.controller_shrink
    graph = controller_graph(shape, (space.cells, len(NAMES)), *size)
    source = study_file.latency_of("latency_ms")
    file = named or (source.lut.file if source.lut is not None else None)
    if file is not None:
        found = module_table(space, LookupTable.load(file), file, 0.0)
        usual_ms = found.rest_ms + found.mobilenet_ms
        share = graph.multiply_adds / space.only(MOBILENET).multiply_adds
        return dataclasses.replace(found, controller_ms=share * usual_ms)
    built = study_file.files / f"instanas-{folder_name(study_file.name)}-table.json"
    subject.observer.preparing("timing the modules of every cell and the controller, for InstaNAS' lookup table")
    device = latency_sources.in_visits(source.device)
    with closing(latency_sources.make(device, subject.observer.waiting)) as latency:
        build(subject.space, latency, built, visits=VISITS)
        controller_ms = min(latency.measure(graph, visit).value for visit in range(VISITS))
    return module_table(space, LookupTable.load(built), str(built), controller_ms)


def _tell(observer: Observer, epoch: Epoch, settings: InstaNASSettings) -> None:
    epochs = {"pretrain": settings.pretrain_epochs, "search": settings.search_epochs}
    of = epochs.get(epoch.phase, settings.finetune_epochs)
    if (epoch.epoch + 1) * TOLD // of == epoch.epoch * TOLD // of:
        return
    line = (
        f"InstaNAS, {epoch.phase}: epoch {epoch.epoch + 1} of {of} after {epoch.seconds:.0f} s, loss {epoch.loss:.3f}"
    )
    if epoch.reward is not None and epoch.band_ms is not None:
        line += (
            f", reward {epoch.reward:.2f}, advantage {epoch.advantage:+.2f}, entropy {epoch.entropy:.1f}, drawn paths "
            f"{epoch.drawn_ms:.3g} ms in a band from {epoch.band_ms[0]:.3g} to {epoch.band_ms[1]:.3g} ms"
        )
    if epoch.accuracy is not None:
        line += (
            f"; accuracy {epoch.accuracy:.1%} (shuffled {epoch.shuffled_accuracy:.1%}), {epoch.latency_ms:.3g} ms, "
            f"{epoch.on:.0%} of the modules on, {epoch.paths} paths"
        )
    observer.preparing(line)
