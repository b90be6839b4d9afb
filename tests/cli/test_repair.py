from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run, refused


def test_a_journal_is_repaired_and_goes_on(mnas_moo: Run) -> None:
    journal = ("--storage", "journal:///counts.log")
    assert mnas_moo("run", "counts.yaml", *journal)[0] == 0
    before = mnas_moo("front", "counts.yaml", *journal, "--json")[1]
    lines = Path("counts.log").read_bytes().splitlines(keepends=True)
    Path("counts.log").write_bytes(b"".join([*lines[:9], b"garbage\n", *lines[9:]]))
    for verb in ("run", "front", "learning"):
        status, _, err = mnas_moo(verb, "counts.yaml", *journal)
        assert status == 2
        assert err.splitlines()[-1].startswith(f"mnas-moo: {Path('counts.log').absolute()}:10: the journal is broken")
    status, out, err = mnas_moo("repair", "counts.yaml", *journal)
    assert (status, out) == (0, "")
    assert err.startswith("line 10: 8 bytes (")
    assert err.endswith("counts.log is mended; as it was, it is kept in counts.log.broken-1\n")
    assert mnas_moo("front", "counts.yaml", *journal, "--json")[1] == before
    assert mnas_moo("run", "counts.yaml", *journal, "--trials", "5")[0] == 0
    assert mnas_moo("repair", "counts.yaml", *journal)[2] == "counts.log: nothing is broken\n"


def test_what_is_no_journal_is_not_repaired(mnas_moo: Run) -> None:
    refused(mnas_moo("repair", "counts.yaml"), "sqlite:///counts.db is no journal")
    refused(mnas_moo("repair", "counts.yaml", "--storage", "journal:///gone.log"), "journal:///gone.log is not there")
