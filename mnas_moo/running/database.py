"""Optuna's storage in a database, which outlives a restart of the server: calls are made again, and none counts twice.

A call may have been carried out although its answer was lost. Reading, attributes and parameters can be repeated as
they are; a trial that is begun, claimed or finished is looked for first, by a moment that only this call has written
(exact in SQLite and PostgreSQL; MySQL keeps whole seconds, so that there one may be begun twice).
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.running.quick_storage import QuickStorage
from mnas_moo.running.trouble import Patience

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HEARTBEAT_SECONDS = 60
STALE_SECONDS = 300
"""A running trial without a heartbeat for so long was killed with its worker, and is tried again."""

LOCKED_SECONDS = 60
"""Processes that write to one SQLite file wait for each other so long."""

_MYSQL = (("mysqldb", "MySQLdb"), ("pymysql", "pymysql"))
_DRIVERS = {
    "sqlite": (("pysqlite", "sqlite3"),),
    "postgresql": (("psycopg2", "psycopg2"), ("psycopg", "psycopg")),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
"""Kind of database -> (driver in addresses, module that it needs), the preferred one first.

Others are refused: a run that outlives a restart knows an error that may pass from one that may not by the driver, and
one worker at a time needs a lock that it knows how to ask for.
"""
_INSTALL = {"postgresql": "mnas-moo[postgresql]", "mysql": "PyMySQL", "mariadb": "PyMySQL"}

_SERVER_GONE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""libpq's settings, in seconds and a count: without them, a connection that was cut is waited for without end."""


def with_driver(address: str, installed: Callable[[str], object] = importlib.util.find_spec) -> str:
    """An address that names its driver: the installed one where it names none, except of SQLite, which has one.

    >>> with_driver("postgresql://db/studies", installed=lambda module: module == "psycopg2")
    'postgresql+psycopg2://db/studies'
    >>> with_driver("sqlite:///digits.db")
    'sqlite:///digits.db'

    Args:
        address: a URL.
        installed: function that says whether a module can be imported.

    Raises:
        ValueError: no study can be kept in this kind of database, or not by this driver.
        ImportError: no driver for this kind of database is installed.
    """
    named, _, rest = address.partition("://")
    kind, _, driver = named.partition("+")
    if kind not in _DRIVERS:
        raise ValueError(f"no study can be kept in {kind!r}; allowed: {', '.join(_DRIVERS)}")
    known = [driver for driver, _ in _DRIVERS[kind]]
    if driver and driver not in known:
        raise ValueError(f"a study does not work by the driver {driver!r}; allowed: {', '.join(known)}")
    if driver or kind == "sqlite":
        return address
    for driver, module in _DRIVERS[kind]:
        if installed(module):
            return f"{kind}+{driver}://{rest}"
    names = " or ".join(module for _, module in _DRIVERS[kind])
    raise ImportError(f"no driver for it is installed ({names}); pip install '{_INSTALL[kind]}'")


def engine_settings(address: str) -> dict[str, Any]:
    """What SQLAlchemy needs to know besides the address."""
    if address.startswith("sqlite"):
        return {"connect_args": {"timeout": LOCKED_SECONDS}}
    if address.startswith("postgresql+psycopg"):
        query = address.partition("?")[2]
        return {
            "pool_pre_ping": True,
            "connect_args": {key: value for key, value in _SERVER_GONE.items() if f"{key}=" not in query},
        }
    return {"pool_pre_ping": True}


class Database(QuickStorage):
    """A storage in SQLite or on a server.

    Args:
        address: a URL with its driver.
        patience: what is done when a call fails.
    """

    def __init__(self, address: str, patience: Patience) -> None:
        self.patience = patience
        self._begun = threading.local()
        # It logs the traceback of every connection that was cut, which is handled here.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(
                # Optuna formats the address, for which a password may hold braces.
                address.replace("{", "%7B").replace("}", "%7D"),
                engine_kwargs=engine_settings(address),
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=STALE_SECONDS,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
            )

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        template = template_trial or _begun_now()
        self._begun.before = False
        create = super()._create_new_trial
        return self.patience(lambda n: create(study_id, template))

    def _get_prepared_new_trial(self, study_id: int, template_trial: FrozenTrial | None, session: Session) -> Any:
        """A new trial, or the one that an earlier attempt has begun; the study's row is locked meanwhile."""
        before, self._begun.before = self._begun.before, True
        if before and template_trial is not None:
            found = _same(session, study_id, template_trial)
            if found is not None:
                return found
        return super()._get_prepared_new_trial(study_id, template_trial, session)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Claims or finishes a trial; what an earlier attempt has done already counts as done by this call."""
        if state == TrialState.RUNNING:
            moment = datetime.now()
            return self.patience(lambda n: self._claim(trial_id, moment))
        finish = super().set_trial_state_values
        read = super().get_trial

        def attempt(n: int) -> bool:
            try:
                return finish(trial_id, state, values)
            except UpdateFinishedTrialError:
                if n:
                    stored = read(trial_id)
                    if stored.state == state and (values is None or stored.values == list(values)):
                        return True
                raise

        return self.patience(attempt)

    def _claim(self, trial_id: int, moment: datetime) -> bool:
        """Takes a waiting trial, unless another worker has taken it.

        Args:
            trial_id: id of the trial.
            moment: when it was claimed, the same in every attempt.
        """
        from sqlalchemy.exc import IntegrityError

        try:
            with _create_scoped_session(self.scoped_session) as session:
                trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
                self.check_trial_is_updatable(trial_id, trial.state)
                if trial.state != TrialState.WAITING:
                    return bool(trial.datetime_start == moment)
                trial.state = TrialState.RUNNING
                trial.datetime_start = moment
        except IntegrityError:
            return False
        return True

    def record_heartbeat(self, trial_id: int) -> None:
        """Records a heartbeat, or does without: the next one follows, and the run itself notices what is wrong."""
        try:
            super().record_heartbeat(trial_id)
        except Exception as error:
            logging.getLogger(__name__).debug("no heartbeat of trial %d: %s", trial_id, type(error).__name__)

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        read = super()._get_trials

        def attempt(n: int) -> list[FrozenTrial]:
            try:
                return read(*args, **kwargs)
            except KeyError:  # no such study
                raise
            except (ValueError, LookupError, TypeError, AssertionError) as error:
                raise self.patience.give_up(
                    f"the trials in it are damaged ({type(error).__name__}: {error})"
                ) from error

        return self.patience(attempt)


def _repeated(name: str) -> Callable[..., Any]:
    """A method of Optuna's that may be repeated as it is."""
    method: Callable[..., Any] = getattr(QuickStorage, name)

    def call(self: Database, *args: Any, **kwargs: Any) -> Any:
        return self.patience(lambda n: method(self, *args, **kwargs))

    return call


for _name in (
    "create_new_study",  # the second time it is there already, as if another process had created it
    "delete_study",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "get_trial",
    "get_trial_id_from_study_id_trial_number",
    "get_trial_param",
    "get_trial_user_attrs",
    "get_trial_system_attrs",
    "set_study_user_attr",
    "set_study_system_attr",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "set_trial_intermediate_value",
    "_set_trial_param",  # a parameter that is there already is an IntegrityError, which Optuna ignores
    "_get_best_trial_id",
    "_get_stale_trial_ids",
):
    setattr(Database, _name, _repeated(_name))


def _begun_now() -> FrozenTrial:
    """The template of a trial that begins now, as Optuna begins one without a template."""
    return FrozenTrial(
        number=-1,
        state=TrialState.RUNNING,
        value=None,
        values=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=-1,
    )


def _same(session: Session, study_id: int, template: FrozenTrial) -> Any:
    """The trial of the study that was made of this template, by its moment or, if it has none, by its attributes."""
    model: Any = models.TrialModel  # its columns have no types
    trials = session.query(model).filter(model.study_id == study_id)
    if template.datetime_start is not None:
        moment = template.datetime_start.astimezone(UTC).replace(tzinfo=None)  # as Optuna keeps it
        return trials.filter(model._datetime_start_utc == moment).first()
    if not template.system_attrs:
        return None
    newest = trials.order_by(model.trial_id.desc()).limit(1000)
    for trial in newest:
        held = {attribute.key: json.loads(attribute.value_json) for attribute in trial.system_attributes}
        if all(held.get(key) == value for key, value in template.system_attrs.items()):
            return trial
    return None
