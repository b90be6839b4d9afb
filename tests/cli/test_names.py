"""Names and texts of somebody else's, in a table or a storage: they control no terminal, plot or page."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import select
import subprocess
import sys
import warnings
from pathlib import Path

import optuna
import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parents[2]

TERMINAL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n"
MARKS = "[bold]b[/bold] [/x] [link=x]l[/link] $\\frac{$ <b>b</b> <img src=x onerror=alert(1)>"
HOSTILE = f"{MARKS} {TERMINAL}"
TABLE = f"""\
name: '{MARKS}'
storage: sqlite:///s.db
table: {{file: t.csv, parameters: ['p {MARKS}', b], objectives: {{'o {MARKS}': maximize, 'q {MARKS}': minimize}}}}
sampler: {{mnas: {{seed: 0}}}}
trials: 6
"""


@pytest.fixture
def table(mnas_moo: Run) -> Run:
    """The command line in a folder with a table of hostile names, and its study."""
    Path("s.yaml").write_text(TABLE, encoding="utf-8")
    with Path("t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f"p {MARKS}", "b", f"o {MARKS}", f"q {MARKS}"])
        writer.writerows([word, b, 1 / (b + 1), b / (len(word) + 1)] for word in (MARKS, "w") for b in range(4))
    return mnas_moo


@pytest.fixture
def storage(mnas_moo: Run) -> Run:
    """The command line in a folder with a storage that holds hostile texts wherever a storage holds texts."""
    mnas_moo("run", "counts.yaml")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="counts", storage="sqlite:///counts.db")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([f"{HOSTILE} 1", f"{HOSTILE} 2"])
    for n in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                values=[-1.0 - n, -1.0 + n],
                params={HOSTILE: HOSTILE},
                distributions={HOSTILE: optuna.distributions.CategoricalDistribution([HOSTILE])},
                user_attrs={"network": f"{HOSTILE}{n}", "failure": HOSTILE, "same_as": HOSTILE, "measurements": {}},
            )
        )
    study.add_trial(optuna.trial.create_trial(values=[-9.0, float("inf")]))
    return mnas_moo


def harmless(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text)


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"], ["--plot", "f.html"], ["--plot", "f.svg"]])
def test_a_terminal_gets_no_control_characters_of_a_storage(form: list[str], storage: Run) -> None:
    status, out, err = storage("front", "counts.yaml", *form)
    assert status == 0
    harmless(out + err)
    if form == ["--json"]:
        records = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert [record["params"] for record in records] == 2 * [{HOSTILE: HOSTILE}]
    if form == ["--csv"]:
        rows = list(csv.reader(out.splitlines()))
        assert [len(row) for row in rows] == 3 * [len(rows[0])]
    for file in Path().glob("f.*"):
        assert "\x1b" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["run"], ["show", "--trial", "4"], ["learning"], ["run", "--trials", "9"]])
def test_nor_do_other_verbs_pass_them_on(words: list[str], storage: Run) -> None:
    status, out, err = storage(words[0], "counts.yaml", *words[1:])
    harmless(out + err)
    assert status in (0, 2)
    assert "Traceback" not in err


def test_names_of_a_table_are_shown_as_they_are(table: Run) -> None:
    status, out, err = table("run", "s.yaml")
    assert status == 0
    assert f"trial 0: o {MARKS} " in err
    os.environ["COLUMNS"] = "400"
    try:
        _, out, _ = table("front", "s.yaml")
        assert f"o {MARKS}" in out
        assert f"q {MARKS}" in out
        for suffix in ("svg", "png", "html"):
            assert table("front", "s.yaml", "--plot", f"f.{suffix}")[0] == 0
    finally:
        del os.environ["COLUMNS"]
    page = Path("f.html").read_text(encoding="utf-8")
    assert "onerror" in page
    assert "<img src=x" not in page
    assert "\\u003cimg" not in page  # plotly's own writing of `<`, which it reads as HTML


def test_a_comparison_shows_them_as_they_are(table: Run) -> None:
    status, _, err = table("compare", "s.yaml", "--samplers", "random,brute", "--seeds", "2", "--output", "out")
    assert (status, err) == (0, err)
    page = Path("out/comparison.html").read_text(encoding="utf-8")
    assert "onerror" in page
    assert "<img src=x" not in page
    assert "\\u003cimg" not in page


@pytest.mark.parametrize("cell", ["a\x1b[2Jb", "a\nb", "a\x00b", "a\u202eb", "\x9b"])
@pytest.mark.parametrize("where", ["a name", "a cell"])
def test_control_characters_of_a_table_are_refused(cell: str, where: str, table: Run) -> None:
    header, word = (cell, "w") if where == "a name" else ("c", cell)
    with Path("t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[header, "e"], [word, 1], ["w", 2]])
    Path("s.yaml").write_text(
        "name: s\nstorage: sqlite:///s.db\nsampler: random\ntrials: 1\n"
        "table: {file: t.csv, parameters: [c], objectives: {e: minimize}}\n",
        encoding="utf-8",
    )
    status, _, err = table("run", "s.yaml")
    assert status == 2
    assert err.count("\n") == 1
    harmless(err)
    assert re.search(r"t\.csv.*has a control character, '", err)


def test_a_cell_may_be_what_a_spreadsheet_takes_for_a_formula(table: Run) -> None:
    with Path("t.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(["=1+1", b, 9, -1] for b in range(4))
    assert table("run", "s.yaml", "--trials", "12")[0] == 0
    _, out, _ = table("front", "s.yaml", "--csv")
    assert ",=1+1," in out


def test_a_live_view_in_a_terminal_shows_names_as_they_are(table: Run) -> None:
    main, end = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "400", "LINES": "50", "TERM": "xterm"}
    words = [sys.executable, "-m", "mnas_moo.cli.main", "run", "s.yaml"]
    shown = b""
    with subprocess.Popen(words, env=env, stdin=end, stdout=end, stderr=end) as process:
        os.close(end)
        while select.select([main], [], [], 60)[0]:
            try:
                shown += os.read(main, 65536)
            except OSError:  # the end of a terminal whose program has ended
                break
        assert process.wait(60) == 0
    os.close(main)
    assert MARKS.encode() in shown
    assert b"\x1b]8;" not in shown  # a link
