"""No verb shows a password of a storage's address: not in output, logs, errors, files, notes or the dashboard."""

from __future__ import annotations

import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest

from mnas_moo.cli import main as cli
from mnas_moo.reports.dashboard import dashboard
from mnas_moo.running.address import without_passwords
from mnas_moo.running.database import with_driver
from mnas_moo.study_file.load import load_study_file
from tests.cli.conftest import Run, change
from tests.running.postgres import Server

PASSWORD = "hunter2%/@{x}:?&# y"
WRITTEN = quote(PASSWORD, safe="")
SHOWN = re.compile(r"hunter2|%7Bx%7D|\{x\}:\?")
"""Parts of it as it is, as it is written in an address, and as Optuna gets it."""

VERBS = {
    "run": [["run", "counts.yaml"], ["run", "counts.yaml", "--trials", "6", "--json"]],
    "front": [
        *(["front", "counts.yaml"], ["front", "counts.yaml", "--json"], ["front", "counts.yaml", "--csv"]),
        *(["front", "counts.yaml", "--plot", f"front.{suffix}"] for suffix in ("html", "svg")),
    ],
    "learning": [["learning", "counts.yaml"], ["learning", "counts.yaml", "--plot", "learning.svg"]],
    "show": [["show", "counts.yaml", "--trial", "0", "--picture", "network.svg"], ["show", "counts.yaml"]],
    "compare": [["compare", "counts.yaml", "--samplers", "random", "--seeds", "1", "--output", "compared"]],
    "repair": [["repair", "counts.yaml"]],
    "lut": [["lut", "build", "--space", "counts.yaml", "--device", "none", "-o", "t.json"]],
    "dashboard": [["dashboard", "counts.yaml", "--port", "-1", "--no-browser"]],
    "supernet": [["supernet", "counts.yaml", "--minutes", "0.01"]],
    "train": [["train", "counts.yaml", "0", "--epochs", "0.1"]],
    "devices": [["devices", "--benchmark-model", "none"]],
}


def test_all_verbs_are_here() -> None:
    assert set(VERBS) == {verb.__name__.rpartition(".")[2] for verb in cli.VERBS}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged, by everybody: verbs make Optuna silent, which is left out here."""
    monkeypatch.setattr(optuna.logging, "set_verbosity", lambda level: None)
    logging.getLogger("optuna").setLevel(logging.DEBUG)
    optuna.logging.enable_propagation()
    for name in ("sqlalchemy", "sqlalchemy.engine", "mnas_moo"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    yield caplog
    optuna.logging.disable_propagation()
    logging.getLogger("optuna").setLevel(logging.INFO)


def hidden(text: str) -> None:
    found = SHOWN.search(text)
    assert found is None, text[max(0, found.start() - 300) : found.end() + 100]


def all_hidden(answer: tuple[int, str, str], log: pytest.LogCaptureFixture) -> None:
    hidden(answer[1] + answer[2])
    hidden(log.text)
    for file in Path().rglob("*"):
        hidden(str(file))
        if file.is_file() and file.name != "counts.yaml":
            hidden(file.read_bytes().decode("utf-8", "replace"))


ADDRESSES = {
    "user": f"postgresql://me:{WRITTEN}@127.0.0.1:1/x",
    "query": f"postgresql://127.0.0.1:1/x?user=me&p%61ssword={WRITTEN}&sslmode=disable",
    "certificate": f"postgresql://127.0.0.1:1/x?sslpassword={WRITTEN}",
    "semicolon": f"postgresql://127.0.0.1:1/x?user=me;password={WRITTEN}",
    "setting that is none": f"postgresql://me:{WRITTEN}@127.0.0.1:1/x?nonsense=1",
    "another driver": f"postgresql+pg8000://me:{WRITTEN}@127.0.0.1:1/x",
    "another database": f"redis://:{WRITTEN}@127.0.0.1:1/x",
    "database of nobody": f"nonsense://me:{WRITTEN}@127.0.0.1:1/x",
    "SQLite": f"sqlite:///counts.db?password={WRITTEN}",
    "SQLCipher": f"sqlite+pysqlcipher://:{WRITTEN}@/counts.db",
}


@pytest.mark.parametrize("kind", ADDRESSES)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("devices", "compare", "supernet")])
def test_a_storage_that_is_not_reached_does_not_give_its_password_away(
    kind: str, verb: str, mnas_moo: Run, log: pytest.LogCaptureFixture
) -> None:
    change("sqlite:///counts.db", json.dumps(ADDRESSES[kind])[1:-1])
    for words in VERBS[verb]:
        answer = mnas_moo(*words)
        if kind != "SQLite":  # which has no passwords and is opened
            assert answer[0] == 2
            assert answer[2].count("mnas-moo: ") == 1
        all_hidden(answer, log)


@pytest.mark.parametrize(
    "storage", ["[{}]", "{{url: {}}}", "{{postgresql: {}}}", "[[{}, {}]]", "{{{}: x}}", "[1, 2, 3, {}]"]
)
def test_an_address_where_none_may_stand_does_not_give_its_password_away(
    storage: str, mnas_moo: Run, log: pytest.LogCaptureFixture
) -> None:
    change("sqlite:///counts.db", storage.format(*2 * [json.dumps(ADDRESSES["user"])]))
    answer = mnas_moo("run", "counts.yaml")
    assert answer[0] == 2
    all_hidden(answer, log)


@pytest.mark.parametrize("words", [["front", "counts.yaml"], ["run", "counts.yaml"], ["repair", "counts.yaml"]])
def test_an_address_on_the_command_line_is_hidden_in_answers(
    words: list[str], mnas_moo: Run, log: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    all_hidden(mnas_moo(*words, "--storage", ADDRESSES["user"]), log)
    for wrong in (["--storge", ADDRESSES["user"]], [ADDRESSES["query"]]):
        with pytest.raises(SystemExit):
            mnas_moo(*words, *wrong)
        hidden("".join(capsys.readouterr()))


def asked(url: str) -> str:
    try:
        with urllib.request.urlopen(url) as reply:
            return str(reply.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return f"{error} {error.headers} {error.read().decode('utf-8', 'replace')}"


@pytest.mark.parametrize("place", ["user", "query"])
def test_nor_does_a_server_that_is_used_by_every_verb(
    place: str, mnas_moo: Run, log: pytest.LogCaptureFixture, server: Server
) -> None:
    import sqlalchemy

    theirs = with_driver(server.create())
    server.ask(f"CREATE ROLE guest_{place} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    url = sqlalchemy.make_url(theirs).set(username=f"guest_{place}", password=None)
    url = url.set(password=PASSWORD) if place == "user" else url.update_query_dict({"password": PASSWORD})
    address = url.render_as_string(hide_password=False)
    assert SHOWN.search(address)
    change("sqlite:///counts.db", json.dumps(address)[1:-1])
    study_file = load_study_file("counts.yaml")
    assert study_file.storage == address
    before = log.text
    statuses = {}
    for commands in VERBS.values():
        for words in commands:
            answer = mnas_moo(*words)
            statuses[" ".join(words)] = answer[0]
            all_hidden(answer, log)
    assert {statuses[" ".join(words)] for verb in ("run", "front", "compare") for words in VERBS[verb]} == {0}
    assert len(log.text) > len(before) + 10_000  # of every statement
    with dashboard(study_file, port=0) as page:
        base, _, study_id = page.rpartition("/dashboard/studies/")[0], "", page.rpartition("/")[2]
        for path in ("/dashboard", "/api/studies", f"/api/studies/{study_id}", "/api/meta", f"/csv/{study_id}", "/x"):
            hidden(asked(f"{base}{path}"))
        assert "What is traded off" in asked(f"{base}/api/studies/{study_id}")
    hidden(log.text)
    # What it has stored.
    stored = optuna.load_study(study_name=study_file.name, storage=theirs)
    hidden(json.dumps([stored.user_attrs, *(str(trial) for trial in stored.trials)]))
    hidden(json.dumps(stored._storage.get_study_system_attrs(stored._study_id)))


def test_the_texts_that_are_looked_for_are_those_of_the_password() -> None:
    for text in (PASSWORD, WRITTEN, WRITTEN.replace("%7B", "{").replace("%7D", "}")):
        assert SHOWN.search(text)
    assert not SHOWN.search(without_passwords(ADDRESSES["user"]))
