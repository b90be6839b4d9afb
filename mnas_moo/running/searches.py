"""Searches of their own in a study: FBNet's, which is made when the first trial begins, and draws the trials."""

from __future__ import annotations

import functools
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.fbnet.sampler import FBNetSampler
from mnas_moo.fbnet.settings import FBNetSettings
from mnas_moo.running import latency_sources
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.shared_weights import one_at_a_time
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.sampling import FBNet

if TYPE_CHECKING:
    import optuna

    from mnas_moo.fbnet.search import Epoch, Result
    from mnas_moo.fbnet.table import CandidateTable
    from mnas_moo.objectives.training.data import ImageData
    from mnas_moo.running.trials import Subject
    from mnas_moo.study_file.study import StudyFile
    from mnas_moo.supernet.training import Judge

SPACE = "fbnet"
VISITS = 5
"""Visits to each layer for a table that is built for a search: it only has to weigh candidates against each other."""
TOLD = 20
"""So often a search tells where it stands."""


def fbnet_sampler(study_file: StudyFile, subject: Subject, seed: int | None) -> FBNetSampler:
    """The sampler that searches as FBNet does, with the settings of the study file where it has some.

    Raises:
        StudyError: the study is of a table, of another space, without accuracy or latency, or a setting is wrong.
    """
    where = ("sampler", "fbnet")
    if not isinstance(study_file, NetworkStudy) or not isinstance(subject, NetworkTrials):
        raise study_file.error(where, "trains a supernet, and this is a study of a table; it needs one of networks")
    if subject.space.name != SPACE:
        raise study_file.error(where, f"searches the space {SPACE}; this study's is {subject.space.name}")
    for name in ("accuracy", "latency_ms"):
        if name not in study_file.objective_names:
            raise study_file.error(where, f"weighs accuracy against latency, and {name} is no objective")
    chosen = study_file.sampler.fbnet or FBNet()
    try:
        settings = FBNetSettings(**{each.name: getattr(chosen, each.name) for each in fields(FBNetSettings)})
    except ValueError as error:
        raise study_file.error(where, f": {str(error).removeprefix('fbnet: ')}") from error
    return FBNetSampler(
        functools.partial(_search, study_file, subject, settings, chosen.table, seed or 0),
        subject.distributions,
        subject.canonical,
        _Judging(study_file, subject),
        seed or 0,
    )


def search_file(study_file: NetworkStudy) -> Path:
    """Where a search keeps what it needs to go on; its epochs stand beside it (``.json``)."""
    return study_file.files / f"fbnet-{folder_name(study_file.name)}.pt"


def _search(
    study_file: NetworkStudy,
    subject: NetworkTrials,
    settings: FBNetSettings,
    table: str | None,
    seed: int,
    study: optuna.Study,
) -> Result:
    from mnas_moo.fbnet.search import search

    def tell(epoch: Epoch, epochs: int) -> None:
        if (epoch.epoch + 1) * TOLD // epochs > epoch.epoch * TOLD // epochs:
            subject.observer.preparing(_line(epoch, epochs))

    file = search_file(study_file)
    with one_at_a_time(file):
        try:
            candidates = _table(study_file, subject, table)
            subject.observer.preparing("FBNet's search: training the supernet and the distributions of networks")
            return search(subject.space, _images(subject), candidates, settings, file, seed, tell)
        except StudyError:
            raise
        except ValueError as error:
            raise study_file.error(("sampler", "fbnet"), f": {str(error).removeprefix('fbnet: ')}") from error


def _images(subject: NetworkTrials) -> ImageData:
    objective: Any = subject.objectives["accuracy"]
    data: ImageData = objective.data
    return data


def _table(study_file: NetworkStudy, subject: NetworkTrials, named: str | None) -> CandidateTable:
    """The latencies of the candidates: from a table that is named, that of the study, or one that is built now."""
    from mnas_moo.fbnet.table import candidate_table
    from mnas_moo.objectives.lookup.build import build
    from mnas_moo.objectives.lookup.lookup_table import LookupTable

    settings = study_file.latency_of("latency_ms")
    file = named or (settings.lut.file if settings.lut is not None else None)
    if file is None:
        built = study_file.files / f"fbnet-{folder_name(study_file.name)}-table.json"
        subject.observer.preparing("timing the candidates of every layer, for FBNet's lookup table")
        source = latency_sources.in_visits(settings.device)
        with closing(latency_sources.make(source, subject.observer.waiting)) as latency:
            build(subject.space, latency, built, visits=VISITS)
        file = str(built)
    return candidate_table(subject.space, LookupTable.load(file), file)


class _Judging:
    """Judges networks by the weights of the search's supernet, which is read when it is first asked."""

    def __init__(self, study_file: NetworkStudy, subject: NetworkTrials) -> None:
        self._study_file, self._subject = study_file, subject
        self._judge: Judge | None = None

    def __call__(self, params: dict[str, Any]) -> float | None:
        """The accuracy of a network; None where the file of the supernet is gone."""
        from mnas_moo.objectives.threads import cpu_threads

        try:
            self._judge = self._judge or self._read()
        except OSError:
            return None
        with cpu_threads(1):
            return self._judge.accuracy(params)

    def _read(self) -> Judge:
        import torch

        from mnas_moo.supernet.module import Supernet
        from mnas_moo.supernet.training import Judge

        state = torch.load(search_file(self._study_file), map_location="cpu", weights_only=True)["supernet"]
        supernet = Supernet(self._subject.space, torch.Generator())
        supernet.load_state_dict(state)
        return Judge(supernet, _images(self._subject))


def _line(epoch: Epoch, epochs: int) -> str:
    latencies = ", ".join(f"{ms:.3g} ms" for ms in epoch.latency_ms)
    theta = "" if epoch.theta_loss is None else f", of the distributions {epoch.theta_loss:.3f}"
    return (
        f"FBNet: epoch {epoch.epoch + 1} of {epochs} after {epoch.seconds:.0f} s, temperature {epoch.temperature:.2f}, "
        f"loss of the weights {epoch.loss:.3f}{theta}; expected latency {latencies}"
    )
