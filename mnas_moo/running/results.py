"""Measurements as a study stores them, and which it has already: a network is measured once, whoever proposes it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.trial import TrialState

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.memory import shortage_of
from mnas_moo.objectives.objective import DeviceError
from mnas_moo.running.trials import JUDGED, MEASUREMENTS, network_of
from mnas_moo.running.workers import TRIES, WORKER

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from mnas_moo.objectives.objective import Measurement
    from mnas_moo.spaces.spec import NetworkSpec

_Result = TypeVar("_Result")


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
                if (
                    its_network
                    and JUDGED not in trial.user_attrs
                    and (
                        (trial.state == TrialState.COMPLETE and MEASUREMENTS in trial.user_attrs)
                        or (
                            trial.state == TrialState.FAIL
                            and trial.system_attrs.get(WORKER, {}).get("died", 0) >= TRIES
                        )
                    )
                ):
                    first = self._trials.setdefault(its_network, trial)
                    if number < first.number:  # it was under way when the other one was read
                        self._trials[its_network] = trial
            return self._trials.get(network)


def figures(name: str, measure: Any, spec: NetworkSpec, seed: int) -> dict[str, Any]:
    """One measurement as it is stored.

    Raises:
        ValueError: the measurement failed; the message begins with the objective's name.
    """
    return checked(name, told_as(name, lambda: measure(spec, seed)))


def checked(name: str, measured: Measurement) -> dict[str, Any]:
    """A measurement as it is stored.

    Raises:
        ValueError: its value is not finite.
    """
    value = float(measured.value)
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return {"value": value, **measured.details}


def told_as(name: str, measure: Callable[[], _Result]) -> _Result:
    """What a function that measures returns; its errors are told as those of the objective.

    Raises:
        ValueError: the measurement failed; the message begins with the objective's name.
    """
    try:
        return measure()
    except (MissingExtraError, DeviceError):
        raise
    except Exception as error:
        shortage = shortage_of(error)
        if shortage is None:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise ValueError(f"{name}: {kind}{error}") from error
    # raised here, where the error is gone: its frames hold what filled the memory
    raise ValueError(f"{name}: {shortage}")
