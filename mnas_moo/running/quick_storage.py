"""Optuna's storage in a database, with a quicker reading of many trials: what a study of thousands needs to go on.

Optuna (5.0) makes an object of every row, of which a trial has some thirty, and parses the JSON of a distribution twice
for every parameter of every trial. Here what belongs to a trial is read as tuples, and each distribution is parsed
once. Everything else is Optuna's, the cache in front of it included: trials that have finished are read once, then
only those that are new or were under way.
"""

from __future__ import annotations

import functools
import json
import operator
from collections import defaultdict
from collections.abc import Container, Mapping
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

FEW = 100
"""So many trials, at most, are asked for by their keys; more are among all that are read."""


class QuickStorage(optuna.storages.RDBStorage):
    """Optuna's storage in a database; it reads the same trials in less time.

    Trials share the objects of their distributions, which nobody changes.
    """

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Trials of a study by key: those after one, and some up to it.

        Args:
            study_id: key of the study.
            states: states of the trials; None: any.
            included_trial_ids: keys of trials that are read though they are not after the one.
            trial_id_greater_than: key of the one.
        """
        older = {trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than}
        if len(older) > FEW:
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        trials = models.TrialModel
        chosen = trials.trial_id > trial_id_greater_than
        if older:
            chosen |= trials.trial_id.in_(older)
        chosen &= trials.study_id == study_id
        with optuna.storages._rdb.storage._create_scoped_session(self.scoped_session) as session:
            models.StudyModel.find_or_raise_by_id(study_id, session)
            rows: list[Any] = session.query(trials).where(chosen).order_by(trials.trial_id).all()
            if states is not None:
                rows = [row for row in rows if row.state in states]
            if not rows:
                return []

            def parts(model: Any, *names: str) -> Mapping[int, list[Any]]:
                """Rows of a table that belong to these trials, by trial and in the order in which they were written."""
                key = next(iter(model.__table__.primary_key))
                wanted = [getattr(model, name) for name in names]
                query = sqlalchemy.select(model.trial_id, *wanted).join(trials, trials.trial_id == model.trial_id)
                found: dict[int, list[Any]] = defaultdict(list)
                for trial_id, *row in session.execute(query.where(chosen).order_by(key)):
                    found[trial_id].append(row)
                return found

            params = parts(models.TrialParamModel, "param_name", "param_value", "distribution_json")
            values = parts(models.TrialValueModel, "objective", "value", "value_type")
            user = parts(models.TrialUserAttributeModel, "key", "value_json")
            system = parts(models.TrialSystemAttributeModel, "key", "value_json")
            steps = parts(models.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type")
            value_of = models.TrialValueModel.stored_repr_to_value
            step_of = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
            found = []
            for row in rows:
                trial_id = row.trial_id
                its_params = params.get(trial_id, ())
                its_values = sorted(values.get(trial_id, ()), key=operator.itemgetter(0))
                found.append(
                    FrozenTrial(
                        number=row.number,
                        state=row.state,
                        value=None,
                        values=[value_of(value, kind) for _, value, kind in its_values] or None,
                        datetime_start=row.datetime_start,
                        datetime_complete=row.datetime_complete,
                        params={name: _distribution(text).to_external_repr(value) for name, value, text in its_params},
                        distributions={name: _distribution(text) for name, _, text in its_params},
                        user_attrs={key: json.loads(text) for key, text in user.get(trial_id, ())},
                        system_attrs={key: json.loads(text) for key, text in system.get(trial_id, ())},
                        intermediate_values={
                            step: step_of(value, kind) for step, value, kind in steps.get(trial_id, ())
                        },
                        trial_id=trial_id,
                    )
                )
        return found


@functools.lru_cache(4096)
def _distribution(text: str) -> BaseDistribution:
    """The distribution of a JSON text."""
    return optuna.distributions.json_to_distribution(text)
