"""What a study has measured already: a network is measured once, whoever proposes it, and in whatever process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from mnas_moo.running.trials import MEASUREMENTS, network_of
from mnas_moo.running.workers import TRIES, WORKER

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class Results:
    """The trials that say all of a network: it was measured, or killed its workers until it was given up.

    Those that are new are added when one is asked for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trials: dict[str, FrozenTrial] = {}
        self._read = 0
        self._under_way: list[int] = []

    def of(self, study: optuna.Study, network: str) -> FrozenTrial | None:
        """The first such trial of a network, by number and by any process; None where there is none.

        Args:
            study: the study, the same in every call.
            network: the network in block-string notation.
        """
        with self._lock:
            trials = study.get_trials(deepcopy=False)
            new = [*self._under_way, *range(self._read, len(trials))]
            self._read = len(trials)
            self._under_way = [number for number in new if not trials[number].state.is_finished()]
            for number in new:
                trial = trials[number]
                its_network = network_of(trial)
                if its_network and (
                    (trial.state == TrialState.COMPLETE and MEASUREMENTS in trial.user_attrs)
                    or (trial.state == TrialState.FAIL and trial.system_attrs.get(WORKER, {}).get("died", 0) >= TRIES)
                ):
                    first = self._trials.setdefault(its_network, trial)
                    if number < first.number:  # it was under way when the other one was read
                        self._trials[its_network] = trial
            return self._trials.get(network)
