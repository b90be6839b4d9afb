"""The points of an InstaNAS search as trials of a study.

The search is made when the first trial begins, and its result is stored with the study. A trial's parameters are those
of the network that most images of its point run through; its results are those of the point. Further trials take the
points again in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

    from mnas_moo.instanas.course import Result

RESULT = "mnas_moo:instanas"
"""System attribute of a study: what the search has found."""
POINT = "instanas_point"
"""Trial attribute: number of the point of the search."""


class InstaNASSampler(BaseSampler):
    """Gives each trial a point of a search.

    Args:
        search: makes the search, or waits for another process that makes it.
        distributions: the space's parameters.
    """

    def __init__(self, search: Callable[[], Result], distributions: Mapping[str, BaseDistribution]) -> None:
        self._search = search
        self._distributions = dict(distributions)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the space."""
        return dict(self._distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The usual network of the next point, from fast to slow; its number is stored with the trial."""
        points = self._points(study)
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        taken = {other.user_attrs.get(POINT) for other in others if other.state != TrialState.FAIL}
        number = next((i for i in range(len(points)) if i not in taken), trial.number % len(points))
        study._storage.set_trial_user_attr(trial._trial_id, POINT, number)
        return dict(zip(self._distributions, points[number]["usual"], strict=True))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuses a parameter of another space."""
        raise ValueError(f"InstaNAS searches {len(self._distributions)} cells; {param_name!r} is none of them")

    def reseed_rng(self) -> None:
        """Nothing: nothing is drawn."""

    def _points(self, study: Study) -> list[dict[str, Any]]:
        held = points_of(study)
        if held is None:
            found = dataclasses.asdict(self._search())
            study._storage.set_study_system_attr(study._study_id, RESULT, found)
            held = found["points"]
        return held


def points_of(study: Study) -> list[dict[str, Any]] | None:
    """The points that the search of a study has found; None: nothing yet."""
    held = study._storage.get_study_system_attrs(study._study_id).get(RESULT)
    return held["points"] if isinstance(held, Mapping) and held.get("points") else None


def point_of(study: Study, attributes: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """The point of a trial.

    Args:
        study: the study.
        attributes: user attributes of the trial.

    Returns:
        The point's number in the search and its figures (``course.Point``); None: the trial is none of the points.
    """
    number, points = attributes.get(POINT), points_of(study)
    if not isinstance(number, int) or points is None or not 0 <= number < len(points):
        return None
    return number, points[number]
