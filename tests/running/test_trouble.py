from __future__ import annotations

import random
import sqlite3

import optuna
import pytest
from sqlalchemy import exc

from mnas_moo.running.trouble import Patience, StorageError, may_pass, reason_of, storage_errors, trouble_of

GONE = exc.OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly"))
FULL = exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def patience(said: list[str] | None) -> Patience:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    say = None if said is None else said.append
    address = "postgresql://me:hunter2@db/x"
    return Patience(address, say, sleep=sleep, clock=lambda: now[0], rng=random.Random(0))


def failing(times: int, error: Exception) -> tuple[list[int], object]:
    calls: list[int] = []

    def attempt(n: int) -> str:
        calls.append(n)
        if n < times:
            raise error
        return "answer"

    return calls, attempt


def test_a_connection_that_was_cut_is_waited_for_and_it_is_shown() -> None:
    said: list[str] = []
    calls, attempt = failing(3, GONE)
    assert patience(said)(attempt) == "answer"  # type: ignore[arg-type]
    assert calls == [0, 1, 2, 3]
    assert [line.partition(";")[0] for line in said] == [
        "waiting for the storage: server closed the connection unexpectedly"
    ] * 3 + ["the storage answers again"]


def test_waiting_has_an_end_after_which_every_call_fails_at_once() -> None:
    said: list[str] = []
    waiting = patience(said)
    _, attempt = failing(10**6, GONE)
    with pytest.raises(StorageError, match=r"postgresql://me:\*\*\*@db/x: server closed"):
        waiting(attempt)  # type: ignore[arg-type]
    assert 300 <= waiting.clock() < 330
    assert 15 < len(said) < 50
    with pytest.raises(StorageError):
        waiting(lambda n: "never called")


def test_pauses_grow_and_differ() -> None:
    said: list[str] = []
    _, attempt = failing(8, GONE)
    patience(said)(attempt)  # type: ignore[arg-type]
    pauses = [float(line.split()[-2]) for line in said[:-1]]
    assert len(set(pauses)) == 8
    assert pauses[0] < 1 < 7 < pauses[-1] < 23


def test_a_full_disk_and_a_reader_wait_for_nothing() -> None:
    said: list[str] = []
    calls, attempt = failing(1, FULL)
    with pytest.raises(StorageError, match=r"the disk is full; free some space \(database or disk is full\)"):
        patience(said)(attempt)  # type: ignore[arg-type]
    assert (calls, said) == ([0], [])
    reader = patience(None)
    calls, attempt = failing(1, GONE)
    with pytest.raises(StorageError):
        reader(attempt)  # type: ignore[arg-type]
    assert reader(lambda n: "later") == "later"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        KeyError("none"),
        exc.DataError("INSERT", {}, Exception("value too long")),
        exc.IntegrityError("INSERT", {}, Exception("twice")),
    ],
)
def test_a_wrong_call_is_no_trouble_of_the_storage(error: Exception) -> None:
    assert trouble_of(error) is None
    with pytest.raises(type(error)):
        patience([])(failing(1, error)[1])  # type: ignore[arg-type]


def test_trouble_is_found_behind_optunas_words() -> None:
    theirs = optuna.exceptions.StorageInternalError("exceeding max length")
    theirs.__cause__ = FULL
    assert trouble_of(theirs) is FULL


@pytest.mark.parametrize(
    ("error", "words", "passes"),
    [
        (OSError(28, "No space left on device"), "the disk is full", False),
        (OSError(30, "Read-only file system"), "it is read-only", False),
        (sqlite3.DatabaseError("database disk image is malformed"), "the file is damaged", False),
        (sqlite3.OperationalError("attempt to write a readonly database"), "it is read-only", False),
        (sqlite3.OperationalError("database is locked"), "another process has locked it", True),
        (Exception("the database system is starting up"), "the database system is starting up", True),
    ],
)
def test_trouble_is_said_in_words(error: Exception, words: str, passes: bool) -> None:
    trouble = error if isinstance(error, OSError) else exc.OperationalError("SELECT", {}, error)
    assert reason_of(trouble).startswith(words)
    assert may_pass(trouble) == passes


def test_what_optuna_raises_while_it_handles_trouble_becomes_the_trouble() -> None:
    trouble = StorageError("the disk is full")
    theirs = UnboundLocalError("updated_state")
    theirs.__context__ = RuntimeError()
    theirs.__context__.__context__ = trouble
    with pytest.raises(StorageError) as raised, storage_errors():
        raise theirs
    assert raised.value is trouble
    with pytest.raises(UnboundLocalError), storage_errors():
        raise UnboundLocalError("another one")
