"""What the sampler keeps of one study: its rounds, who tries which network, and how well mutants were predicted.

All of it is read from the trials. A trial's note holds its claim, the name of the network that it is about to try,
which is written before all claims are read, as ``MnasSampler`` does it: of two workers that chose the same at once at
least one chooses again. It also holds the round and what was predicted; once a round is over, the note of the next
trial holds Kendall's tau between what was predicted of its networks and what came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from mnas_moo.dppnet import rounds
from mnas_moo.dppnet.rounds import Candidate, Computed, Past, Problem, Round
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import ATTRIBUTE, History, ordinal_of
from mnas_moo.genomes.notes import FORMAT, rounded, study_seed
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.spaces.growth import Growth
from mnas_moo.surrogate.view import Canonical, Features

GrowthOf = Callable[[Mapping[str, BaseDistribution]], Growth]
"""Makes an order of growth of the parameters of the first completed trial."""
PREDICTOR = "predictor"
"""Key of a note: how well the last round was predicted."""


class ProgressiveState:
    """The sampler's state of one study.

    Args:
        study: study that is sampled.
        seed: seed of the search; None: the one that is stored with the study, or is drawn for it.
        growth: order of growth, or what makes it once the parameters are known.
        settings: settings of the search.
        canonical: see ``MnasSampler``.
        features: see ``MnasSampler``.
        computed: see ``rounds.Computed``.

    Attributes:
        history: the study's trials.
        past: finished trials, in the order in which they finished.
        round: the newest round that was made; None before the first.
    """

    def __init__(
        self,
        study: Study,
        seed: int | None,
        growth: Growth | GrowthOf,
        settings: ProgressiveSettings,
        canonical: Canonical | None,
        features: Features | None,
        computed: Computed | None,
    ) -> None:
        self.seed = study_seed(study) if seed is None else seed
        self.history = History()
        self.past: list[Past] = []
        self.round: Round | None = None
        self._growth = growth
        self._parts = settings, canonical, features, computed
        self._signs = tuple(1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in study.directions)
        self._problem: Problem | None = None
        self._unread: list[tuple[int, FrozenTrial]] = []  # finished before the parameters were known
        self._tried: set[str] = set()
        self._claims: dict[int, str] = {}
        self._number, self._start = 0, 0  # of the round that is due, and how many trials had finished before it
        self._size: int | None = None
        self._told = -1  # the last round whose quality a note holds
        self._lock, self._making = threading.RLock(), threading.Lock()

    def space(self, study: Study) -> dict[str, BaseDistribution]:
        """All parameters that networks may have; empty as long as they are not known."""
        with self._lock:
            self._read(study)
            if self._problem is None or (not isinstance(self._growth, Growth) and not self.history.static):
                return {}
            return dict(self._problem.growth.distributions)

    def place_of(self, name: str) -> None:
        """Refuses a parameter that the order of growth does not know.

        Raises:
            ValueError: it does not.
        """
        if isinstance(self._growth, Growth) and name not in self._growth.distributions:
            known = ", ".join(self._growth.distributions)
            raise ValueError(f"parameter {name!r} has no place in the order of growth, which decides {known}")

    def propose(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """The parameters of a network that no trial has tried or claims, while there is one."""
        if self._problem is None and not self.space(study):
            return {}
        now = self._round_now()
        with self._lock:
            params: dict[str, Any] = {}
            for candidate in self._candidates(now, trial):
                params = candidate.params
                if candidate.source != "again" and self._is_taken(candidate.name, trial.number):
                    continue
                self._note(study, trial, candidate, now)
                self._read(study)
                if not self._is_taken(candidate.name, trial.number):
                    break
            return params

    def _candidates(self, now: Round, trial: FrozenTrial) -> Iterator[Candidate]:
        yield from now.candidates
        assert self._problem is not None
        taken = self._tried | {claim for other, claim in self._claims.items() if other != trial.number}
        yield from rounds.overflow(self._problem, now.steps, ordinal_of(trial), taken)

    def _round_now(self) -> Round:
        """The round that is due; while another thread makes it, the last one, which has networks to spare."""
        if self._making.acquire(blocking=self.round is None):
            try:
                with self._lock:
                    self._advance()
                    number, past = self._number, self.past[: self._start]
                assert self._problem is not None
                if self.round is None or self.round.number < number:
                    self.round = rounds.make(self._problem, number, past)
            finally:
                self._making.release()
        assert self.round is not None
        return self.round

    def _advance(self) -> None:
        """Finds the round that is due."""
        assert self._problem is not None
        while True:
            if self._size is None:
                self._size = rounds.size(self._problem, self._number, self.past[: self._start])
            end, missing = self._start, self._size
            while missing and end < len(self.past):
                missing -= self.past[end].is_result
                end += 1
            if missing:
                return
            self._number, self._start, self._size = self._number + 1, end, None

    def _read(self, study: Study) -> None:
        """Reads the trials that are new."""
        before = len(self.history.finished)
        done = self.history.read(study._storage.get_all_trials(study._study_id, deepcopy=False))
        self._unread += enumerate(done, start=before)
        if self._problem is None:
            growth = self._growth
            if not isinstance(growth, Growth):
                if not self.history.space:
                    return
                growth = growth(self.history.space)
            settings, canonical, features, computed = self._parts
            self._problem = Problem(growth, self._signs, self.seed, settings, canonical, features, computed)
        for position, trial in self._unread:
            name, steps = self._network(trial.params)
            self.past.append(Past(self.history.finished[position], trial.params, name, steps))
            if name is not None:
                self._tried.add(name)
        self._unread = []
        names = {number: self._name_of(trial) for number, trial in self.history.running.items()}
        self._claims = {number: name for number, name in names.items() if name is not None}
        for trial in (*done, *self.history.running.values()):
            told = trial.system_attrs.get(ATTRIBUTE, {}).get(PREDICTOR)
            self._told = max(self._told, told["round"] if told else -1)

    def _network(self, params: Mapping[str, Any]) -> tuple[str | None, int]:
        """Name and steps of a network; None and 0 of parameters that are none."""
        assert self._problem is not None
        growth = self._problem.growth
        if not growth.is_whole(params):
            return None, 0
        return self._problem.name(params), growth.grown(params)

    def _name_of(self, trial: FrozenTrial) -> str | None:
        """Name of the network that a running trial claims, has or will have; None while that is unknown."""
        fixed = trial.system_attrs.get("fixed_params", {})  # of an enqueued trial, which may fix only some
        claim = trial.system_attrs.get(ATTRIBUTE, {}).get("claim")
        return str(claim) if claim and not fixed else self._network({**fixed, **trial.params})[0]

    def _is_taken(self, name: str, number: int) -> bool:
        return name in self._tried or any(claim == name for other, claim in self._claims.items() if other != number)

    def _note(self, study: Study, trial: FrozenTrial, candidate: Candidate, now: Round) -> None:
        note: dict[str, Any] = {
            "format": FORMAT,
            "claim": candidate.name,
            "source": candidate.source,
            "round": now.number,
            "steps": now.steps,
        }
        if candidate.predicted is not None:
            note["predicted"] = rounded(candidate.predicted)
        told = self._told_of(now)
        if told:
            note[PREDICTOR] = told
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)

    def _told_of(self, now: Round) -> dict[str, Any] | None:
        """How well the networks of the last round were predicted, unless a note holds it."""
        last = now.number - 1
        if last <= self._told:
            return None
        own = [each for each in self.past[: self._start] if each.is_result and each.record.note.get("round") == last]
        own = [each for each in own if each.record.note.get("predicted") is not None]
        if not own:
            return None
        predicted = np.array([each.record.note["predicted"] for each in own], dtype=float)  # (N, M), NaN: computed
        came = np.array([each.record.values for each in own])  # (N, M)
        taus = [kendall_tau(p, c) if np.isfinite(p).all() else np.nan for p, c in zip(predicted.T, came.T, strict=True)]
        steps = own[-1].record.note["steps"]
        return {"round": last, "steps": steps, "networks": len(own), "tau": rounded([float(tau) for tau in taus])}
